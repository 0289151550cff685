//! `textport models quantize`: a model as a GGUF file.

use indicatif::HumanBytes;
use serde_json::json;
use textport::local::{QuantizePlan, quantize_file};

use super::Shelf;
use super::write::{ingredients, write};
use crate::args::QuantizeArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::runtime::Runtime;

/// Writes the file and says how much smaller it is.
///
/// # Errors
/// When the model or an adapter cannot be found, read or written as a GGUF file, or is quantized
/// already.
pub(super) fn run(
    shelf: &Shelf,
    args: &QuantizeArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let format = output.format().no_lines("models quantize")?;
    let runtime = Runtime::new()?;
    let (from, lora) = ingredients(shelf, &args.input, &args.lora, &runtime, output)?;
    let (to, quantization) = (args.output.clone(), args.quant.clone());
    let plan = QuantizePlan { from, to, quantization, lora };
    let task = format!("writing {}", args.output.display());
    let written = write(task, &runtime, output, move |report| quantize_file(&plan, report))?;
    if format.is_json() {
        output.json(&json!({ "v": 1, "written": written }))?;
        return Ok(Exit::Ok);
    }
    let (before, after) = (HumanBytes(written.bytes_before), HumanBytes(written.bytes));
    output.note(&format!("{before} became {after} ({})", written.quantization));
    output.line(&written.path.display().to_string())?;
    Ok(Exit::Ok)
}
