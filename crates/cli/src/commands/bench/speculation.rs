//! `textport bench speculation`: how fast a text is answered with drafts and without.

use serde_json::{Map, Value, json};
use textport::local::{SpeculationPlan, SpeculationReport, SpeculationRow, bench_speculation};
use textport::{Error, ErrorKind};

use super::perplexity::read;
use crate::args::SpeculationArgs;
use crate::commands::table;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::runtime::Runtime;
use crate::settings::Settings;

/// Measures and prints a table, or JSON; each speed is told on the way.
///
/// # Errors
/// When the text cannot be read, when the model cannot be found or run, and when a value of the
/// setting makes no sense for it.
pub(super) fn run(
    args: &SpeculationArgs,
    settings: &Settings,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let format = output.format().no_lines("bench speculation")?;
    let text = read(&args.file)?;
    let runtime = Runtime::new()?;
    let path = super::model(args.model.as_deref(), settings, &runtime, output)?;
    let (plan, talk, measured) = (plan(args), output.may_talk(), path.clone());
    let report = runtime.run(async move {
        let work = tokio::task::spawn_blocking(move || {
            bench_speculation(&measured, &text, &plan, &mut |speculation, speed| {
                if talk {
                    tell(speculation, speed);
                }
            })
        });
        let report = work.await.map_err(|error| {
            Error::new(ErrorKind::Internal, "the benchmark ended badly").with_source(error)
        })??;
        Ok(report)
    })?;
    if format.is_json() {
        let mut value = serde_json::to_value(&report).map_err(std::io::Error::other)?;
        if let Value::Object(object) = &mut value {
            object.insert("v".to_owned(), json!(1));
            object.insert("path".to_owned(), json!(path));
        }
        output.json(&value)?;
    } else {
        let headings = ["SPECULATION", "TOKENS", "T/S (MIN-MAX)", "DRAFTED", "ACCEPTED", "MEANS"];
        output.write_foreign(&table::text(headings, report.rows.iter().map(cells)))?;
        output.line(&format!("\n{}", footer(&report)))?;
    }
    Ok(Exit::Ok)
}

fn plan(args: &SpeculationArgs) -> SpeculationPlan {
    let mut settings = Map::from_iter([("device".to_owned(), json!(args.device))]);
    if let Some(threads) = args.threads {
        settings.insert("threads".to_owned(), json!(threads));
    }
    if let Some(quant) = &args.quant {
        settings.insert("quant".to_owned(), json!(quant));
    }
    SpeculationPlan {
        speculation: args.speculation.clone(),
        max_tokens: args.max_tokens,
        batch: args.batch,
        repetitions: args.repetitions,
        seed: args.seed,
        temperature: args.temperature,
        settings,
    }
}

fn cells(row: &SpeculationRow) -> [String; 6] {
    let speed = row.tokens_per_s;
    let share = match row.drafted {
        0 => String::new(),
        drafted => format!(" ({:.0} %)", 100.0 * row.accepted as f64 / drafted as f64),
    };
    [
        row.speculation.clone(),
        row.output_tokens.to_string(),
        format!("{:.2} ({:.2}-{:.2})", speed.median, speed.min, speed.max),
        row.drafted.to_string(),
        format!("{}{share}", row.accepted),
        row.meaning.clone(),
    ]
}

/// What was asked, where, and whether the answers are the same.
fn footer(report: &SpeculationReport) -> String {
    let same = match report.same_answers {
        true => "the same answers every time",
        false => "not the same answers every time",
    };
    let SpeculationReport { input_tokens, batch, repetitions, device, cpu, version, .. } = report;
    format!(
        "prompt of {input_tokens} tokens; {batch} at once; {repetitions} rounds; {same}; {device}, {} \
         kernels; textport {version}",
        cpu.kernels
    )
}

fn tell(speculation: &str, speed: f64) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "speculation {speculation}: {speed:.1} t/s");
}
