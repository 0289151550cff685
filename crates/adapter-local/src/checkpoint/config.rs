//! `config.json` of a model folder: what the model is and how it is built, in the words of
//! transformers and with its defaults. What would be computed wrongly is refused by name.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::parameters::{Family, MOST_CONTEXT, MOST_LAYERS, MOST_WIDTH, Parameters, WIDEST_HEAD};
use super::rope::{Pairing, RopeParameters, RopeScaling};
use crate::bytes::Bytes;
use crate::error::{LoadCause, LoadError};

/// The largest in use have some 100 kB.
const LARGEST: u64 = 16 << 20;

/// The file, its family known.
#[derive(Debug)]
pub(super) struct HfConfig {
    path: PathBuf,
    keys: Map<String, Value>,
    family: &'static Family,
}

impl HfConfig {
    /// Reads the file in `folder`.
    pub(super) fn read(folder: &Path) -> Result<Self, LoadError> {
        let (path, keys) = read_keys(folder)?;
        Self::of(path, keys)
    }

    /// Reads a file of this form, whatever its name is.
    pub(super) fn read_file(path: &Path) -> Result<Self, LoadError> {
        Self::of(path.to_owned(), read_object(path)?)
    }

    fn of(path: PathBuf, keys: Map<String, Value>) -> Result<Self, LoadError> {
        let failed = |cause| LoadError::new(&path, cause);
        let missing = || failed(LoadCause::MissingKey("model_type".into()));
        let found = keys.get("model_type").and_then(Value::as_str).ok_or_else(missing)?;
        let known = Family::known().to_string();
        let family = Family::named(found)
            .ok_or_else(|| failed(LoadCause::Architecture { found: found.to_owned(), known }))?;
        Ok(Self { path, keys, family })
    }

    /// The architecture.
    pub(super) fn family(&self) -> &'static Family {
        self.family
    }

    /// Whether the embedding serves as output too, where the file says it.
    pub(super) fn tied(&self) -> Result<Option<bool>, LoadError> {
        self.keys().flag("tie_word_embeddings")
    }

    /// Whether the projections of attention have biases.
    pub(super) fn attention_bias(&self) -> Result<bool, LoadError> {
        Ok(self.keys().flag("attention_bias")?.unwrap_or(false))
    }

    /// How many tokens the model knows.
    pub(super) fn vocabulary(&self) -> Result<usize, LoadError> {
        self.keys().size("vocab_size", MOST_WIDTH)
    }

    /// How the model is built.
    pub(super) fn parameters(&self) -> Result<Parameters, LoadError> {
        let keys = self.keys();
        let width = keys.size("hidden_size", MOST_WIDTH)?;
        let heads = keys.size("num_attention_heads", MOST_WIDTH)?;
        let kv_heads = keys.size_or("num_key_value_heads", MOST_WIDTH, heads)?;
        let usual = if self.family.name == "qwen3" { 128 } else { width / heads };
        let head_size = keys.size_or("head_dim", WIDEST_HEAD, usual)?;
        if !heads.is_multiple_of(kv_heads) {
            let problem = format!("is {kv_heads}, which does not divide the {heads} heads");
            return Err(keys.wrong("num_key_value_heads", problem));
        }
        if head_size == 0 || !head_size.is_multiple_of(2) || heads * head_size > MOST_WIDTH {
            let problem = format!("gives {heads} heads of {head_size} for a width of {width}");
            return Err(keys.wrong("num_attention_heads", problem));
        }
        let said = self.within_window(keys.size("max_position_embeddings", MOST_CONTEXT)?)?;
        let (base, scaling) = if self.family.single {
            // What turns its heads, candle's model reads by itself.
            (1.0, RopeScaling::None)
        } else {
            super::config_rope::read(&keys, said)?
        };
        let pairing = Pairing::Halves;
        let parameters = Parameters {
            layers: keys.size("num_hidden_layers", MOST_LAYERS)?,
            context_length: scaling.reach(said),
            width,
            feed_forward: keys.size("intermediate_size", MOST_WIDTH)?,
            heads,
            kv_heads,
            head_size,
            norm_epsilon: keys.positive("rms_norm_eps", Some(1e-6))?,
            rope: RopeParameters { pairing, size: head_size, base, scaling },
        };
        if !self.family.single {
            self.refuse_unsupported(&parameters)?;
        }
        Ok(parameters)
    }

    /// Positions that all layers see all of, for models that are computed without their window.
    fn within_window(&self, positions: usize) -> Result<usize, LoadError> {
        let keys = self.keys();
        if !matches!(self.family.name, "mistral" | "phi3") || keys.any("sliding_window").is_none() {
            return Ok(positions);
        }
        Ok(positions.min(keys.size("sliding_window", usize::MAX)?))
    }

    /// Refuses what would be computed wrongly.
    fn refuse_unsupported(&self, parameters: &Parameters) -> Result<(), LoadError> {
        let keys = self.keys();
        if let Some(method) = keys.any("quantization_config") {
            let method = method.get("quant_method").and_then(Value::as_str).unwrap_or("unknown");
            return Err(keys.refuse(&format!("the quantization method {method:?}")));
        }
        match keys.text("hidden_act")? {
            None | Some("silu" | "swish") => {}
            Some(other) => return Err(keys.refuse(&format!("the activation {other:?}"))),
        }
        if keys.flag("mlp_bias")? == Some(true) {
            return Err(keys.refuse("biases in the feed-forward part (mlp_bias)"));
        }
        if self.slides(parameters)? {
            return Err(keys.refuse("sliding-window attention"));
        }
        Ok(())
    }

    /// Whether some layer does not see all that the context length allows.
    fn slides(&self, parameters: &Parameters) -> Result<bool, LoadError> {
        let keys = self.keys();
        let layers = keys.any("layer_types").and_then(Value::as_array);
        let kinds = || layers.into_iter().flatten().filter_map(Value::as_str);
        if let Some(other) =
            kinds().find(|kind| !matches!(*kind, "full_attention" | "sliding_attention"))
        {
            return Err(keys.refuse(&format!("layers of the kind {other:?}")));
        }
        if keys.flag("use_sliding_window")? != Some(true) || keys.any("sliding_window").is_none() {
            return Ok(false);
        }
        let window = keys.size("sliding_window", usize::MAX)?;
        let some_layer = match layers {
            Some(_) => kinds().any(|kind| kind == "sliding_attention"),
            None => keys.count("max_window_layers")?.unwrap_or(28) < parameters.layers,
        };
        Ok(some_layer && window < parameters.context_length)
    }

    fn keys(&self) -> Keys<'_> {
        Keys { path: &self.path, map: &self.keys, table: "" }
    }
}

/// What the file in `folder` says the model is, known here or not.
pub(crate) fn model_type(folder: &Path) -> Result<Option<String>, LoadError> {
    let (_, keys) = read_keys(folder)?;
    Ok(keys.get("model_type").and_then(Value::as_str).map(str::to_owned))
}

/// All that the file in `folder` says.
pub(crate) fn read_keys(folder: &Path) -> Result<(PathBuf, Map<String, Value>), LoadError> {
    let path = folder.join("config.json");
    if !path.exists() {
        return Err(LoadError::new(folder, LoadCause::NoConfig));
    }
    let keys = read_object(&path)?;
    Ok((path, keys))
}

fn read_object(path: &Path) -> Result<Map<String, Value>, LoadError> {
    let bytes = Bytes::map(path)?;
    let (value, most) = (bytes.len() as u64, LARGEST);
    if value > most {
        let what = "size of the file".to_owned();
        return Err(LoadError::new(path, LoadCause::Absurd { what, value, most }));
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        let (what, problem) = ("the file".to_owned(), error.to_string());
        LoadError::new(path, LoadCause::Json { what, problem })
    })
}

/// Lookups in a table of the file. Null is as good as absent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys<'a> {
    path: &'a Path,
    map: &'a Map<String, Value>,
    /// Where the table is, for messages.
    table: &'a str,
}

impl<'a> Keys<'a> {
    pub(super) fn any(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// A table inside; none for an empty one.
    pub(super) fn table(&self, key: &'a str) -> Result<Option<Self>, LoadError> {
        match self.any(key) {
            None => Ok(None),
            Some(Value::Object(map)) if map.is_empty() => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self { path: self.path, map, table: key })),
            Some(_) => Err(self.wrong(key, "is no table".into())),
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, LoadError> {
        let text =
            |value: &'a Value| value.as_str().ok_or_else(|| self.wrong(key, "is no text".into()));
        self.any(key).map(text).transpose()
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, LoadError> {
        let flag = |value: &Value| {
            value.as_bool().ok_or_else(|| self.wrong(key, "is neither true nor false".into()))
        };
        self.any(key).map(flag).transpose()
    }

    fn count(&self, key: &str) -> Result<Option<usize>, LoadError> {
        let count = |value: &Value| {
            let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
            count.ok_or_else(|| self.wrong(key, "is not one whole number".into()))
        };
        self.any(key).map(count).transpose()
    }

    pub(super) fn size(&self, key: &str, most: usize) -> Result<usize, LoadError> {
        match self.count(key)? {
            None => Err(self.missing(key)),
            Some(value) if (1..=most).contains(&value) => Ok(value),
            Some(value) => Err(self.wrong(key, format!("is {value}, not within 1..={most}"))),
        }
    }

    pub(super) fn size_or(&self, key: &str, most: usize, usual: usize) -> Result<usize, LoadError> {
        if self.any(key).is_some() { self.size(key, most) } else { Ok(usual) }
    }

    pub(super) fn positive(&self, key: &str, usual: Option<f32>) -> Result<f32, LoadError> {
        let Some(value) = self.any(key) else {
            return usual.ok_or_else(|| self.missing(key));
        };
        let value = value.as_f64().map(|value| value as f32);
        let good = value.filter(|value| value.is_finite() && *value > 0.0);
        good.ok_or_else(|| self.wrong(key, "is not a positive number".into()))
    }

    pub(super) fn wrong(&self, key: &str, problem: String) -> LoadError {
        LoadError::new(self.path, LoadCause::Metadata { key: self.full(key), problem })
    }

    pub(super) fn refuse(&self, what: &str) -> LoadError {
        LoadError::new(self.path, LoadCause::Unsupported(what.to_owned()))
    }

    fn missing(&self, key: &str) -> LoadError {
        LoadError::new(self.path, LoadCause::MissingKey(self.full(key)))
    }

    fn full(&self, key: &str) -> String {
        if self.table.is_empty() { key.to_owned() } else { format!("{}.{key}", self.table) }
    }
}
