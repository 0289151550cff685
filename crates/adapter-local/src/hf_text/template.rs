//! Which chat template counts.

use std::path::Path;

use serde::Deserialize;

use super::{TextCause, TextError, read};

const FILE: &str = "chat_template.jinja";
const OLD_FILE: &str = "chat_template.json";
const CONFIG: &str = "tokenizer_config.json";
const DEFAULT: &str = "default";

/// A template, or several by name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum TemplateJson {
    One(String),
    Several(Vec<Named>),
}

/// A template with a name, e.g. `default` or `tool_use`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Named {
    name: String,
    template: String,
}

#[derive(Debug, Deserialize)]
struct OldFile {
    chat_template: Option<TemplateJson>,
}

/// The template of a folder.
#[derive(Debug, Clone)]
pub(super) struct Template {
    json: Option<TemplateJson>,
    /// Where it comes from.
    file: &'static str,
}

impl Template {
    /// As transformers chooses: the file of its own, then the tokenizer's configuration. The older
    /// `chat_template.json` belongs to processors, so it only counts where the tokenizer has none.
    pub(super) fn read(folder: &Path, config: Option<TemplateJson>) -> Result<Self, TextError> {
        if let Some(text) = read::text(&folder.join(FILE))? {
            return Ok(Self { json: Some(TemplateJson::One(text)), file: FILE });
        }
        if config.is_some() {
            return Ok(Self { json: config, file: CONFIG });
        }
        let old: Option<OldFile> = read::json(&folder.join(OLD_FILE), read::LARGEST)?;
        Ok(Self { json: old.and_then(|old| old.chat_template), file: OLD_FILE })
    }

    /// The default one of several, the only one, or none.
    pub(super) fn source(&self, folder: &Path) -> Result<Option<&str>, TextError> {
        let named = match &self.json {
            None => return Ok(None),
            Some(TemplateJson::One(source)) => return Ok(Some(source)),
            Some(TemplateJson::Several(named)) => named,
        };
        if let Some(default) = named.iter().find(|template| template.name == DEFAULT) {
            return Ok(Some(&default.template));
        }
        let names: Vec<String> =
            named.iter().map(|template| format!("{:?}", template.name)).collect();
        let cause = TextCause::NoDefaultTemplate(names.join(", "));
        Err(TextError::new(&folder.join(self.file), cause))
    }
}
