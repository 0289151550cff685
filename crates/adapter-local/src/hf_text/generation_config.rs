//! `generation_config.json`: which tokens end an answer, and how the model wants to be sampled.

use std::path::Path;

use serde::Deserialize;

use super::{TextError, read};

/// One id or several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Ids {
    One(i64),
    Several(Vec<i64>),
}

impl Ids {
    /// Some files say -1 for none.
    fn valid(&self) -> impl Iterator<Item = u32> {
        let ids = match self {
            Self::One(id) => std::slice::from_ref(id),
            Self::Several(ids) => ids,
        };
        ids.iter().filter_map(|id| u32::try_from(*id).ok())
    }
}

/// What the model's makers recommend. The names are those of the file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct GenerationConfig {
    bos_token_id: Option<Ids>,
    eos_token_id: Option<Ids>,
    pub(crate) do_sample: Option<bool>,
    pub(crate) temperature: Option<f32>,
    /// 0 and less keep all.
    pub(crate) top_k: Option<i64>,
    pub(crate) top_p: Option<f32>,
    pub(crate) min_p: Option<f32>,
    pub(crate) repetition_penalty: Option<f32>,
}

/// What `config.json` says of tokens; multimodal models keep it one level down.
#[derive(Debug, Default, Deserialize)]
struct ModelConfig {
    bos_token_id: Option<Ids>,
    eos_token_id: Option<Ids>,
    text_config: Option<Box<ModelConfig>>,
}

impl GenerationConfig {
    pub(super) fn read(folder: &Path) -> Result<Self, TextError> {
        if let Some(config) = read::json(&folder.join("generation_config.json"), read::LARGEST)? {
            return Ok(config);
        }
        let config: ModelConfig =
            read::json(&folder.join("config.json"), read::LARGEST)?.unwrap_or_default();
        let inner = config.text_config.map(|inner| *inner).unwrap_or_default();
        Ok(Self {
            bos_token_id: config.bos_token_id.or(inner.bos_token_id),
            eos_token_id: config.eos_token_id.or(inner.eos_token_id),
            ..Self::default()
        })
    }

    /// The tokens that end an answer.
    pub(crate) fn eos(&self) -> impl Iterator<Item = u32> {
        self.eos_token_id.iter().flat_map(Ids::valid)
    }

    /// The token that begins a text.
    pub(crate) fn bos(&self) -> Option<u32> {
        self.bos_token_id.iter().flat_map(Ids::valid).next()
    }
}
