//! `textport eval`: evaluations by those who run the model.

mod destination;

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use futures_util::StreamExt;
use serde_json::json;
use textport::{
    BuildContext, Error, ErrorKind, EvaluationEvent, EvaluationRequest, EvaluationResult,
    NoticeKind, SampleResult,
};

use super::limit::within;
use super::talk::Talk;
use crate::args::{EvalArgs, EvalRunArgs, EvalVerb, Global, TargetArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::format::Format;
use crate::output::Output;
use crate::progress::Reporter;
use crate::runtime::Runtime;
use crate::settings::{Overrides, Settings};
use destination::Destination;

/// Failed samples that the summary names.
const NAMED: usize = 10;

/// Evaluates.
///
/// # Errors
/// Whatever keeps the evaluation from its end.
pub(crate) fn run(args: &EvalArgs, global: &Global, output: &mut Output) -> Result<Exit, Failure> {
    let EvalVerb::Run(args) = &args.verb;
    let format = output.format().no_lines("eval run")?;
    let target = TargetArgs {
        provider: args.provider.clone(),
        timeout: args.timeout,
        ..TargetArgs::default()
    };
    let settings = Settings::load(&Overrides::new(global)?.with_target(&target))?;
    let samples = samples(&args.samples)?;
    let request = EvaluationRequest { samples, batch_size: args.batch_size };
    // A file that cannot be written is found out before hours of somebody's quota are spent.
    let destination = destination(args)?;
    let reporter = Reporter::new(output);
    let context = settings.context(reporter.sink());
    let runtime = Runtime::new()?;
    let work = evaluate(&settings, &context, &reporter, request, output);
    let result = runtime.run(within(&settings, "the evaluation", work));
    reporter.clear();
    let result = result?;
    let provider = &settings.config.provider;
    let object = json!({ "v": 1, "provider": provider, "result": result });
    let written = destination.map(|place| place.write(&object)).transpose();
    if format.is_json() {
        output.json(&object)?;
    } else if format == Format::Quiet {
        output.line(&format!("{}", result.success_rate))?;
    } else {
        summary(&result, output)?;
    }
    if let Some(path) = written? {
        output.note(&format!("wrote {}", path.display()));
    }
    Ok(Exit::Ok)
}

fn destination(args: &EvalRunArgs) -> Result<Option<Destination>, Failure> {
    args.output.as_deref().map(|path| Destination::prepare(path, args.force)).transpose()
}

fn samples(path: &Path) -> Result<String, Failure> {
    let read = if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    read.map_err(|error| {
        let message = format!("cannot read the samples in {}", path.display());
        Error::new(ErrorKind::InvalidRequest, message).with_source(error).into()
    })
}

async fn evaluate(
    settings: &Settings,
    context: &BuildContext,
    reporter: &Reporter,
    request: EvaluationRequest,
    output: &mut Output,
) -> Result<EvaluationResult, Failure> {
    let (registry, config) = (settings.registry()?, &settings.config);
    let evaluator = registry.build_evaluator(&config.provider, config, context).await?;
    reporter.clear();
    let mut talk = Talk::new(output, true);
    let mut events = evaluator.evaluate(request).await?;
    while let Some(event) = events.next().await {
        match event? {
            EvaluationEvent::Finished(result) => return Ok(result),
            event => tell(&event, &mut talk, output),
        }
    }
    let message = "the evaluation ended without a result";
    Err(Error::new(ErrorKind::Protocol, message).with_provider(config.provider.clone()).into())
}

fn tell(event: &EvaluationEvent, talk: &mut Talk, output: &mut Output) {
    match event {
        EvaluationEvent::Queued { position, eta } => talk.queued(*position, *eta, output),
        EvaluationEvent::Started => talk.started(output),
        EvaluationEvent::Progress { done, total, message } => {
            let counted = match (done, total) {
                (Some(done), Some(total)) => format!("{done} of {total}"),
                (Some(done), None) => done.to_string(),
                _ => String::new(),
            };
            talk.progress(if message.is_empty() { &counted } else { message }, output);
        }
        EvaluationEvent::Notice(notice) => {
            let level = if notice.kind == NoticeKind::Warning { "warning" } else { "info" };
            Talk::log(level, None, &notice.message, output);
        }
        _ => {}
    }
}

/// The sums, the first samples that failed, and what the runner says itself.
fn summary(result: &EvaluationResult, output: &mut Output) -> Result<(), Failure> {
    let what = result.model.as_deref().map(|model| format!("{model}: ")).unwrap_or_default();
    let on = result.hardware.as_deref().map(|place| format!(" on {place}")).unwrap_or_default();
    let mean = result.mean_latency_s.map(|s| format!(", {s:.2} s each")).unwrap_or_default();
    let (total, passed, failed) = (result.total, result.successful, result.failed);
    let rate = result.success_rate;
    output.write_foreign(&format!(
        "{what}{total} samples{on}: {passed} passed, {failed} failed ({rate:.1} %){mean}\n"
    ))?;
    let failures = result.samples.iter().enumerate().filter(|(_, sample)| !sample.success);
    for (number, sample) in failures.take(NAMED) {
        output.write_foreign(&failure(number, sample))?;
    }
    if let Some(summary) = result.summary.as_deref().filter(|text| !text.trim().is_empty()) {
        output.write_foreign(&format!("\n{}\n", summary.trim()))?;
    }
    Ok(())
}

fn failure(number: usize, sample: &SampleResult) -> String {
    let name = sample.task_id.clone().unwrap_or_else(|| format!("sample {}", number + 1));
    format!("  {name}: {}\n", sample.error.as_deref().unwrap_or("failed"))
}
