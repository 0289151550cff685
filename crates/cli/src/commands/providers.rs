//! `textport providers`.

pub(super) mod inspect;
mod quota;

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;
use textport::{
    Capability, Error, ErrorKind, ProviderId, ProviderRegistry, Request, Response, TextGenerator,
    TimeoutPhase,
};

use super::table;
use crate::args::{Global, ProvidersArgs, ProvidersVerb, TargetArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::format::Format;
use crate::output::Output;
use crate::progress::Reporter;
use crate::runtime::Runtime;
use crate::settings::{Overrides, Settings};

/// Lists and tests providers.
///
/// # Errors
/// When the configuration is wrong, or the tested provider does not answer.
pub(crate) fn run(
    args: &ProvidersArgs,
    global: &Global,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let overrides = Overrides::new(global)?;
    match args.verb.as_ref().unwrap_or(&ProvidersVerb::List) {
        ProvidersVerb::List => list(&Settings::load(&overrides)?, output),
        ProvidersVerb::Test { name, timeout } => {
            let target =
                TargetArgs { provider: name.clone(), timeout: *timeout, ..TargetArgs::default() };
            test(&Settings::load(&overrides.with_target(&target))?, output)
        }
        ProvidersVerb::Inspect(args) => inspect::run(args, global, output),
        ProvidersVerb::Quota { name } => {
            let target = TargetArgs { provider: name.clone(), ..TargetArgs::default() };
            quota::run(&Settings::load(&overrides.with_target(&target))?, output)
        }
    }
}

/// A provider or route as the configuration has it.
#[derive(Debug, Serialize)]
struct Row<'a> {
    name: &'a ProviderId,
    kind: &'a str,
    /// Its `model` setting; absent where the kind's own default holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    /// The members of a route.
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<&'a [ProviderId]>,
    default: bool,
    /// Whether this build has the kind.
    known: bool,
}

impl Row<'_> {
    fn cells(&self) -> [String; 3] {
        let mark = if self.default { '*' } else { ' ' };
        let chain = self
            .chain
            .map(|members| members.iter().map(ProviderId::as_str).collect::<Vec<_>>().join(" → "));
        let answers = match (chain, self.model) {
            (Some(chain), _) => chain,
            (None, Some(model)) => model.to_owned(),
            (None, None) => "(its default)".to_owned(),
        };
        let unknown = if self.known { "" } else { "  (this build does not know the kind)" };
        [format!("{mark} {}", self.name), self.kind.to_owned(), answers + unknown]
    }
}

fn rows<'a>(settings: &'a Settings, registry: &ProviderRegistry) -> Vec<Row<'a>> {
    let config = &settings.config;
    let providers = config.providers.iter().map(|(name, provider)| Row {
        name,
        kind: &provider.kind,
        model: provider.settings.get("model").and_then(|model| model.as_str()),
        chain: None,
        default: *name == config.provider,
        known: registry.factories().any(|factory| factory.kind() == provider.kind),
    });
    let routes = config.routes.iter().map(|(name, route)| Row {
        name,
        kind: "route",
        model: None,
        chain: Some(&route.chain),
        default: *name == config.provider,
        known: true,
    });
    providers.chain(routes).collect()
}

fn list(settings: &Settings, output: &mut Output) -> Result<Exit, Failure> {
    let registry = settings.registry()?;
    let rows = rows(settings, &registry);
    match output.format() {
        Format::Json => output.json(&json!({ "v": 1, "providers": rows }))?,
        Format::Jsonl => rows.iter().try_for_each(|row| output.json(row))?,
        Format::Quiet => rows.iter().try_for_each(|row| output.line(row.name.as_str()))?,
        _ => {
            let cells = rows.iter().map(Row::cells);
            output.write(&table::text(["  NAME", "KIND", "MODEL OR CHAIN"], cells))?;
        }
    }
    Ok(Exit::Ok)
}

fn test(settings: &Settings, output: &mut Output) -> Result<Exit, Failure> {
    let format = output.format().no_lines("providers test")?;
    let registry = settings.registry()?;
    let reporter = Reporter::new(output);
    let context = settings.context(reporter.sink());
    let id = &settings.config.provider;
    let begun = Instant::now();
    let work = async {
        let generator = registry.build(id, &settings.config, &context).await?;
        let loaded = begun.elapsed();
        let mut request = Request::user("Hello");
        if generator.capabilities().has(Capability::MaxTokens) {
            request = request.with_max_tokens(1);
        }
        let answer = generator.generate(request).await?;
        Ok((loaded, answer))
    };
    let limited = async {
        match settings.config.timeout.map(Duration::from_secs_f64) {
            Some(limit) => tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
                let kind = ErrorKind::Timeout(TimeoutPhase::Total);
                let message = format!("no answer within {} s", limit.as_secs_f64());
                Err(Error::new(kind, message).with_provider(id.clone()).into())
            }),
            None => work.await,
        }
    };
    let result: Result<(Duration, Response), Failure> = Runtime::new()?.run(limited);
    reporter.clear();
    let (loaded, answer) = result?;
    let total = begun.elapsed();
    if format.is_json() {
        output.json(&json!({
            "v": 1, "ok": true, "provider": id, "served_by": answer.served_by,
            "model": answer.model, "load_s": loaded.as_secs_f64(), "total_s": total.as_secs_f64(),
        }))?;
    } else if format != Format::Quiet {
        let model = answer.model.map(|model| format!(" with {model}")).unwrap_or_default();
        let (loaded, answered) = (loaded.as_secs_f64(), (total - loaded).as_secs_f64());
        output.line(&format!(
            "{id} answers{model}: ready in {loaded:.2} s, a token in {answered:.2} s"
        ))?;
    }
    Ok(Exit::Ok)
}
