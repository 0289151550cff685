//! `--dry-run`: who would be asked what, without asking.

use serde_json::{Map, Value, json};
use textport::local::{Catalogue, DEFAULT_MODEL, ModelState, Rendered, model_store, render_prompt};
use textport::{Error, Prompt, ProviderRegistry, Request};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::settings::Settings;

/// Prints the provider and the request.
///
/// # Errors
/// When the provider's configuration is wrong, or stdout fails.
pub(crate) fn run(
    settings: &Settings,
    request: &Request,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let format = output.format().no_lines("--dry-run")?;
    let asked = asked(settings, &settings.registry()?)?;
    // Through text, so that a 32-bit number stays as it was written.
    let options: Map<String, Value> = serde_json::to_string(&request.options)
        .and_then(|text| serde_json::from_str(&text))
        .map_err(std::io::Error::other)?;
    let rendered = rendered(settings, request)?;
    if format.is_json() {
        output.json(&json!({
            "v": 1,
            "dry_run": true,
            "profile": settings.profile,
            "provider": settings.config.provider,
            "asked": asked,
            "offline": settings.config.offline,
            "timeout_s": settings.config.timeout,
            "prompt": request.prompt,
            "options": options,
            "rendered": rendered.as_ref().map(|rendered| &rendered.text),
            "prompt_tokens": rendered.as_ref().map(|rendered| rendered.tokens.len()),
        }))?;
        return Ok(Exit::Ok);
    }
    let profile = settings.profile.as_deref().map(|name| format!(" (profile {name})"));
    output.line(&format!(
        "provider: {}{}",
        settings.config.provider,
        profile.unwrap_or_default()
    ))?;
    if let Some(model) = model_by_default(&asked) {
        output.line(&format!("  model = {model:?}  (its default)"))?;
    }
    lines(&asked, output)?;
    if options.is_empty() {
        output.line("options: none; the provider decides")?;
    } else {
        output.line("options:")?;
    }
    lines(&options, output)?;
    if let Some(Rendered { text, tokens }) = rendered {
        output.line(&format!("prompt of {} tokens:\n{text}", tokens.len()))?;
        return Ok(Exit::Ok);
    }
    match &request.prompt {
        Prompt::Raw(text) => output.line(&format!("raw prompt:\n{text}"))?,
        Prompt::Messages(messages) => {
            for message in messages {
                output.line(&format!("{}:\n{}", message.role.as_str(), message.content))?;
            }
        }
    }
    Ok(Exit::Ok)
}

/// What a local model would be given, when its file is here: nothing is fetched for it.
fn rendered(settings: &Settings, request: &Request) -> Result<Option<Rendered>, Error> {
    let config = &settings.config;
    let Some(provider) = config.providers.get(&config.provider).filter(|p| p.kind == "local")
    else {
        return Ok(None);
    };
    let model = provider.settings.get("model").and_then(Value::as_str).unwrap_or(DEFAULT_MODEL);
    let catalogue = Catalogue::with_entries(&config.models)?;
    let located = model_store(config).locate(&catalogue, model)?;
    match located.state {
        ModelState::Fetched | ModelState::Own => render_prompt(&located.path, request).map(Some),
        _ => Ok(None),
    }
}

/// The model that a provider answers with when its table names none.
fn model_by_default(asked: &Map<String, Value>) -> Option<&'static str> {
    let local = asked.get("kind").is_some_and(|kind| kind == "local");
    (local && !asked.contains_key("model")).then_some(DEFAULT_MODEL)
}

fn lines(table: &Map<String, Value>, output: &mut Output) -> Result<(), Failure> {
    for (key, value) in table {
        output.line(&format!("  {key} = {value}"))?;
    }
    Ok(())
}

/// The table of the provider or route; secrets in it are references by construction.
fn asked(settings: &Settings, registry: &ProviderRegistry) -> Result<Map<String, Value>, Failure> {
    let config = &settings.config;
    let table = match config.routes.get(&config.provider) {
        Some(route) => {
            registry.check(config)?;
            serde_json::to_value(route)
        }
        None => {
            let provider = config.provider_config(&config.provider)?;
            if !registry.factories().any(|factory| factory.kind() == provider.kind) {
                // The registry knows how to say it.
                registry.check(config)?;
            }
            serde_json::to_value(provider)
        }
    };
    match table.map_err(std::io::Error::other)? {
        Value::Object(table) => Ok(table),
        _ => Ok(Map::new()),
    }
}
