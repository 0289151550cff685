//! What the command line says about the configuration.

use std::path::PathBuf;

use serde_json::{Value, json};
use textport::{Error, ErrorKind};

use super::literal;
use crate::args::{GenerationArgs, Global, LoraArg, TargetArgs};

/// One flag as a value of the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Flag {
    /// As it is written, for messages.
    pub(crate) name: String,
    pub(crate) key: Vec<String>,
    pub(crate) value: Value,
}

/// What the command line says about the configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    pub(crate) profile: Option<String>,
    pub(crate) files: Vec<PathBuf>,
    /// Later ones win; `--set` comes before the flags of its own name.
    pub(crate) flags: Vec<Flag>,
}

impl Overrides {
    /// From the flags that every verb takes.
    ///
    /// # Errors
    /// When a `--set` is not `KEY=VALUE`.
    pub(crate) fn new(global: &Global) -> Result<Self, Error> {
        let mut overrides = Self {
            profile: global.profile.clone(),
            files: global.config.clone(),
            flags: Vec::new(),
        };
        for text in &global.set {
            let (key, value) = pair("--set", text)?;
            let key = literal::split_key(key);
            let value = literal::value(&key, value);
            overrides.flags.push(Flag { name: "--set".to_owned(), key, value });
        }
        if global.offline {
            overrides.flag("--offline", &["offline"], true);
        }
        Ok(overrides)
    }

    /// Adds who is asked, and for how long.
    #[must_use]
    pub(crate) fn with_target(mut self, target: &TargetArgs) -> Self {
        if let Some(provider) = &target.provider {
            self.flag("--provider", &["provider"], provider.as_str());
        }
        if let Some(model) = &target.model {
            // Goes to whichever provider is in effect once all layers are known.
            self.flag("--model", &["provider_config", "model"], model.as_str());
        }
        if let Some(device) = &target.device {
            self.flag("--device", &["provider_config", "device"], device.as_str());
        }
        if let Some(dtype) = &target.dtype {
            self.flag("--dtype", &["provider_config", "dtype"], dtype.as_str());
        }
        if let Some(quant) = &target.quant {
            self.flag("--quant", &["provider_config", "quant"], quant.as_str());
        }
        if let Some(kv_cache) = &target.kv_cache {
            self.flag("--kv-cache", &["provider_config", "kv_cache"], kv_cache.as_str());
        }
        if !target.lora.is_empty() {
            let adapters: Vec<_> = target.lora.iter().map(adapter).collect();
            self.flag("--lora", &["provider_config", "lora"], adapters);
        }
        if let Some(speculation) = &target.speculation {
            self.flag("--speculation", &["provider_config", "speculation"], speculation.as_str());
        }
        if let Some(seconds) = target.timeout {
            self.flag("--timeout", &["timeout"], seconds);
        }
        self
    }

    /// Adds the system prompt.
    #[must_use]
    pub(crate) fn with_system(mut self, system: Option<&str>) -> Self {
        if let Some(system) = system {
            self.flag("--system", &["system"], system);
        }
        self
    }

    /// Adds the log-probabilities that are asked for.
    #[must_use]
    pub(crate) fn with_logprobs(mut self, logprobs: Option<u32>) -> Self {
        if let Some(logprobs) = logprobs {
            self.flag("--logprobs", &["generation", "logprobs"], logprobs);
        }
        self
    }

    /// Adds how to generate.
    ///
    /// # Errors
    /// When a `-o` is not `KEY=VALUE`.
    pub(crate) fn with_generation(mut self, generation: &GenerationArgs) -> Result<Self, Error> {
        for text in &generation.options {
            let (key, value) = pair("--option", text)?;
            let key = vec!["generation".to_owned(), key.to_owned()];
            let value = literal::value(&key, value);
            self.flags.push(Flag { name: "--option".to_owned(), key, value });
        }
        // The text keeps 0.7 as 0.7, where a 32-bit number would not stay what was written.
        let set = serde_json::to_string(generation)
            .and_then(|text| serde_json::from_str::<serde_json::Map<String, Value>>(&text))
            .map_err(|error| {
                Error::new(ErrorKind::Internal, "the flags are no table").with_source(error)
            })?;
        for (key, value) in set {
            self.flag(&format!("--{}", key.replace('_', "-")), &["generation", &key], value);
        }
        Ok(self)
    }

    fn flag(&mut self, name: &str, key: &[&str], value: impl Into<Value>) {
        let key = key.iter().map(|&part| part.to_owned()).collect();
        self.flags.push(Flag { name: name.to_owned(), key, value: value.into() });
    }
}

fn pair<'a>(flag: &str, text: &'a str) -> Result<(&'a str, &'a str), Error> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim(), value)),
        _ => Err(Error::new(
            ErrorKind::InvalidRequest,
            format!("{flag} wants KEY=VALUE, but it got {text:?}"),
        )
        .with_hint(match flag {
            "--set" => "e.g. --set generation.seed=7",
            _ => "e.g. -o seed=7",
        })),
    }
}

/// A LoRA adapter as the setting `lora` takes it: a path, or a path with its scale.
fn adapter(lora: &LoraArg) -> Value {
    match lora.scale {
        Some(scale) => json!({ "path": lora.path, "scale": scale }),
        None => Value::from(lora.path.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_may_have_a_scale() {
        let adapter = |text: &str| adapter(&text.parse().unwrap());
        assert_eq!(adapter("a/b"), json!("a/b"));
        assert_eq!(adapter("hf:a/b@v1=0.5"), json!({ "path": "hf:a/b@v1", "scale": 0.5 }));
    }
}
