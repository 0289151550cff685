//! What a benchmark found, as a table or as JSON.

use std::path::Path;

use indicatif::HumanBytes;
use serde_json::{Value, json};
use textport::local::{BenchModel, BenchReport, BenchRow};

use crate::commands::table;
use crate::failure::Failure;
use crate::format::Format;
use crate::output::Output;

const HEADINGS: [&str; 6] = ["MODEL", "SIZE", "PARAMS", "THREADS", "TEST", "T/S (MIN-MAX)"];

/// What is measured, in few words.
pub(super) fn model(model: &BenchModel) -> String {
    match model {
        BenchModel::Path(path) => path.display().to_string(),
        BenchModel::RandomWeights(shape) => format!("{shape} with random weights"),
    }
}

/// Everything that was asked for.
pub(super) fn whole(report: &BenchReport, output: &mut Output) -> Result<(), Failure> {
    match output.format() {
        Format::Json => {
            let mut value = serde_json::to_value(report).map_err(std::io::Error::other)?;
            if let Value::Object(object) = &mut value {
                object.insert("v".to_owned(), json!(1));
            }
            output.json(&value)?;
        }
        Format::Jsonl => lines(&report.rows, &report.model, output)?,
        _ => {
            let facts = &report.facts;
            let model = name(facts.name.as_deref(), &report.model);
            let stored = facts.stored_as.first().map_or("", |stored| stored.kind);
            let size = format!("{} {stored}", HumanBytes(facts.weight_bytes));
            let parameters = format!("{:.1} M", facts.parameters as f64 / 1e6);
            let rows = report.rows.iter().map(|row| cells(row, &model, &size, &parameters));
            let heading = match (report.read_bandwidth.is_empty(), report.peak.is_empty()) {
                (true, true) => None,
                (false, true) => Some("OF BANDWIDTH"),
                (true, false) => Some("OF PEAK"),
                (false, false) => Some("OF BANDWIDTH OR PEAK"),
            };
            let text = match heading {
                None => table::text(HEADINGS, rows),
                Some(heading) => {
                    let [a, b, c, d, e, f] = HEADINGS;
                    let shares = report.rows.iter().map(share);
                    let rows = rows.zip(shares);
                    let rows = rows.map(|([a, b, c, d, e, f], g)| [a, b, c, d, e, f, g]);
                    table::text([a, b, c, d, e, f, heading], rows)
                }
            };
            output.write_foreign(&text)?;
            output.line(&format!("\n{}", footer(report)))?;
        }
    }
    Ok(())
}

/// Where and with what it was measured.
fn footer(report: &BenchReport) -> String {
    let loaded = match &report.model {
        BenchModel::Path(_) => "loaded",
        BenchModel::RandomWeights(_) => "made",
    };
    let mut parts = vec![format!("{loaded} in {:.2} s", report.load_s.median)];
    if let Some(peak) = report.peak_rss_bytes {
        parts[0].push_str(&format!(", at most {} of memory", HumanBytes(peak)));
    }
    parts.push(match &report.gpu {
        Some(gpu) => format!("{} ({gpu})", report.device),
        None => format!("{} with {} kernels", report.cpu.architecture, report.cpu.kernels),
    });
    let (kept, bytes) = (report.facts.kv_cache, HumanBytes(report.facts.kv_bytes_per_token));
    parts.push(format!("keys and values in {kept}, {bytes} per token"));
    parts.extend(report.read_bandwidth.iter().map(|read| {
        let speed = read.bytes_per_s.median / 1e9;
        format!("memory read at {speed:.1} GB/s on {} threads", read.threads)
    }));
    parts.extend(report.peak.iter().map(|peak| {
        let (bytes, floats) = (peak.bytes_per_s.median / 1e9, peak.floats_per_s.median / 1e9);
        let threads = peak.threads;
        format!(
            "at most {bytes:.0} G products of bytes and {floats:.0} G of floats a second on \
             {threads} threads"
        )
    }));
    parts.push(format!("textport {}", report.version));
    parts.join("; ")
}

/// What was finished of a benchmark that did not come to its end.
pub(super) fn partial(
    rows: &[BenchRow],
    model: &BenchModel,
    output: &mut Output,
) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    match output.format() {
        Format::Json => {
            output.json(&json!({ "v": 1, "complete": false, "model": model, "rows": rows }))?;
        }
        Format::Jsonl => lines(rows, model, output)?,
        _ => {
            let model = name(None, model);
            let cells = rows.iter().map(|row| cells(row, &model, "", ""));
            output.write_foreign(&table::text(HEADINGS, cells))?;
        }
    }
    Ok(())
}

/// Each row for itself, with what it is a row of.
fn lines(rows: &[BenchRow], model: &BenchModel, output: &mut Output) -> Result<(), Failure> {
    for row in rows {
        let mut value = serde_json::to_value(row).map_err(std::io::Error::other)?;
        if let Value::Object(object) = &mut value {
            object.insert("v".to_owned(), json!(1));
            object.insert("test".to_owned(), json!(row.test()));
            object.insert("model".to_owned(), json!(model));
        }
        output.json(&value)?;
    }
    Ok(())
}

fn cells(row: &BenchRow, model: &str, size: &str, parameters: &str) -> [String; 6] {
    let speed = row.tokens_per_s;
    [
        model.to_owned(),
        size.to_owned(),
        parameters.to_owned(),
        row.threads.to_string(),
        row.test(),
        format!("{:.2} ({:.2}-{:.2})", speed.median, speed.min, speed.max),
    ]
}

/// Of what the row comes up against: decoding against memory, prompts against the processor.
fn share(row: &BenchRow) -> String {
    let share = row.share_of_bandwidth.or(row.share_of_peak);
    share.map(|share| format!("{:.0} %", share * 100.0)).unwrap_or_default()
}

/// The model's own name, else that of its file or shape.
fn name(own: Option<&str>, model: &BenchModel) -> String {
    let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    match (own, model) {
        (Some(own), _) => own.to_owned(),
        (None, BenchModel::Path(path)) => stem(path),
        (None, BenchModel::RandomWeights(shape)) => shape.clone(),
    }
}
