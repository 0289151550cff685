//! The typed configuration. No file and no environment is read here: the command line, or any
//! other application, finds the layers and hands over the result.

use std::collections::BTreeMap;
use std::path::PathBuf;

use domain::{GenerationOptions, ProviderId};
use ports::{Error, ErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an application wants of textport, profiles already applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The provider that answers unless another is asked for.
    pub provider: ProviderId,
    /// Where models and other things that can be fetched again are kept.
    pub cache_dir: PathBuf,
    /// Never use the network.
    #[serde(default)]
    pub offline: bool,
    /// The Hugging Face Hub that models and Spaces are looked for at; absent is `huggingface.co`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub_endpoint: Option<String>,
    /// Where models of the Hub are kept, shared with the Hub's own tools; absent is `hub` under
    /// `cache_dir`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub_cache: Option<PathBuf>,
    /// The system prompt for requests that bring none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Seconds that a whole call may take; absent is without limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// Options for requests that leave them unset.
    #[serde(default)]
    pub generation: GenerationOptions,
    /// Providers by name.
    #[serde(default)]
    pub providers: BTreeMap<ProviderId, ProviderConfig>,
    /// Chains of providers by name; a route is itself a provider.
    #[serde(default)]
    pub routes: BTreeMap<ProviderId, crate::RouteConfig>,
    /// Models by name, added to the catalogue of the `local` provider.
    #[serde(default)]
    pub models: BTreeMap<String, Value>,
    /// What is kept of conversations.
    #[serde(default)]
    pub log: LogConfig,
}

/// One provider: its kind and whatever that kind takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderConfig {
    /// Which factory builds it.
    pub kind: String,
    /// The rest of the table.
    #[serde(flatten)]
    pub settings: Map<String, Value>,
}

/// What is kept of conversations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// Whether requests and answers are logged at all.
    pub enabled: bool,
    /// Whether the texts are logged, or only counts and timings.
    pub prompts: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { enabled: true, prompts: true }
    }
}

impl Config {
    /// The built-in configuration: the provider `local` with the embedded default model, kept
    /// under `cache_dir`, and the providers that need no configuration.
    pub fn new(cache_dir: impl Into<PathBuf>) -> Self {
        // "local" is within ProviderId's alphabet; deserializing checks it without a panic path.
        let layer = serde_json::json!({
            "provider": "local",
            "cache_dir": cache_dir.into(),
            "providers": crate::builtin_providers(),
        });
        match serde_json::from_value(layer) {
            Ok(config) => config,
            Err(_) => unreachable!("the built-in configuration is valid"),
        }
    }

    /// The settings of a provider.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] with the known names, the nearest one first.
    pub fn provider_config(&self, id: &ProviderId) -> Result<ProviderConfig, Error> {
        if let Some(config) = self.providers.get(id) {
            return Ok(config.clone());
        }
        let known: Vec<&str> = self.provider_names().map(ProviderId::as_str).collect();
        let message = format!("there is no provider {:?}", id.as_str());
        Err(Error::new(ErrorKind::ConfigInvalid, message).with_hint(crate::registry::choices(
            "provider",
            id.as_str(),
            &known,
        )))
    }

    /// The names of all providers, routes last.
    pub fn provider_names(&self) -> impl Iterator<Item = &ProviderId> {
        self.providers.keys().chain(self.routes.keys())
    }
}
