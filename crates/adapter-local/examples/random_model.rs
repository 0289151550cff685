//! Writes a GGUF file of a true shape with random numbers, for measuring engines that need a file.
//!
//! ```text
//! cargo run --release -p textport-adapter-local --example random_model -- qwen3-0.6b q4_k_m OUT.gguf
//! ```
//!
//! The shape is a name (qwen3-0.6b … qwen3-32b, llama-3.1-8b, smollm2-135m, …) or the path of a
//! config.json; the type one of f32, f16, bf16, q8_0, q6_k, q5_k_m, q4_k_m, q4_1, q4_0, ….

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::path::Path;

use ports::{BuildContext, Progress};
use textport_adapter_local::{known_shapes, quantizations, write_random_model};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let [shape, quantization, to] = words.as_slice() else {
        let (shapes, types) = (known_shapes(), quantizations());
        return Err(format!(
            "usage: random_model SHAPE TYPE OUT.gguf\nshapes: {shapes}, or a config.json\ntypes: {types}"
        )
        .into());
    };
    let context = BuildContext::default().with_progress(tell);
    let written = write_random_model(shape, quantization, Path::new(to), &context)?;
    Ok(writeln!(std::io::stdout(), "{}: {} bytes", written.path.display(), written.bytes)?)
}

/// One line, written over and over; only its end where nobody looks.
fn tell(progress: Progress) {
    let percent = progress.done * 100 / progress.total.unwrap_or(1).max(1);
    let mut stderr = std::io::stderr();
    let end = if progress.finished { '\n' } else { '\r' };
    if progress.finished || stderr.is_terminal() {
        let _ = write!(stderr, "{}: {percent} %{end}", progress.task);
    }
}
