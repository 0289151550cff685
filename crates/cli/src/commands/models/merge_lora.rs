//! `textport models merge-lora`: a base and its adapters as one folder.

use indicatif::HumanBytes;
use serde_json::json;
use textport::local::{MergePlan, merge_lora};

use super::Shelf;
use super::write::{ingredients, write};
use crate::args::MergeLoraArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::runtime::Runtime;

/// Writes the folder and says where it is.
///
/// # Errors
/// When the base or an adapter cannot be found or read, when they do not belong together, and when
/// the folder cannot be written.
pub(super) fn run(
    shelf: &Shelf,
    args: &MergeLoraArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let format = output.format().no_lines("models merge-lora")?;
    let runtime = Runtime::new()?;
    let (base, lora) = ingredients(shelf, &args.base, &args.lora, &runtime, output)?;
    let plan =
        MergePlan { dtype: args.dtype.clone(), ..MergePlan::new(base, args.output.clone(), lora) };
    let task = format!("writing {}", args.output.display());
    let written = write(task, &runtime, output, move |report| merge_lora(&plan, report))?;
    if format.is_json() {
        output.json(&json!({ "v": 1, "written": written }))?;
        return Ok(Exit::Ok);
    }
    let files = if written.files == 1 { "file" } else { "files" };
    let size = HumanBytes(written.bytes);
    output.note(&format!("{size} of weights in {} {files}", written.files));
    output.line(&written.path.display().to_string())?;
    Ok(Exit::Ok)
}
