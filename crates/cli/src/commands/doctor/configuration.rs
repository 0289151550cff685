//! The configuration: where it comes from, whether it makes sense, and whether there is a token.

use std::fs;
use std::path::PathBuf;

use textport::Error;

use super::Finding;
use crate::settings::{Dirs, Environment, Overrides, Settings};

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
    if environment.get("HF_TOKEN").is_some() {
        return Finding::ok("hf token", "from the variable HF_TOKEN");
    }
    let home = environment.get("HF_HOME").map(PathBuf::from).or_else(|| {
        let cache = environment.get("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| environment.home().map(|home| home.join(".cache")));
        cache.map(|cache| cache.join("huggingface"))
    });
    let named = environment.get("HF_TOKEN_PATH").map(PathBuf::from);
    let file = named.or_else(|| home.map(|home| home.join("token")));
    match file {
        Some(file) if fs::metadata(&file).is_ok_and(|metadata| metadata.len() > 0) => {
            Finding::ok("hf token", format!("from {}", file.display()))
        }
        _ => Finding::ok(
            "hf token",
            "none; private Spaces and models need one (`hf auth login`, or HF_TOKEN)",
        ),
    }
}
