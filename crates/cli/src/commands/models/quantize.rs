//! `textport models quantize`: a GGUF file in fewer bits.

use std::path::Path;

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde_json::json;
use textport::local::quantize_file;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// Writes `from` as `to` and says how much smaller it is.
///
/// # Errors
/// When the model cannot be read or written, or is quantized already.
pub(crate) fn run(
    from: &Path,
    to: &Path,
    quantization: &str,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let format = output.format().no_lines("models quantize")?;
    let bar = if output.may_draw() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {eta}") {
        bar.set_style(style);
    }
    let written = quantize_file(from, to, quantization, &mut |progress| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
        bar.set_message(progress.tensor.to_owned());
    });
    bar.finish_and_clear();
    let written = written?;
    if format.is_json() {
        output.json(&json!({ "v": 1, "written": written }))?;
        return Ok(Exit::Ok);
    }
    let (before, after) = (HumanBytes(written.bytes_before), HumanBytes(written.bytes));
    output.note(&format!("{before} became {after} ({})", written.quantization));
    output.line(&written.path.display().to_string())?;
    Ok(Exit::Ok)
}
