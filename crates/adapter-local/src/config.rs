//! The settings of the kind `local`.

use std::path::PathBuf;

use ports::{Error, ErrorKind, ProviderSpec, Setting};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::DEFAULT_MODEL;
use crate::checkpoint::Dtype;
use crate::decoder::KvPrecision;
use crate::device::DeviceSetting;
use crate::engine::Speculation;
use crate::quantize::Scheme;

/// Every key, with its default.
pub(crate) const SETTINGS: [Setting; 12] = [
    Setting {
        name: "model",
        about: "name in the catalogue, path of a file or folder, or hf:OWNER/REPO[@REV][/FILE]; default: smollm2-135m",
    },
    Setting { name: "threads", about: "threads that compute; default: the physical cores" },
    Setting {
        name: "context_length",
        about: "most tokens of prompt and answer; default: the model's own limit",
    },
    Setting {
        name: "device",
        about: "\"auto\" (a GPU where this build and machine have one), \"cpu\", \"cuda\" or \"cuda:N\"; default: \"auto\"",
    },
    Setting {
        name: "dtype",
        about: "keep matrices as \"f32\", \"f16\" or \"bf16\"; default: as the files have them",
    },
    Setting {
        name: "quant",
        about: "quantize matrices at load: \"q8_0\", \"q4_k_m\", …; default: as the files have them",
    },
    Setting {
        name: "lora",
        about: "LoRA adapters to merge, folders or hf:OWNER/REPO[@REV]: [\"PATH\", { path = \"PATH\", scale = 0.5 }]; default: none",
    },
    Setting {
        name: "max_batch",
        about: "most requests answered at once; more wait in a line; default: 16",
    },
    Setting {
        name: "kv_cache",
        about: "keep keys and values as \"f16\", \"q8_0\" (half of that, for long contexts or many requests; on the processor) or \"f32\"; default: \"f16\"",
    },
    Setting {
        name: "kv_cache_mib",
        about: "most memory for keys and values of all requests; default: half of what is available beside the weights, at least 64; on a GPU, where it is taken at once, four fifths, and max_batch whole contexts at most",
    },
    Setting {
        name: "speculation",
        about: "compute several tokens at once where the text so far foretells them; answers are the same: \"auto\" (where it pays, on the processor), \"off\", or how many at most, whether it pays or not; default: \"auto\"",
    },
    Setting {
        name: "cuda_graphs",
        about: "on a GPU, launch steps that answer as CUDA graphs: experimental, true or false; default: false",
    },
];

/// `[providers.NAME]` with `kind = "local"`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LocalConfig {
    pub(crate) model: String,
    pub(crate) threads: Option<usize>,
    pub(crate) context_length: Option<usize>,
    pub(crate) device: DeviceSetting,
    pub(crate) dtype: Option<Dtype>,
    pub(crate) quant: Option<Scheme>,
    pub(crate) lora: Vec<LoraSetting>,
    pub(crate) max_batch: Option<usize>,
    pub(crate) kv_cache: Option<KvPrecision>,
    pub(crate) kv_cache_mib: Option<u64>,
    pub(crate) speculation: Speculation,
    pub(crate) cuda_graphs: bool,
}

impl Default for LocalConfig {
    fn default() -> Self {
        Self {
            model: DEFAULT_MODEL.to_owned(),
            threads: None,
            context_length: None,
            device: DeviceSetting::default(),
            dtype: None,
            quant: None,
            lora: Vec::new(),
            max_batch: None,
            kv_cache: None,
            kv_cache_mib: None,
            speculation: Speculation::default(),
            cuda_graphs: false,
        }
    }
}

/// One LoRA adapter: a path, or a table with path and scale.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "LoraWords")]
pub struct LoraSetting {
    /// The folder, or where the Hub has it (`hf:OWNER/REPO[@REV][/FOLDER]`).
    pub path: PathBuf,
    /// How strongly it counts; 1 as it was trained.
    pub scale: f32,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a path, or a table with path and scale")]
enum LoraWords {
    Path(PathBuf),
    Table(LoraTable),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoraTable {
    path: PathBuf,
    #[serde(default)]
    scale: Option<f32>,
}

impl From<LoraWords> for LoraSetting {
    fn from(words: LoraWords) -> Self {
        match words {
            LoraWords::Path(path) => Self { path, scale: 1.0 },
            LoraWords::Table(table) => Self { path: table.path, scale: table.scale.unwrap_or(1.0) },
        }
    }
}

fn quant(word: &str) -> Result<Scheme, Error> {
    word.parse().map_err(|message: String| {
        Error::new(ErrorKind::ConfigInvalid, message)
            .with_hint("q8_0 loses nearly nothing, q4_k_m is the usual one for small memory")
    })
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
            device: match setting::<String>(spec, "device")? {
                Some(word) => word.parse()?,
                None => usual.device,
            },
            dtype: setting::<String>(spec, "dtype")?.map(|word| word.parse()).transpose()?,
            quant: setting::<String>(spec, "quant")?.map(|word| quant(&word)).transpose()?,
            lora: setting(spec, "lora")?.unwrap_or_default(),
            max_batch: setting(spec, "max_batch")?,
            kv_cache: setting::<String>(spec, "kv_cache")?.map(|word| word.parse()).transpose()?,
            kv_cache_mib: setting(spec, "kv_cache_mib")?,
            speculation: setting(spec, "speculation")?.unwrap_or(usual.speculation),
            cuda_graphs: setting(spec, "cuda_graphs")?.unwrap_or(usual.cuda_graphs),
        };
        config.check()?;
        Ok(config)
    }

    /// The defaults with other storage types of matrices, keys and values, in the words of the
    /// settings.
    pub(crate) fn stored_as(
        dtype: Option<&str>,
        quantization: Option<&str>,
        kv_cache: Option<&str>,
    ) -> Result<Self, Error> {
        let config = Self {
            dtype: dtype.map(str::parse).transpose()?,
            quant: quantization.map(quant).transpose()?,
            kv_cache: kv_cache.map(str::parse).transpose()?,
            ..Self::default()
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
        if let (Some(dtype), Some(quant)) = (self.dtype, self.quant) {
            let message = format!("dtype is {dtype} and quant is {quant}, but only one can be");
            return Err(invalid(message).with_hint("leave one of them out"));
        }
        if let Some(lora) = self.lora.iter().find(|lora| !lora.scale.is_finite()) {
            let shown = lora.path.display();
            return Err(invalid(format!("lora: the scale of {shown} is no number")));
        }
        if self.max_batch == Some(0) || self.kv_cache_mib == Some(0) {
            let key = if self.max_batch == Some(0) { "max_batch" } else { "kv_cache_mib" };
            return Err(invalid(format!("{key} is 0, but it must be at least 1")));
        }
        Ok(())
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
            (LocalConfig { threads: Some(0), ..base.clone() }, "threads"),
            (LocalConfig { context_length: Some(1), ..base.clone() }, "context_length"),
            (LocalConfig { max_batch: Some(0), ..base.clone() }, "max_batch"),
            (LocalConfig { kv_cache_mib: Some(0), ..base.clone() }, "kv_cache_mib"),
            (
                LocalConfig {
                    dtype: Some(Dtype::F16),
                    quant: Some("q8_0".parse().unwrap()),
                    ..base.clone()
                },
                "only one",
            ),
            (LocalConfig { model: String::new(), ..base }, "model"),
        ] {
            let error = config.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn the_device_is_one_that_is_known() {
        let spec = |device: &str| ProviderSpec {
            id: domain::ProviderId::new("local").unwrap(),
            settings: serde_json::Map::from_iter([("device".to_owned(), device.into())]),
        };
        let config = LocalConfig::parse(&spec("cuda:3")).unwrap();
        assert_eq!(config.device, "cuda:3".parse().unwrap());
        let error = LocalConfig::parse(&spec("tpu")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.to_string().contains("\"tpu\""), "{error}");
    }

    #[test]
    fn the_dtype_is_one_that_is_known() {
        let spec = |dtype: &str| ProviderSpec {
            id: domain::ProviderId::new("local").unwrap(),
            settings: serde_json::Map::from_iter([("dtype".to_owned(), dtype.into())]),
        };
        let config = LocalConfig::parse(&spec("bf16")).unwrap();
        assert_eq!(config.dtype, Some(Dtype::Bf16));
        let error = LocalConfig::parse(&spec("f64")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert_eq!(error.hint(), Some("known dtypes: f32, f16, bf16"));
    }

    #[test]
    fn keys_and_values_are_kept_as_a_word_says() {
        let spec = |word: &str| ProviderSpec {
            id: domain::ProviderId::new("local").unwrap(),
            settings: serde_json::Map::from_iter([("kv_cache".to_owned(), word.into())]),
        };
        let config = LocalConfig::parse(&spec("q8_0")).unwrap();
        assert_eq!(config.kv_cache, Some(KvPrecision::Q8_0));
        let error = LocalConfig::parse(&spec("q4_0")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.to_string().contains("\"q4_0\""), "{error}");
    }

    #[test]
    fn adapters_are_paths_or_tables_and_quantizations_have_names() {
        let spec = |key: &str, value: serde_json::Value| ProviderSpec {
            id: domain::ProviderId::new("local").unwrap(),
            settings: serde_json::Map::from_iter([(key.to_owned(), value)]),
        };
        let lora = serde_json::json!(["a", { "path": "b", "scale": 0.5 }, { "path": "c" }]);
        let config = LocalConfig::parse(&spec("lora", lora)).unwrap();
        let found: Vec<_> =
            config.lora.iter().map(|l| (l.path.to_str().unwrap(), l.scale)).collect();
        assert_eq!(found, [("a", 1.0), ("b", 0.5), ("c", 1.0)]);
        let wrong = serde_json::json!([{ "path": "a", "scal": 1 }]);
        assert!(LocalConfig::parse(&spec("lora", wrong)).is_err());
        let config = LocalConfig::parse(&spec("quant", "Q4_K_M".into())).unwrap();
        assert_eq!(config.quant.unwrap().to_string(), "q4_k_m");
        let error = LocalConfig::parse(&spec("quant", "q99".into())).unwrap_err();
        assert!(error.to_string().contains("q4_k_m"), "{error}");
    }

    #[test]
    fn speculation_is_a_word_or_a_number() {
        let parse = |value: serde_json::Value| {
            LocalConfig::parse(&ProviderSpec {
                id: domain::ProviderId::new("local").unwrap(),
                settings: serde_json::Map::from_iter([("speculation".to_owned(), value)]),
            })
        };
        assert_eq!(parse(8.into()).unwrap().speculation.to_string(), "8");
        assert_eq!(parse("off".into()).unwrap().speculation, Speculation::Off);
        assert_eq!(LocalConfig::default().speculation, Speculation::Auto);
        let error = parse("on".into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        let words = error.to_string();
        assert!(words.starts_with("speculation: \"on\" is neither"), "{words}");
    }

    #[test]
    fn the_default_model_is_the_documented_one() {
        assert!(SETTINGS[0].about.contains(DEFAULT_MODEL));
    }
}
