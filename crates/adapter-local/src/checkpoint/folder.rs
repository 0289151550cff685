//! The weights of a model folder as a source of tensors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::config::HfConfig;
use super::names::{gguf_name, hf_name, is_idle};
use super::tensor::{StoredTensor, TensorFacts, TensorSource};
use crate::error::{LoadCause, LoadError};
use crate::safetensors::Shards;

const EMBEDDING: &str = "token_embd.weight";
const OUTPUT: &str = "output.weight";

/// Safetensors files under the names of GGUF files.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    shards: Shards,
    /// What the files call each tensor.
    names: BTreeMap<String, String>,
}

impl Folder {
    /// Opens the weights in `path` and checks that they are those of the config, by name.
    pub(super) fn open(path: &Path, config: &HfConfig) -> Result<Self, LoadError> {
        Self::of(path, Shards::open(path)?, config)
    }

    fn of(path: &Path, shards: Shards, config: &HfConfig) -> Result<Self, LoadError> {
        let mut names = BTreeMap::new();
        for hf in shards.names().filter(|name| !is_idle(name)) {
            if let Some((file, _)) = shards.get(hf) {
                file.kind(hf)?;
            }
            let known = if config.family().single {
                Some(hf.to_owned())
            } else {
                gguf_name(hf).filter(|name| bias_fits(name, config))
            };
            let unknown = || LoadCause::UnknownTensor {
                tensor: hf.to_owned(),
                architecture: config.family().name.to_owned(),
            };
            names.insert(known.ok_or_else(|| LoadError::new(path, unknown()))?, hf.to_owned());
        }
        let mut folder = Self { path: path.to_owned(), shards, names };
        folder.tie(config.tied()?)?;
        folder.check_biases(config)?;
        Ok(folder)
    }

    /// Makes output and embedding one where they are. Where both are there, both are used, as
    /// transformers does it.
    fn tie(&mut self, tied: Option<bool>) -> Result<(), LoadError> {
        match (self.names.contains_key(EMBEDDING), self.names.get(OUTPUT).cloned()) {
            (true, None) if tied == Some(false) => Err(self.missing(OUTPUT)),
            (false, Some(output)) if tied == Some(true) => {
                self.names.remove(OUTPUT);
                self.names.insert(EMBEDDING.to_owned(), output);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Biases that the config promises and decoders would not miss.
    fn check_biases(&self, config: &HfConfig) -> Result<(), LoadError> {
        let family = config.family();
        if !config.attention_bias()? || family.qkv_bias || family.single {
            return Ok(());
        }
        let layers = config.parameters()?.layers;
        let missing = (0..layers)
            .flat_map(|layer| {
                ["attn_q", "attn_output"].map(|part| format!("blk.{layer}.{part}.bias"))
            })
            .find(|name| !self.names.contains_key(name));
        missing.map_or(Ok(()), |name| Err(self.missing(&name)))
    }

    fn missing(&self, name: &str) -> LoadError {
        LoadError::new(&self.path, LoadCause::MissingTensor(self.shown(name).1))
    }
}

/// Whether a model of this config has the tensor, if it is a bias. Others would be computed with
/// here, but not by transformers.
fn bias_fits(name: &str, config: &HfConfig) -> bool {
    let Some(stem) = name.strip_suffix(".bias") else { return true };
    let qkv = ["attn_q", "attn_k", "attn_v"].iter().any(|part| stem.ends_with(part));
    let all = config.attention_bias().unwrap_or(false) && !config.family().qkv_bias;
    (qkv && config.family().qkv_bias) || (all && (qkv || stem.ends_with("attn_output")))
}

impl TensorSource for Folder {
    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Vec<&str> {
        self.names.keys().map(String::as_str).collect()
    }

    fn facts(&self, name: &str) -> Option<TensorFacts> {
        let (_, entry) = self.shards.get(self.names.get(name)?)?;
        // What cannot be computed with is refused when the folder is opened.
        Some(TensorFacts { kind: entry.kind()?, shape: entry.shape.clone() })
    }

    fn tensor(&self, name: &str) -> Result<StoredTensor, LoadError> {
        let hf = self.names.get(name).ok_or_else(|| self.missing(name))?;
        let (file, _) = self.shards.get(hf).ok_or_else(|| self.missing(name))?;
        file.tensor(hf)
    }

    fn shown(&self, name: &str) -> (&Path, String) {
        let Some(hf) = self.names.get(name) else {
            return (&self.path, hf_name(name).unwrap_or_else(|| name.to_owned()));
        };
        (self.shards.get(hf).map_or(&self.path, |(file, _)| file.path()), hf.clone())
    }
}
