//! `textport bench perplexity`: how well a model foretells a text, and how far from another it is.

use std::io::Read as _;
use std::path::Path;

use serde_json::{Value, json};
use textport::local::{Divergence, Perplexity, PerplexityPlan, perplexity};
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
/// When the text cannot be read or is too short, when a model cannot be found or run, and when the
/// reference is no model of the same vocabulary.
pub(super) fn run(
    args: &PerplexityArgs,
    settings: &Settings,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let format = output.format().no_lines("bench perplexity")?;
    let text = read(&args.file)?;
    let runtime = Runtime::new()?;
    let path = super::model(args.model.as_deref(), settings, &runtime, output)?;
    let reference = match &args.reference {
        None => None,
        Some(named) => Some(super::model(Some(named), settings, &runtime, output)?),
    };
    let plan = PerplexityPlan {
        context: args.context,
        threads: args.threads,
        windows: args.windows,
        reference: reference.clone(),
    };
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
        output.json(&object(&path, reference.as_deref(), &found))?;
    } else {
        output.line(&format!("{:.4} +/- {:.4}", found.perplexity, found.error))?;
        if let (Some(reference), Some(divergence)) = (&reference, &found.divergence) {
            output.line(&beside(reference, divergence))?;
        }
    }
    Ok(Exit::Ok)
}

fn object(path: &Path, reference: Option<&Path>, found: &Perplexity) -> Value {
    let mut object = json!({ "v": 1, "path": path, "result": found });
    if let Some(reference) = reference {
        object["reference"] = json!(reference);
    }
    object
}

/// How far from the reference it is, in a line.
fn beside(reference: &Path, divergence: &Divergence) -> String {
    let Divergence { mean, error, p99, max, same_top, reference_perplexity, .. } = divergence;
    format!(
        "divergence from {} ({reference_perplexity:.4}): {mean:.6} +/- {error:.6} nats, 99 % of the \
         tokens below {p99:.6}, all below {max:.6}; the same first choice for {:.2} %",
        reference.display(),
        same_top * 100.0
    )
}

/// The text of a file, or of stdin.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
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
    let apart = so_far.divergence.map_or_else(String::new, |divergence| {
        format!(", {:.6} nats from the reference", divergence.mean)
    });
    let _ = writeln!(std::io::stderr(), "{windows}: {perplexity:.4}{apart} after {scored} tokens");
}
