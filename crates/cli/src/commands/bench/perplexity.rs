//! `textport bench perplexity`: how well a model foretells a text.

use std::io::Read as _;
use std::path::Path;

use serde_json::json;
use textport::local::{Perplexity, PerplexityPlan, perplexity};
use textport::{Error, ErrorKind};

use crate::args::PerplexityArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::runtime::Runtime;
use crate::settings::Settings;

/// Measures and prints one figure, or JSON; the figure so far is told on the way.
///
/// # Errors
/// When the text cannot be read or is too short, and when the model cannot be found or run.
pub(super) fn run(
    args: &PerplexityArgs,
    settings: &Settings,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let format = output.format().no_lines("bench perplexity")?;
    let text = read(&args.file)?;
    let runtime = Runtime::new()?;
    let path = super::model(args.model.as_deref(), settings, &runtime, output)?;
    let plan =
        PerplexityPlan { context: args.context, threads: args.threads, windows: args.windows };
    let talk = output.may_talk();
    let measured = path.clone();
    let found = runtime.run(async move {
        let work = tokio::task::spawn_blocking(move || {
            perplexity(&measured, &text, &plan, &mut |so_far| {
                if talk {
                    tell(so_far);
                }
            })
        });
        let found = work.await.map_err(|error| {
            Error::new(ErrorKind::Internal, "the measurement ended badly").with_source(error)
        })??;
        Ok(found)
    })?;
    if format.is_json() {
        output.json(&json!({ "v": 1, "path": path, "result": found }))?;
    } else {
        output.line(&format!("{:.4} +/- {:.4}", found.perplexity, found.error))?;
    }
    Ok(Exit::Ok)
}

fn read(path: &Path) -> Result<String, Failure> {
    let failed = |error: std::io::Error| {
        let message = format!("could not read {}: {error}", path.display());
        Error::new(ErrorKind::InvalidRequest, message).with_hint("give a text file in UTF-8")
    };
    if path != Path::new("-") {
        return Ok(std::fs::read_to_string(path).map_err(failed)?);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

fn tell(so_far: &Perplexity) {
    use std::io::Write;
    let Perplexity { perplexity, scored, windows, .. } = so_far;
    let _ = writeln!(std::io::stderr(), "{windows}: {perplexity:.4} after {scored} tokens");
}
