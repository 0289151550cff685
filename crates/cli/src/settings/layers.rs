//! All layers in order: who says what, and who has the last word.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::{Map, Value};
use textport::local::{hub_cache_folder, hub_is_offline};
use textport::{Config, Error, ErrorKind};

use super::document::Document;
use super::environment::Environment;
use super::layer::{Layer, Origin};
use super::literal::{nested, value};
use super::overrides::Overrides;
use super::secrets;
use crate::suggest;

/// The file of the whole machine.
const SYSTEM_FILE: &str = "/etc/textport/config.toml";
/// The name of a project's file.
pub(crate) const PROJECT_FILE: &str = "textport.toml";
const PREFIX: &str = "TEXTPORT_";
/// Variables of the Hub's own tools, and the key that each is the default of: a configuration of
/// textport's own says more than they do.
const FOREIGN: &[(&str, &str)] = &[("HF_ENDPOINT", "hub_endpoint")];
/// Those that say where the Hub's own tools keep what they fetched, the first that is set.
const HUB_FOLDERS: [&str; 4] =
    ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"];
/// Those that forbid these tools the network, the first that is set.
const HUB_OFFLINE: [&str; 2] = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"];
/// Variables that are no configuration keys.
const OWN: &[&str] = &["PROFILE", "CONFIG", "HOME", "LOG_DB", "CPU"];

/// A place where a configuration file may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FilePlace {
    /// In a word or two.
    pub(crate) what: &'static str,
    pub(crate) path: PathBuf,
    /// Whether it was named: then it must exist.
    pub(crate) named: bool,
}

/// All layers, lowest first, with the profile chosen and put in its place.
#[derive(Debug, Clone)]
pub(crate) struct Layers {
    pub(crate) profile: Option<String>,
    /// Names of all profiles.
    pub(crate) profiles: Vec<String>,
    pub(crate) layers: Vec<Layer>,
}

/// Where configuration files are looked for, lowest first.
pub(crate) fn file_places(
    overrides: &Overrides,
    environment: &Environment,
    user: &Path,
) -> Vec<FilePlace> {
    let place = |what, path, named| FilePlace { what, path, named };
    let mut places = vec![
        place("system", PathBuf::from(SYSTEM_FILE), false),
        place("user", user.join("config.toml"), false),
    ];
    let above = environment.current.ancestors().map(|folder| folder.join(PROJECT_FILE));
    if let Some(path) = above.into_iter().find(|path| path.is_file()) {
        places.push(place("project", path, false));
    }
    if let Some(paths) = environment.get("TEXTPORT_CONFIG") {
        let paths = std::env::split_paths(paths).filter(|path| !path.as_os_str().is_empty());
        places.extend(paths.map(|path| place("TEXTPORT_CONFIG", path, true)));
    }
    places.extend(overrides.files.iter().map(|path| place("--config", path.clone(), true)));
    places
}

impl Layers {
    /// Reads every layer.
    ///
    /// # Errors
    /// `ConfigInvalid` for files that cannot be read, unknown keys, literal secrets and an unknown
    /// profile.
    pub(crate) fn read(
        overrides: &Overrides,
        environment: &Environment,
        config_dir: &Path,
        cache_dir: &Path,
    ) -> Result<Self, Error> {
        let mut files = vec![builtin(cache_dir, environment)?];
        files.extend(from_foreign_variables(environment)?);
        for place in file_places(overrides, environment, config_dir) {
            if !place.named && !place.path.exists() {
                continue;
            }
            let document = Rc::new(Document::read(&place.path)?);
            let table = document.table.clone();
            let origin = Origin::File { document, project: place.what == "project" };
            files.push(Layer::new(origin, table, environment)?);
        }
        let mut top = from_variables(environment, &files)?;
        for flag in &overrides.flags {
            let origin = Origin::Flag(flag.name.clone());
            top.push(Layer::new(origin, nested(&flag.key, flag.value.clone()), environment)?);
        }
        Self::order(overrides, environment, files, top)
    }

    /// Puts the chosen profile between the files and what is above them.
    fn order(
        overrides: &Overrides,
        environment: &Environment,
        files: Vec<Layer>,
        top: Vec<Layer>,
    ) -> Result<Self, Error> {
        let all = || files.iter().chain(&top);
        for layer in all() {
            secrets::check(layer)?;
        }
        let mut profiles: Vec<String> = all()
            .filter_map(|layer| layer.table.get("profiles")?.as_object())
            .flat_map(|profiles| profiles.keys().cloned())
            .collect();
        profiles.sort();
        profiles.dedup();
        let chosen = choose_profile(overrides, environment, &files, &top);
        let overlays = match &chosen {
            Some((name, place)) if !profiles.contains(name) => {
                let known: Vec<&str> = profiles.iter().map(String::as_str).collect();
                let message = format!("{place}: there is no profile {name:?}");
                return Err(Error::new(ErrorKind::ConfigInvalid, message)
                    .with_hint(suggest::hint("profile", name, &known)));
            }
            Some((name, _)) => all().filter_map(|layer| layer.profile_layer(name)).collect(),
            None => Vec::new(),
        };
        let mut layers: Vec<Layer> = files.into_iter().chain(overlays).chain(top).collect();
        for layer in &mut layers {
            for key in ["profile", "default_profile", "profiles"] {
                layer.table.remove(key);
            }
        }
        let provider = last_text(&layers, "provider").unwrap_or_default();
        layers.iter_mut().try_for_each(|layer| layer.hoist(&provider))?;
        Ok(Self { profile: chosen.map(|(name, _)| name), profiles, layers })
    }

    /// The layer that has the last word on `key`.
    pub(crate) fn winner(&self, key: &[String]) -> Option<&Layer> {
        self.layers.iter().rev().find(|layer| layer.get(key).is_some())
    }

    /// Every layer that says something about `key`, the winner first.
    pub(crate) fn all_for<'a>(&'a self, key: &'a [String]) -> impl Iterator<Item = &'a Layer> {
        self.layers.iter().rev().filter(move |layer| layer.get(key).is_some())
    }
}

/// What the facade has built in, so that the two cannot drift apart.
fn builtin(cache_dir: &Path, environment: &Environment) -> Result<Layer, Error> {
    let config = serde_json::to_value(Config::new(cache_dir));
    let table = config.ok().and_then(|config| config.as_object().cloned()).unwrap_or_default();
    Layer::new(Origin::Builtin, table, environment)
}

/// What the Hub's own tools are told.
fn from_foreign_variables(environment: &Environment) -> Result<Vec<Layer>, Error> {
    let variable = |name: &str| environment.get(name).map(str::to_owned);
    let first =
        |names: &[&'static str]| names.iter().copied().find(|n| environment.get(n).is_some());
    let named = FOREIGN
        .iter()
        .filter_map(|(name, key)| Some((Some(*name), *key, Value::String(variable(name)?))));
    let folder = hub_cache_folder(variable, environment.home().as_deref());
    let folder = folder.map(|folder| {
        let folder = Value::String(folder.to_string_lossy().into_owned());
        (first(&HUB_FOLDERS), "hub_cache", folder)
    });
    let offline =
        hub_is_offline(variable).then(|| (first(&HUB_OFFLINE), "offline", Value::Bool(true)));
    let said = folder.into_iter().chain(named).chain(offline);
    said.map(|(name, key, value)| {
        let origin = name.map_or(Origin::Builtin, |name| Origin::Variable(name.to_owned()));
        Layer::new(origin, nested(&[key.to_owned()], value), environment)
    })
    .collect()
}

/// One layer for each variable, so that a message can name it.
fn from_variables(environment: &Environment, below: &[Layer]) -> Result<Vec<Layer>, Error> {
    let mut layers = Vec::new();
    for (name, text) in &environment.variables {
        let Some(word) = name.strip_prefix(PREFIX) else { continue };
        if OWN.contains(&word) || text.is_empty() {
            continue;
        }
        let key = match word {
            "MODEL" => vec!["provider_config".to_owned(), "model".to_owned()],
            _ => key_of(word, below),
        };
        let value = value(&key, text);
        let layer = Layer::new(Origin::Variable(name.clone()), nested(&key, value), environment)?;
        layers.push(layer);
    }
    Ok(layers)
}

/// `PROVIDERS__MY_VLLM__MODEL` as a key: names that files gave are found however they are written.
fn key_of(word: &str, below: &[Layer]) -> Vec<String> {
    let mut key: Vec<String> = word.split("__").map(str::to_lowercase).collect();
    if let [table, name, ..] = key.as_mut_slice()
        && matches!(table.as_str(), "providers" | "routes" | "models" | "profiles")
    {
        let plain = |name: &str| name.to_lowercase().replace(['-', '.'], "_");
        let known = below
            .iter()
            .filter_map(|layer| layer.table.get(table.as_str())?.as_object())
            .flat_map(Map::keys)
            .find(|known| plain(known) == *name);
        if let Some(known) = known {
            name.clone_from(known);
        }
    }
    key
}

/// The profile's name, and where it was chosen.
fn choose_profile(
    overrides: &Overrides,
    environment: &Environment,
    files: &[Layer],
    top: &[Layer],
) -> Option<(String, String)> {
    if let Some(name) = &overrides.profile {
        return Some((name.clone(), "--profile".to_owned()));
    }
    if let Some(name) = environment.get("TEXTPORT_PROFILE") {
        return Some((name.to_owned(), "TEXTPORT_PROFILE".to_owned()));
    }
    ["profile", "default_profile"].iter().find_map(|key| {
        let layer = files.iter().chain(top).rev().find(|layer| layer.table.contains_key(*key))?;
        let name = layer.table.get(*key).and_then(Value::as_str)?;
        Some((name.to_owned(), layer.place(&[(*key).to_owned()])))
    })
}

fn last_text(layers: &[Layer], key: &str) -> Option<String> {
    layers.iter().rev().find_map(|layer| layer.table.get(key)?.as_str().map(str::to_owned))
}
