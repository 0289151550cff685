//! The texts of a model folder as the Hugging Face Hub has them: tokenizer, chat template and
//! generation defaults. Weights and `config.json`'s numbers are not read here.
//!
//! | file | what is taken from it |
//! |---|---|
//! | `tokenizer.json` | the tokenizer; the only one that must be there |
//! | `tokenizer_config.json` | roles of tokens, added tokens, whether texts begin with BOS, chat template |
//! | `special_tokens_map.json` | roles that `tokenizer_config.json` leaves open |
//! | `chat_template.jinja` | the chat template, before all others |
//! | `chat_template.json` | the chat template where nothing else has one |
//! | `generation_config.json` | the tokens that end an answer, sampling defaults |
//! | `config.json` | the tokens with a role, where there is no `generation_config.json` |

mod error;
mod generation_config;
mod read;
mod template;
mod tokenizer_config;
mod tokenizer_json;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub(crate) use error::{TextCause, TextError};
pub(crate) use generation_config::GenerationConfig;
pub(crate) use tokenizer_config::TokenizerConfig;
pub(crate) use tokenizer_json::{AddedToken, BpeJson, MergeJson, TokenizerJson};

use template::Template;

const TOKENIZER: &str = "tokenizer.json";

/// The texts of one folder. The tokenizer is read when it is asked for and not kept.
#[derive(Debug, Clone)]
pub(crate) struct HfText {
    folder: PathBuf,
    config: TokenizerConfig,
    generation: GenerationConfig,
    template: Template,
}

impl HfText {
    /// Reads everything but the tokenizer.
    pub(crate) fn read(folder: &Path) -> Result<Self, TextError> {
        let mut config = TokenizerConfig::read(folder)?;
        let template = Template::read(folder, config.take_chat_template())?;
        let generation = GenerationConfig::read(folder)?;
        Ok(Self { folder: folder.to_owned(), config, generation, template })
    }

    /// What `tokenizer_config.json` says.
    pub(crate) fn config(&self) -> &TokenizerConfig {
        &self.config
    }

    /// What `generation_config.json` says.
    pub(crate) fn generation(&self) -> &GenerationConfig {
        &self.generation
    }

    /// The source of the chat template, where there is one.
    pub(crate) fn template(&self) -> Result<Option<&str>, TextError> {
        self.template.source(&self.folder)
    }

    /// Reads the tokenizer and makes something of it.
    pub(crate) fn with_tokenizer<T>(
        &self,
        make: impl FnOnce(TokenizerJson) -> Result<T, crate::tokenizer::TokenizerError>,
    ) -> Result<T, TextError> {
        let path = self.folder.join(TOKENIZER);
        let Some(json) = read::json(&path, read::LARGEST_TOKENIZER)? else {
            return Err(TextError::new(&path, TextCause::NoTokenizer));
        };
        make(json).map_err(|error| TextError::new(&path, TextCause::Tokenizer(error)))
    }
}
