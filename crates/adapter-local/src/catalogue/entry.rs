//! One table `[models.NAME]`, read and checked.

use ports::{Error, ErrorKind};
use serde::Deserialize;
use serde_json::Value;

use super::Source;
use super::names::{is_plain_word, is_safe_component};

/// What the catalogue says of one model.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CatalogueEntry {
    /// The file's name in the cache.
    pub file: String,
    /// Its length in bytes, where known.
    pub size: Option<u64>,
    /// Its checksum, 64 lower-case hex digits; only files of the user's own go without.
    pub sha256: Option<String>,
    /// The licence of the weights, as an SPDX identifier.
    pub license: Option<String>,
    /// One line for people.
    pub about: Option<String>,
    /// How its tokens are chosen where a request says nothing.
    pub sampling: Sampling,
    /// Where the file can be had, in the order of trying.
    pub sources: Vec<Source>,
}

/// How a model's tokens are chosen where a request says nothing. What is absent here is taken from
/// the model's own files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// 0 is greedy.
    pub temperature: Option<f32>,
    /// Keep the K most probable tokens; 0 keeps all.
    pub top_k: Option<u32>,
    /// Keep the most probable tokens that together reach this probability.
    pub top_p: Option<f32>,
    /// Drop tokens less probable than this share of the most probable one.
    pub min_p: Option<f32>,
    /// Divides the logits of tokens seen already; 1 changes nothing.
    pub repeat_penalty: Option<f32>,
}

impl Sampling {
    fn check(self) -> Result<Self, String> {
        let within = |name: &str, value: Option<f32>, low: f32, high: f32| match value {
            Some(value) if !(low..=high).contains(&value) => {
                Err(format!("`sampling.{name}` {value} is not within {low} and {high}"))
            }
            _ => Ok(()),
        };
        within("temperature", self.temperature, 0.0, 10.0)?;
        within("top_p", self.top_p, 0.001, 1.0)?;
        within("min_p", self.min_p, 0.0, 1.0)?;
        within("repeat_penalty", self.repeat_penalty, 0.01, 10.0)?;
        Ok(self)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    file: Option<String>,
    size: Option<u64>,
    sha256: Option<String>,
    license: Option<String>,
    about: Option<String>,
    #[serde(default)]
    sampling: Sampling,
    sources: Vec<Value>,
}

impl CatalogueEntry {
    /// Reads the table `[models.name]`.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] naming the table and the key.
    pub(super) fn parse(name: &str, table: &Value) -> Result<Self, Error> {
        Self::checked(name, table).map_err(|why| {
            let message = format!("[models.{}]: {why}", key(name));
            Error::new(ErrorKind::ConfigInvalid, message).with_hint(
                "a table has the keys file, size, sha256, license, about, sampling and sources",
            )
        })
    }

    fn checked(name: &str, table: &Value) -> Result<Self, String> {
        if !is_plain_word(name) || !is_safe_component(name) {
            return Err("a name has only ASCII letters, digits, '_', '-' and '.'".into());
        }
        let table = Table::deserialize(table).map_err(|error| error.to_string())?;
        let sources = sources(&table.sources)?;
        let file = match (table.file, sources.iter().find_map(Source::file_name)) {
            (Some(file), _) => file,
            (None, Some(file)) => file.to_owned(),
            (None, None) => return Err("`file` is missing".into()),
        };
        if !is_safe_component(&file) {
            return Err(format!("`file` {file:?} is not a plain file name"));
        }
        let entry = Self {
            file,
            size: table.size,
            sha256: table.sha256.map(checksum).transpose()?,
            license: table.license,
            about: table.about,
            sampling: table.sampling.check()?,
            sources,
        };
        entry.complete()?;
        Ok(entry)
    }

    fn complete(&self) -> Result<(), String> {
        let fetched = self.sources.iter().any(|source| !matches!(source, Source::Path(_)));
        if fetched && self.sha256.is_none() {
            return Err("`sha256` is missing: what is fetched is checked against it".into());
        }
        let wheels = self.sources.iter().any(|source| matches!(source, Source::Wheels(_)));
        if wheels && self.size.is_none() {
            return Err("`size` is missing: what wheels unpack to is bounded by it".into());
        }
        match self.size {
            Some(0) => Err("`size` is 0".into()),
            _ => Ok(()),
        }
    }
}

fn sources(values: &[Value]) -> Result<Vec<Source>, String> {
    if values.is_empty() {
        return Err("`sources` is empty".into());
    }
    let numbered = values.iter().enumerate();
    numbered
        .map(|(n, value)| Source::parse(value).map_err(|why| format!("sources[{n}]: {why}")))
        .collect()
}

fn checksum(value: String) -> Result<String, String> {
    if value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(value.to_ascii_lowercase());
    }
    Err(format!("`sha256` {value:?} is not 64 hex digits"))
}

/// The name as a TOML key: quoted where it has to be.
fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { format!("{name:?}") }
}
