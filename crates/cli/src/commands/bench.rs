//! `textport bench`: how fast a model runs on this machine.

mod perplexity;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::HumanBytes;
use serde_json::{Value, json};
use textport::local::{
    BenchKind, BenchPlan, BenchReport, BenchRow, Catalogue, DEFAULT_MODEL, bench, cpu_features,
    model_store,
};
use textport::{Error, ErrorKind};

use super::table;
use crate::args::{BenchArgs, BenchVerb, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::format::Format;
use crate::output::Output;
use crate::progress::Reporter;
use crate::runtime::Runtime;
use crate::settings::{Overrides, Settings};

/// Measures and prints a table, or JSON.
///
/// # Errors
/// When the model cannot be found, fetched or run, or the plan makes no sense. Rows that were
/// finished before an error or Ctrl-C are printed all the same.
pub(crate) fn run(args: &BenchArgs, global: &Global, output: &mut Output) -> Result<Exit, Failure> {
    let settings = Settings::load(&Overrides::new(global)?)?;
    if let Some(BenchVerb::Perplexity(args)) = &args.verb {
        return perplexity::run(args, &settings, output);
    }
    let plan = plan(args);
    let runtime = Runtime::new()?;
    let path = model(args.model.as_deref(), &settings, &runtime, output)?;
    let lengths = plan.prefill.len() + plan.decode.len();
    let count = lengths * plan.depths.len() * plan.threads.len();
    output.note(&format!("{count} measurements of {}", path.display()));
    let rows = Arc::new(Mutex::new(Vec::new()));
    let result = runtime.run(measure(path.clone(), plan, Arc::clone(&rows), output.may_talk()));
    match result {
        Ok(report) => whole(&report, output).map(|()| Exit::Ok),
        Err(failure) => {
            let rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
            partial(&rows, &path, output)?;
            Err(failure)
        }
    }
}

fn plan(args: &BenchArgs) -> BenchPlan {
    let lengths = |all: &[usize]| all.iter().copied().filter(|length| *length > 0).collect();
    let threads =
        if args.threads.is_empty() { vec![cpu_features().threads] } else { args.threads.clone() };
    BenchPlan {
        prefill: lengths(&args.prompt_lengths),
        decode: lengths(&args.decode_lengths),
        depths: args.depths.clone(),
        threads,
        repetitions: args.repetitions,
        seed: args.seed,
    }
}

/// The file of the model that was named, or that `ask` would use; fetched if it is not here.
fn model(
    named: Option<&str>,
    settings: &Settings,
    runtime: &Runtime,
    output: &Output,
) -> Result<PathBuf, Failure> {
    let config = &settings.config;
    let configured = config.providers.get(&config.provider).filter(|one| one.kind == "local");
    let model = match (named, configured) {
        (Some(model), _) => model,
        (None, Some(provider)) => {
            provider.settings.get("model").and_then(Value::as_str).unwrap_or(DEFAULT_MODEL)
        }
        (None, None) => {
            let message = format!("provider {} is no model of this machine", config.provider);
            return Err(Error::new(ErrorKind::Unsupported, message)
                .with_hint("name one: textport bench -m MODEL")
                .into());
        }
    };
    let catalogue = Catalogue::with_entries(&config.models)?;
    let store = model_store(config);
    let reporter = Reporter::new(output);
    let context = settings.context(reporter.sink());
    let path = runtime.run(async { Ok(store.ensure(&catalogue, model, &context).await?) });
    reporter.clear();
    path
}

/// Measures on a thread of its own, so that Ctrl-C is heard meanwhile.
async fn measure(
    path: PathBuf,
    plan: BenchPlan,
    rows: Arc<Mutex<Vec<BenchRow>>>,
    talk: bool,
) -> Result<BenchReport, Failure> {
    let heard = Abandoned::default();
    let abandoned = Arc::clone(&heard.0);
    let work = tokio::task::spawn_blocking(move || {
        bench(&path, &plan, &mut |row| {
            // After Ctrl-C the table is out already: what comes later would only confuse.
            if abandoned.load(Ordering::Relaxed) {
                return;
            }
            rows.lock().unwrap_or_else(PoisonError::into_inner).push(row.clone());
            if talk {
                tell(row);
            }
        })
    });
    let report = work.await.map_err(|error| {
        Error::new(ErrorKind::Internal, "the benchmark ended badly").with_source(error)
    })??;
    Ok(report)
}

/// Tells the measuring thread, when dropped, that nobody waits for it any more.
#[derive(Default)]
struct Abandoned(Arc<AtomicBool>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn tell(row: &BenchRow) {
    use std::io::Write;
    let speed = row.tokens_per_s.median;
    let _ = writeln!(std::io::stderr(), "{} on {} threads: {speed:.1} t/s", test(row), row.threads);
}

/// As llama-bench names it: pp512, tg128, with `@ d4096` when the context was not empty.
fn test(row: &BenchRow) -> String {
    let kind = match row.kind {
        BenchKind::Prefill => "pp",
        BenchKind::Decode => "tg",
    };
    let depth = if row.depth > 0 { format!(" @ d{}", row.depth) } else { String::new() };
    format!("{kind}{}{depth}", row.tokens)
}

const HEADINGS: [&str; 6] = ["MODEL", "SIZE", "PARAMS", "THREADS", "TEST", "T/S (MIN-MAX)"];

fn cells(row: &BenchRow, model: &str, size: &str, parameters: &str) -> [String; 6] {
    let speed = row.tokens_per_s;
    [
        model.to_owned(),
        size.to_owned(),
        parameters.to_owned(),
        row.threads.to_string(),
        test(row),
        format!("{:.2} ({:.2}-{:.2})", speed.median, speed.min, speed.max),
    ]
}

fn whole(report: &BenchReport, output: &mut Output) -> Result<(), Failure> {
    match output.format() {
        Format::Json => {
            let mut value = serde_json::to_value(report).map_err(std::io::Error::other)?;
            if let Value::Object(object) = &mut value {
                object.insert("v".to_owned(), json!(1));
            }
            output.json(&value)?;
        }
        Format::Jsonl => lines(&report.rows, &report.path, output)?,
        _ => {
            let model = name(report.name.as_deref(), &report.path);
            let size = HumanBytes(report.file_bytes).to_string();
            let parameters = format!("{:.1} M", report.parameters as f64 / 1e6);
            let rows = report.rows.iter().map(|row| cells(row, &model, &size, &parameters));
            output.write_foreign(&table::text(HEADINGS, rows))?;
            let (cpu, load) = (&report.cpu, report.load_s.median);
            output.line(&format!(
                "\nloaded in {load:.2} s; {} with {} kernels; textport {}",
                cpu.architecture, cpu.kernels, report.version
            ))?;
        }
    }
    Ok(())
}

/// What was finished of a benchmark that did not come to its end.
fn partial(rows: &[BenchRow], path: &Path, output: &mut Output) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    match output.format() {
        Format::Json => {
            output.json(&json!({ "v": 1, "complete": false, "path": path, "rows": rows }))?;
        }
        Format::Jsonl => lines(rows, path, output)?,
        _ => {
            let model = name(None, path);
            let cells = rows.iter().map(|row| cells(row, &model, "", ""));
            output.write_foreign(&table::text(HEADINGS, cells))?;
        }
    }
    Ok(())
}

/// Each row for itself, with what it is a row of.
fn lines(rows: &[BenchRow], path: &Path, output: &mut Output) -> Result<(), Failure> {
    for row in rows {
        let mut value = serde_json::to_value(row).map_err(std::io::Error::other)?;
        if let Value::Object(object) = &mut value {
            object.insert("v".to_owned(), json!(1));
            object.insert("test".to_owned(), json!(test(row)));
            object.insert("path".to_owned(), json!(path));
        }
        output.json(&value)?;
    }
    Ok(())
}

fn name(own: Option<&str>, path: &Path) -> String {
    let stem = || path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    own.map(str::to_owned).filter(|name| !name.is_empty()).unwrap_or_else(stem)
}
