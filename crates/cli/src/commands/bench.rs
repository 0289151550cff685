//! `textport bench`: how fast a model runs on this machine.

mod perplexity;
mod show;
mod speculation;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use textport::local::{
    BenchModel, BenchPlan, BenchReport, BenchRow, Catalogue, DEFAULT_MODEL, bench, model_store,
};
use textport::{BuildContext, Error, ErrorKind};

use crate::args::{BenchArgs, BenchVerb, Global};
use crate::exit::Exit;
use crate::failure::Failure;
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
    match &args.verb {
        Some(BenchVerb::Perplexity(args)) => return perplexity::run(args, &settings, output),
        Some(BenchVerb::Speculation(args)) => return speculation::run(args, &settings, output),
        None => {}
    }
    let plan = plan(args);
    let runtime = Runtime::new()?;
    let model = match &args.random_weights {
        Some(shape) => BenchModel::RandomWeights(shape.clone()),
        None => BenchModel::Path(model(args.model.as_deref(), &settings, &runtime, output)?),
    };
    output.note(&format!("{} measurements of {}", count(&plan), show::model(&model)));
    let rows = Arc::new(Mutex::new(Vec::new()));
    let reporter = Reporter::new(output);
    let context = settings.context(reporter.sink());
    let work = Work { model: model.clone(), plan, context, rows: Arc::clone(&rows) };
    let talk = output.may_talk();
    let result = runtime.run(measure(work, reporter.clone(), talk));
    reporter.clear();
    match result {
        Ok(report) => show::whole(&report, output).map(|()| Exit::Ok),
        Err(failure) => {
            let rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
            show::partial(&rows, &model, output)?;
            Err(failure)
        }
    }
}

fn plan(args: &BenchArgs) -> BenchPlan {
    let lengths = |all: &[usize]| all.iter().copied().filter(|length| *length > 0).collect();
    BenchPlan {
        prefill: lengths(&args.prompt_lengths),
        decode: lengths(&args.decode_lengths),
        depths: args.depths.clone(),
        batches: args.batch.clone(),
        threads: args.threads.clone(),
        repetitions: args.repetitions,
        warm_up: !args.no_warmup,
        bandwidth: args.bandwidth,
        peak: args.peak,
        seed: args.seed,
        device: args.device.clone(),
        dtype: args.dtype.clone(),
        quant: args.quant.clone(),
        kv_cache: args.kv_cache.clone(),
        cuda_graphs: args.cuda_graphs,
    }
}

/// Rows that the plan will have.
fn count(plan: &BenchPlan) -> usize {
    let lengths = plan.prefill.len() + plan.decode.len() * plan.batches.len();
    lengths * plan.depths.len() * plan.threads.len().max(1)
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

/// What is measured, and where finished rows go.
struct Work {
    model: BenchModel,
    plan: BenchPlan,
    context: BuildContext,
    rows: Arc<Mutex<Vec<BenchRow>>>,
}

/// Measures on a thread of its own, so that Ctrl-C is heard meanwhile.
async fn measure(work: Work, reporter: Reporter, talk: bool) -> Result<BenchReport, Failure> {
    let heard = Abandoned::default();
    let abandoned = Arc::clone(&heard.0);
    let work = tokio::task::spawn_blocking(move || {
        let Work { model, plan, context, rows } = work;
        bench(&model, &plan, &context, &mut |row| {
            // After Ctrl-C the table is out already: what comes later would only confuse.
            if abandoned.load(Ordering::Relaxed) {
                return;
            }
            reporter.clear();
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
    let _ =
        writeln!(std::io::stderr(), "{} on {} threads: {speed:.1} t/s", row.test(), row.threads);
}
