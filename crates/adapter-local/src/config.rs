//! The settings of the kind `local`.

use ports::{Error, ErrorKind, ProviderSpec, Setting};
use serde::de::DeserializeOwned;

use crate::DEFAULT_MODEL;

/// Every key, with its default.
pub(crate) const SETTINGS: [Setting; 4] = [
    Setting {
        name: "model",
        about: "name in the catalogue or path of a .gguf file; default: smollm2-135m",
    },
    Setting { name: "threads", about: "threads that compute; default: the physical cores" },
    Setting {
        name: "context_length",
        about: "most tokens of prompt and answer; default: the model's own limit",
    },
    Setting { name: "device", about: "\"auto\" or \"cpu\"; default: \"auto\"" },
];

/// `[providers.NAME]` with `kind = "local"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalConfig {
    pub(crate) model: String,
    pub(crate) threads: Option<usize>,
    pub(crate) context_length: Option<usize>,
    pub(crate) device: String,
}

impl Default for LocalConfig {
    fn default() -> Self {
        Self {
            model: DEFAULT_MODEL.to_owned(),
            threads: None,
            context_length: None,
            device: "auto".to_owned(),
        }
    }
}

/// One setting; the error names its key.
fn setting<T: DeserializeOwned>(spec: &ProviderSpec, key: &str) -> Result<Option<T>, Error> {
    let value = spec.settings.get(key).cloned().unwrap_or_default();
    serde_json::from_value(value)
        .map_err(|error| Error::new(ErrorKind::ConfigInvalid, format!("{key}: {error}")))
}

impl LocalConfig {
    /// Reads and checks the settings.
    pub(crate) fn parse(spec: &ProviderSpec) -> Result<Self, Error> {
        let known = SETTINGS.map(|setting| setting.name);
        if let Some(key) = spec.settings.keys().find(|key| !known.contains(&key.as_str())) {
            let message = format!("there is no key {key:?}");
            return Err(Error::new(ErrorKind::ConfigInvalid, message)
                .with_hint(format!("known keys: {}", known.join(", "))));
        }
        let usual = Self::default();
        let config = Self {
            model: setting(spec, "model")?.unwrap_or(usual.model),
            threads: setting(spec, "threads")?,
            context_length: setting(spec, "context_length")?,
            device: setting(spec, "device")?.unwrap_or(usual.device),
        };
        config.check()?;
        Ok(config)
    }

    /// Refuses what makes no sense on any machine.
    fn check(&self) -> Result<(), Error> {
        let invalid = |message: String| Error::new(ErrorKind::ConfigInvalid, message);
        if self.model.is_empty() {
            return Err(invalid("model is empty".into())
                .with_hint("name one of `textport models list`, or the path of a .gguf file"));
        }
        if self.threads == Some(0) {
            return Err(invalid("threads is 0, but it must be at least 1".into()));
        }
        if self.context_length.is_some_and(|tokens| tokens < 2) {
            return Err(invalid("context_length must be at least 2".into()));
        }
        match self.device.as_str() {
            "auto" | "cpu" => Ok(()),
            "cuda" | "gpu" => {
                let message = format!("device is {:?}, but this build has no CUDA", self.device);
                Err(invalid(message).with_hint("use device = \"cpu\""))
            }
            other => Err(invalid(format!("there is no device {other:?}"))
                .with_hint("known devices: auto, cpu")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused_with_the_key() {
        let base = LocalConfig::default();
        assert!(base.check().is_ok());
        for (config, word) in [
            (LocalConfig { device: "cuda".into(), ..base.clone() }, "no CUDA"),
            (LocalConfig { device: "tpu".into(), ..base.clone() }, "\"tpu\""),
            (LocalConfig { threads: Some(0), ..base.clone() }, "threads"),
            (LocalConfig { context_length: Some(1), ..base.clone() }, "context_length"),
            (LocalConfig { model: String::new(), ..base }, "model"),
        ] {
            let error = config.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn the_default_model_is_the_documented_one() {
        assert!(SETTINGS[0].about.contains(DEFAULT_MODEL));
    }
}
