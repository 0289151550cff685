//! The default model, and the one that the configured provider answers with.

use indicatif::HumanBytes;
use serde_json::Value;
use textport::Error;
use textport::local::{Catalogue, DEFAULT_MODEL, Located, ModelState, model_store};

use super::Finding;
use crate::settings::Settings;

/// What is here of the embedded default model.
pub(super) fn default(settings: &Settings) -> Finding {
    finding("default model", DEFAULT_MODEL, settings)
}

/// Whether the configured provider has its model.
pub(super) fn configured(settings: &Settings) -> Finding {
    match local_model(settings) {
        Some(model) => finding("model", model, settings),
        None => {
            let provider = &settings.config.provider;
            Finding::ok("model", format!("{provider} answers elsewhere: textport providers test"))
        }
    }
}

/// Whether the next question has to fetch a model first.
pub(super) fn must_be_fetched(settings: &Settings) -> bool {
    local_model(settings)
        .is_some_and(|model| locate(model, settings).is_ok_and(|located| !is_here(located.state)))
}

/// The model of the configured provider, if it runs on this machine.
fn local_model(settings: &Settings) -> Option<&str> {
    let provider = settings.config.providers.get(&settings.config.provider)?;
    let model = provider.settings.get("model").and_then(Value::as_str);
    (provider.kind == "local").then(|| model.unwrap_or(DEFAULT_MODEL))
}

fn locate(model: &str, settings: &Settings) -> Result<Located, Error> {
    let catalogue = Catalogue::with_entries(&settings.config.models)?;
    model_store(&settings.config).locate(&catalogue, model)
}

fn is_here(state: ModelState) -> bool {
    matches!(state, ModelState::Fetched | ModelState::Own | ModelState::Unchecked)
}

fn finding(name: &'static str, model: &str, settings: &Settings) -> Finding {
    let located = match locate(model, settings) {
        Ok(located) => located,
        Err(error) => {
            let hint = error.hint().unwrap_or("textport models list");
            return Finding::fail(name, error.to_string(), hint);
        }
    };
    let state = located.state.as_str();
    if is_here(located.state) {
        let path = located.path.display();
        // The length of a folder says nothing of what is in it.
        let file = std::fs::metadata(&located.path).ok().filter(std::fs::Metadata::is_file);
        let size = file.map(|file| format!(", {}", HumanBytes(file.len()))).unwrap_or_default();
        return Finding::ok(name, format!("{model}: {state}{size} in {path}"));
    }
    let detail = format!("{model}: {state}");
    let hint = format!("textport models pull {model}");
    if settings.config.offline && name == "model" {
        return Finding::fail(name, detail + ", and the network is forbidden", hint);
    }
    Finding::warn(name, detail + "; the first question fetches it", hint)
}
