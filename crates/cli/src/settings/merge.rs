//! Layers into one typed configuration, through figment.

use figment::value::{Dict, Map as Tables, Value as Figured};
use figment::{Figment, Metadata, Profile, Provider};
use serde_json::{Map, Value};
use textport::{Config, Error, ErrorKind, ProviderRegistry};

use super::layer::Layer;
use super::layers::Layers;
use super::literal::join_key;
use super::schema::Unknown;
use super::secrets;
use crate::suggest;

/// A layer as figment sees it.
struct Source<'a> {
    layer: &'a Layer,
    table: Map<String, Value>,
}

impl Provider for Source<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.layer.place(&[]))
    }

    fn data(&self) -> figment::error::Result<Tables<Profile, Dict>> {
        let dict = Figured::serialize(&self.table)?.into_dict().unwrap_or_default();
        Ok(Tables::from([(Profile::Default, dict)]))
    }
}

/// Merges the layers and reads the result.
///
/// # Errors
/// `ConfigInvalid` with the place of the value that does not fit.
pub(crate) fn extract(layers: &Layers) -> Result<Config, Error> {
    let merged = sources(layers).into_iter().fold(Figment::new(), Figment::merge);
    check_kinds(layers)?;
    merged.extract().map_err(|error| {
        let key = &error.path;
        let words = format!("{}: {}", join_key(key), error.kind);
        match layers.winner(key) {
            Some(layer) => layer.wrong(key, &error.kind.to_string()),
            None => Error::new(ErrorKind::ConfigInvalid, words),
        }
    })
}

/// The layers, where a reference to a secret replaces a lower one as a whole: two joined would
/// refer to both.
fn sources(layers: &Layers) -> Vec<Source<'_>> {
    let mut sources: Vec<Source<'_>> = Vec::new();
    for layer in &layers.layers {
        for path in secrets::references(layer) {
            sources.iter_mut().for_each(|lower| remove(&mut lower.table, &path));
        }
        sources.push(Source { layer, table: layer.table.clone() });
    }
    sources
}

fn remove(table: &mut Map<String, Value>, path: &[String]) {
    match path {
        [] => {}
        [last] => {
            table.remove(last);
        }
        [first, rest @ ..] => {
            if let Some(Value::Object(inner)) = table.get_mut(first) {
                remove(inner, rest);
            }
        }
    }
}

/// Every provider says what kind it is; a name that only a flag mentions is no provider.
fn check_kinds(layers: &Layers) -> Result<(), Error> {
    let routes = names(layers, "routes", |_| true);
    let providers = names(layers, "providers", |table| table.get("kind").is_some());
    let key = ["provider".to_owned()];
    if let Some(layer) = layers.winner(&key)
        && let Some(name) = layer.get(&key).and_then(Value::as_str)
        && !providers.contains(&name)
        && !routes.contains(&name)
        && !written(layers, name)
    {
        let known: Vec<&str> = providers.iter().chain(&routes).copied().collect();
        let place = layer.place_and_profile(&key);
        let message = format!("{place}: there is no provider {name:?}");
        return Err(Error::new(ErrorKind::ConfigInvalid, message)
            .with_hint(suggest::hint("provider", name, &known)));
    }
    for layer in &layers.layers {
        let Some(Value::Object(table)) = layer.table.get("providers") else { continue };
        if let Some(name) = table.keys().find(|name| !providers.contains(&name.as_str())) {
            let key = ["providers".to_owned(), name.clone()];
            return Err(if routes.contains(&name.as_str()) {
                layer
                    .wrong(&key, "it is a route, which has no settings of its own")
                    .with_hint("name the provider too: --provider NAME, or set [providers.NAME]")
            } else {
                layer.wrong(&key, "it has no kind").with_hint("add e.g. kind = \"local\"")
            });
        }
    }
    Ok(())
}

/// The names under `[table]` of which some layer has what `wanted` looks for.
fn names<'a>(layers: &'a Layers, table: &str, wanted: impl Fn(&Value) -> bool) -> Vec<&'a str> {
    let tables = layers.layers.iter().filter_map(|layer| layer.table.get(table)?.as_object());
    let entries = tables.flatten().filter(|(_, value)| wanted(value));
    let names: std::collections::BTreeSet<&str> = entries.map(|(name, _)| name.as_str()).collect();
    names.into_iter().collect()
}

/// Whether a file has a table for this provider.
fn written(layers: &Layers, name: &str) -> bool {
    let key = ["providers".to_owned(), name.to_owned()];
    layers.all_for(&key).any(|layer| layer.file().is_some())
}

/// Refuses keys that a provider's kind does not take, with the place where they stand. Kinds that
/// this build does not know are refused when such a provider is asked, by the registry.
///
/// # Errors
/// `ConfigInvalid` for the first such key.
pub(crate) fn check_providers(
    config: &Config,
    layers: &Layers,
    registry: &ProviderRegistry,
) -> Result<(), Error> {
    for (id, provider) in &config.providers {
        let Some(factory) = registry.factories().find(|f| f.kind() == provider.kind) else {
            continue;
        };
        let known: Vec<&'static str> = factory.settings().iter().map(|s| s.name).collect();
        for key in provider.settings.keys().filter(|key| !known.contains(&key.as_str())) {
            let path = vec!["providers".to_owned(), id.as_str().to_owned(), key.clone()];
            let Some(layer) = layers.winner(&path) else { continue };
            let error = layer.unknown(&Unknown { path, known });
            return Err(error.with_provider(id.clone()));
        }
    }
    Ok(())
}
