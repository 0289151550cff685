//! What `config.json` says, in the words that candle's models read: rotary positions as older files
//! write them, and nothing of what would be computed wrongly.

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::checkpoint::{Checkpoint, read_keys};
use crate::error::{LoadCause, LoadError};

/// The file's keys.
#[derive(Debug)]
pub(super) struct Settings {
    path: PathBuf,
    pub(super) architecture: &'static str,
    keys: Map<String, Value>,
}

impl Settings {
    pub(super) fn read(checkpoint: &Checkpoint) -> Result<Self, LoadError> {
        let (path, keys) = read_keys(checkpoint.path())?;
        Ok(Self { path, architecture: checkpoint.family().name, keys })
    }

    /// The same for sequences of at most so many tokens: tables and caches are made for all of them.
    pub(super) fn with_context(mut self, tokens: usize) -> Self {
        self.set("max_position_embeddings", json!(tokens));
        self
    }

    /// A key that is not null.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.keys.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn size(&self, key: &str) -> Result<usize, LoadError> {
        let missing = || LoadError::new(&self.path, LoadCause::MissingKey(key.to_owned()));
        let value = self.get(key).ok_or_else(missing)?;
        let size = value.as_u64().and_then(|size| usize::try_from(size).ok());
        let problem = "is not one whole number".to_owned();
        size.filter(|size| *size > 0).ok_or_else(|| self.wrong(key, problem))
    }

    pub(super) fn set(&mut self, key: &str, value: Value) {
        self.keys.insert(key.to_owned(), value);
    }

    /// Refuses a key with another value than the usual one, which absent means too.
    pub(super) fn only(&self, key: &str, usual: &Value) -> Result<(), LoadError> {
        match self.get(key) {
            Some(found) if found != usual => Err(self.refuse(&format!("{key} = {found}"))),
            _ => Ok(()),
        }
    }

    /// Where the rotary positions of a kind of layer are described: a table of tables, one table, or
    /// the file itself.
    fn rope(&self, kind: Option<&str>) -> Option<&Map<String, Value>> {
        // In a file with both transformers takes the older one.
        let table = self.get("rope_scaling").or_else(|| self.get("rope_parameters"))?;
        let table = kind.map_or(Some(table), |kind| table.get(kind))?;
        table.as_object()
    }

    /// A number of the rotary positions of a kind of layer, wherever it is.
    pub(super) fn rope_number(&self, kind: Option<&str>, key: &str) -> Option<f64> {
        let inside = self.rope(kind).and_then(|table| table.get(key));
        inside.or_else(|| self.get(key)).and_then(Value::as_f64)
    }

    /// Refuses rotary positions that are scaled.
    pub(super) fn refuse_scaling(&self, kind: Option<&str>) -> Result<(), LoadError> {
        let Some(table) = self.rope(kind) else { return Ok(()) };
        match table.get("rope_type").or_else(|| table.get("type")).and_then(Value::as_str) {
            None | Some("default") => Ok(()),
            Some(other) => Err(self.refuse(&format!("RoPE scaling {other:?}"))),
        }
    }

    /// As one of candle's structs.
    pub(super) fn parse<T: DeserializeOwned>(&self, changed: Value) -> Result<T, LoadError> {
        let mut keys = self.keys.clone();
        // Read above; in their newer form candle does not know them.
        keys.remove("rope_scaling");
        keys.remove("rope_parameters");
        if let Value::Object(changed) = changed {
            keys.extend(changed);
        }
        serde_json::from_value(Value::Object(keys)).map_err(|error| {
            let (what, problem) = ("the file".to_owned(), error.to_string());
            LoadError::new(&self.path, LoadCause::Json { what, problem })
        })
    }

    pub(super) fn refuse(&self, what: &str) -> LoadError {
        LoadError::new(&self.path, LoadCause::Unsupported(what.to_owned()))
    }

    pub(super) fn wrong(&self, key: &str, problem: String) -> LoadError {
        let key = key.to_owned();
        LoadError::new(&self.path, LoadCause::Metadata { key, problem })
    }
}
