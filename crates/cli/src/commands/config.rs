//! `textport config`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};
use textport::{Error, ErrorKind};

use crate::args::{ConfigArgs, ConfigVerb, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::format::Format;
use crate::output::Output;
use crate::settings::{Environment, Overrides, PROJECT_FILE, Settings};

/// What `config init` writes.
const STARTER: &str = include_str!("config_starter.toml");

/// Shows and explains the configuration.
///
/// # Errors
/// When it is wrong, or stdout fails.
pub(crate) fn run(
    args: &ConfigArgs,
    global: &Global,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let overrides = Overrides::new(global)?;
    match &args.verb {
        ConfigVerb::Show => show(&Settings::load(&overrides)?, output),
        ConfigVerb::Explain { key } => {
            explain(&Settings::load(&overrides)?, key.as_deref().unwrap_or_default(), output)
        }
        ConfigVerb::Check => check(&overrides, output),
        ConfigVerb::Path => path(&overrides, output),
        ConfigVerb::Init { project } => init(*project, output),
    }
}

fn show(settings: &Settings, output: &mut Output) -> Result<Exit, Failure> {
    settings.registry()?;
    if output.format().no_lines("config show")?.is_json() {
        // Through text, so that a 32-bit number stays as it was written.
        let config = serde_json::to_string(&settings.config)
            .and_then(|text| serde_json::from_str::<Value>(&text))
            .map_err(|error| unserializable(error.into()))?;
        output.json(&json!({ "v": 1, "profile": settings.profile, "config": config }))?;
        return Ok(Exit::Ok);
    }
    if let Some(profile) = &settings.profile {
        output.line(&format!("# profile: {profile}"))?;
    }
    let text = serde_json::to_string(&settings.config)
        .and_then(|text| serde_json::from_str::<Value>(&text))
        .map_err(|error| unserializable(error.into()))?;
    let text =
        toml::to_string(&without_nothings(text)).map_err(|error| unserializable(error.into()))?;
    output.write(&text)?;
    Ok(Exit::Ok)
}

/// TOML has no word for a value that was unset, and a table in which nothing is set says nothing.
fn without_nothings(value: Value) -> Value {
    let nothing =
        |value: &Value| value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
    match value {
        Value::Object(table) => Value::Object(
            table
                .into_iter()
                .map(|(key, value)| (key, without_nothings(value)))
                .filter(|(_, value)| !nothing(value))
                .collect(),
        ),
        other => other,
    }
}

fn unserializable(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::new(ErrorKind::Internal, "cannot print the configuration").with_source(error)
}

fn explain(settings: &Settings, key: &str, output: &mut Output) -> Result<Exit, Failure> {
    let explanations = settings.explain(key)?;
    match output.format() {
        Format::Json => output.json(&json!({ "v": 1, "keys": explanations }))?,
        Format::Jsonl => explanations.iter().try_for_each(|one| output.json(one))?,
        _ if explanations.is_empty() => {
            output.line(&format!("{key} is not set: the provider decides"))?;
        }
        _ => {
            for one in &explanations {
                for (rank, saying) in one.said.iter().enumerate() {
                    let profile = saying.profile.as_ref();
                    let profile =
                        profile.map(|name| format!(", profile {name}")).unwrap_or_default();
                    let (value, place) = (&saying.value, &saying.place);
                    let line = match rank {
                        0 => format!("{} = {value}  ({place}{profile})", one.key),
                        _ => format!("  overrides {value}  ({place}{profile})"),
                    };
                    output.line(&line)?;
                }
            }
        }
    }
    Ok(Exit::Ok)
}

/// Checks what every profile makes of it, and without one.
fn check(overrides: &Overrides, output: &mut Output) -> Result<Exit, Failure> {
    let format = output.format().no_lines("config check")?;
    let settings = Settings::load(overrides)?;
    check_one(&settings)?;
    for profile in settings.profiles() {
        let overrides = Overrides { profile: Some(profile.clone()), ..overrides.clone() };
        let checked = Settings::load(&overrides).and_then(|settings| check_one(&settings));
        checked.map_err(|error| match error.hint() {
            Some(_) => error,
            None => error.with_hint(format!("this is profile {profile}")),
        })?;
    }
    if format.is_json() {
        output.json(&json!({ "v": 1, "ok": true, "profiles": settings.profiles() }))?;
    } else {
        let profiles = match settings.profiles() {
            [] => "no profiles".to_owned(),
            profiles => format!("profiles {}", profiles.join(", ")),
        };
        output.line(&format!(
            "the configuration is fine: {} providers, {profiles}",
            settings.config.providers.len()
        ))?;
    }
    Ok(Exit::Ok)
}

fn check_one(settings: &Settings) -> Result<(), Error> {
    settings.registry()?.check(&settings.config)
}

/// Needs no readable configuration: this is how one finds the file that is wrong.
fn path(overrides: &Overrides, output: &mut Output) -> Result<Exit, Failure> {
    let environment = Environment::of_process();
    let dirs = environment.dirs()?;
    let files: Vec<(&str, PathBuf)> = Settings::file_places(overrides, &environment, &dirs)
        .into_iter()
        .map(|place| (place.what, place.path))
        .collect();
    let log = environment.get("TEXTPORT_LOG_DB");
    let log = log.map_or_else(|| dirs.state.join("logs.db"), PathBuf::from);
    // The key `cache_dir` moves it, when the configuration can be read.
    let cache = Settings::load(overrides).map_or(dirs.cache, |settings| settings.config.cache_dir);
    let folders = [("cache", cache), ("state", dirs.state), ("log", log)];
    let entry = |(what, path): &(&str, PathBuf)| json!({ "what": what, "path": path, "exists": path.exists() });
    match output.format() {
        Format::Json => {
            let files: Vec<Value> = files.iter().map(entry).collect();
            let folders: Vec<Value> = folders.iter().map(entry).collect();
            output.json(&json!({ "v": 1, "files": files, "folders": folders }))?;
        }
        Format::Jsonl => {
            files.iter().chain(&folders).try_for_each(|place| output.json(&entry(place)))?;
        }
        _ => {
            for (what, path) in files.iter().chain(&folders) {
                let there = if path.exists() { "" } else { "  (not there)" };
                output.line(&format!("{what:<16}{}{there}", path.display()))?;
            }
        }
    }
    Ok(Exit::Ok)
}

fn init(project: bool, output: &mut Output) -> Result<Exit, Failure> {
    let environment = Environment::of_process();
    let path = if project {
        environment.current.join(PROJECT_FILE)
    } else {
        environment.dirs()?.config.join("config.toml")
    };
    let unwritable = |error: std::io::Error| {
        let there = error.kind() == std::io::ErrorKind::AlreadyExists;
        let message = format!("cannot write {}", path.display());
        let error = Error::new(ErrorKind::InvalidRequest, message).with_source(error);
        if there { error.with_hint("it is there already: edit it") } else { error }
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(unwritable)?;
    }
    // Never over a file that is there, also when it appears this instant.
    let mut file =
        OpenOptions::new().write(true).create_new(true).open(&path).map_err(unwritable)?;
    file.write_all(STARTER.as_bytes()).and_then(|()| file.sync_all()).map_err(unwritable)?;
    output.line(&path.display().to_string())?;
    Ok(Exit::Ok)
}
