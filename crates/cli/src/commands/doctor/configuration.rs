//! The configuration: where it comes from, whether it makes sense, and whether there is a token.

use textport::Error;

use super::Finding;
use crate::settings::{Dirs, Environment, Overrides, Settings, find_hub_token};

/// The files that were found, lowest first.
pub(super) fn files(overrides: &Overrides, environment: &Environment, dirs: &Dirs) -> Finding {
    let places = Settings::file_places(overrides, environment, dirs);
    let found: Vec<String> = places
        .iter()
        .filter(|place| place.path.exists())
        .map(|place| place.path.display().to_string())
        .collect();
    match found.as_slice() {
        [] => Finding::ok("config files", "none; the built-in configuration holds"),
        found => Finding::ok("config files", found.join(", ")),
    }
}

/// Whether the configuration in effect makes sense for every provider.
pub(super) fn check(settings: &Settings) -> Finding {
    let checked = settings.registry().and_then(|registry| registry.check(&settings.config));
    match checked {
        Ok(()) => {
            let profile = settings.profile.as_deref();
            let profile = profile.map(|name| format!(", profile {name}")).unwrap_or_default();
            let provider = &settings.config.provider;
            Finding::ok("configuration", format!("provider {provider}{profile}"))
        }
        Err(error) => wrong("configuration", &error),
    }
}

/// Something that keeps everything else from working.
pub(super) fn wrong(name: &'static str, error: &Error) -> Finding {
    let hint = error.hint().unwrap_or("textport config check");
    Finding::fail(name, error.to_string(), hint)
}

/// Whether there is a Hugging Face token, and where it comes from; never what it is.
pub(super) fn token(environment: &Environment) -> Finding {
    match find_hub_token(environment) {
        Some((place, _)) => Finding::ok("hf token", format!("from {place}")),
        None => Finding::ok(
            "hf token",
            "none; private Spaces and models need one (`hf auth login`, or HF_TOKEN)",
        ),
    }
}
