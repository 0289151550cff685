//! The matrices of an adapter, by the tensor that they change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::config::AdapterConfig;
use crate::bytes::{NoMemory, zeros};
use crate::checkpoint::{StoredTensor, gguf_name};
use crate::error::{LoadCause, LoadError};
use crate::quantize::expand;
use crate::safetensors::SafetensorsFile;

const FILE: &str = "adapter_model.safetensors";

/// The two matrices of one module.
#[derive(Debug)]
struct Pair {
    /// rank x inputs; for an embedding rank x vocabulary.
    a: StoredTensor,
    /// outputs x rank; for an embedding width x rank.
    b: StoredTensor,
    /// What their product is multiplied by.
    scale: f32,
    /// The product is stored the other way round: one row per token.
    embedding: bool,
    /// What the adapter was trained on, where it brings that along.
    base: Option<StoredTensor>,
}

/// The tensors of one module.
#[derive(Debug, Default)]
struct Found {
    a: Option<StoredTensor>,
    b: Option<StoredTensor>,
    base: Option<StoredTensor>,
    embedding: bool,
}

/// One adapter.
#[derive(Debug)]
pub(crate) struct Adapter {
    path: PathBuf,
    /// By the tensor's name in GGUF files.
    pairs: BTreeMap<String, Pair>,
}

impl Adapter {
    /// Opens the adapter in a folder; its matrices count `scale` times as they were trained.
    pub(crate) fn open(folder: &Path, scale: f32) -> Result<Self, LoadError> {
        let config = AdapterConfig::read(folder)?;
        let path = folder.join(FILE);
        let file = SafetensorsFile::open(&path).map_err(|error| match error.cause() {
            LoadCause::Io(io) if io.kind() == std::io::ErrorKind::NotFound => {
                LoadError::new(folder, LoadCause::NoAdapterWeights)
            }
            _ => error,
        })?;
        let mut modules: BTreeMap<String, Found> = BTreeMap::new();
        for name in file.tensors().keys() {
            let Some((module, role)) = role(name) else {
                return Err(file.error(LoadCause::Adapter(format!("the tensor {name:?}"))));
            };
            let (found, tensor) = (modules.entry(module).or_default(), Some(file.tensor(name)?));
            match role {
                Role::A => found.a = tensor,
                Role::B => found.b = tensor,
                Role::EmbeddingA => (found.a, found.embedding) = (tensor, true),
                Role::EmbeddingB => found.b = tensor,
                Role::Base => found.base = tensor,
            }
        }
        let mut pairs = BTreeMap::new();
        for (module, found) in modules {
            let tensor = gguf_name(&format!("{module}.weight"));
            let unknown = || LoadCause::Adapter(format!("the module {module:?}"));
            let tensor = tensor.ok_or_else(|| file.error(unknown()))?;
            let Found { a: Some(a), b: Some(b), base, embedding } = found else {
                let tensor = format!("{module}.lora_A or lora_B");
                return Err(file.error(LoadCause::MissingTensor(tensor)));
            };
            check_rank(&config, &module, &a, &b).map_err(|cause| file.error(cause))?;
            let scale = scale * config.scale(&module) as f32;
            pairs.insert(tensor, Pair { a, b, scale, embedding, base });
        }
        if pairs.is_empty() {
            return Err(file.error(LoadCause::Adapter("no matrices".into())));
        }
        Ok(Self { path, pairs })
    }

    /// What errors name.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The tensors that it changes.
    pub(super) fn targets(&self) -> impl Iterator<Item = &str> {
        self.pairs.keys().map(String::as_str)
    }

    /// The shape of a tensor that it can change.
    pub(super) fn shape(&self, tensor: &str) -> Option<[usize; 2]> {
        let pair = self.pairs.get(tensor)?;
        let (outputs, inputs) = (pair.b.shape.first()?, pair.a.shape.get(1)?);
        Some(if pair.embedding { [*inputs, *outputs] } else { [*outputs, *inputs] })
    }

    /// The numbers that it was trained on, where it brings them along.
    pub(super) fn base(&self, tensor: &str) -> Option<&StoredTensor> {
        self.pairs.get(tensor)?.base.as_ref()
    }

    /// Adds its delta to the rows of a tensor. `row_of` says which row of the adapter's own order
    /// a row of the tensor is.
    pub(super) fn add_to(
        &self,
        tensor: &str,
        numbers: &mut [f32],
        row_of: impl Fn(usize) -> usize + Sync,
    ) -> Result<(), NoMemory> {
        let (Some(pair), Some([_, columns])) = (self.pairs.get(tensor), self.shape(tensor)) else {
            return Ok(());
        };
        // An embedding's rows are tokens: the columns of A, each turned by all of B.
        let (left, right) = if pair.embedding {
            (transposed(&pair.a)?, transposed(&pair.b)?)
        } else {
            (expand(&pair.b)?, expand(&pair.a)?)
        };
        let rank = right.len() / columns.max(1);
        numbers.par_chunks_mut(columns).enumerate().for_each(|(row, out)| {
            let weights = &left[row_of(row) * rank..][..rank];
            for (weight, right) in weights.iter().zip(right.chunks_exact(columns)) {
                let weight = weight * pair.scale;
                out.iter_mut().zip(right).for_each(|(out, x)| *out += weight * x);
            }
        });
        Ok(())
    }
}

/// What a tensor of the file is to its module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    A,
    B,
    EmbeddingA,
    EmbeddingB,
    Base,
}

/// The module that a tensor belongs to, and its role.
fn role(name: &str) -> Option<(String, Role)> {
    let name = name.strip_prefix("base_model.model.").unwrap_or(name);
    [
        (".lora_A.weight", Role::A),
        (".lora_B.weight", Role::B),
        (".lora_embedding_A", Role::EmbeddingA),
        (".lora_embedding_B", Role::EmbeddingB),
        (".base_layer.weight", Role::Base),
    ]
    .into_iter()
    .find_map(|(ending, role)| Some((name.strip_suffix(ending)?.to_owned(), role)))
}

fn check_rank(
    config: &AdapterConfig,
    module: &str,
    a: &StoredTensor,
    b: &StoredTensor,
) -> Result<(), LoadCause> {
    let rank = config.rank(module);
    let (found_a, found_b) = (a.shape.first(), b.shape.get(1));
    if a.shape.len() == 2 && b.shape.len() == 2 && found_a == Some(&rank) && found_b == Some(&rank)
    {
        return Ok(());
    }
    Err(LoadCause::Shape {
        tensor: format!("{module}.lora_A, lora_B"),
        problem: format!("have the shapes {:?} and {:?}, not the rank {rank}", a.shape, b.shape),
    })
}

/// All numbers of a matrix, column after column.
fn transposed(tensor: &StoredTensor) -> Result<Vec<f32>, NoMemory> {
    let numbers = expand(tensor)?;
    let columns = tensor.shape.last().copied().unwrap_or(1).max(1);
    let rows = numbers.len() / columns;
    let mut out = zeros(numbers.len())?;
    for (at, out) in out.iter_mut().enumerate() {
        *out = numbers[at % rows * columns + at / rows];
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_tensor_is_to_which_module() {
        let found = role("base_model.model.model.layers.3.mlp.up_proj.lora_B.weight");
        assert_eq!(found, Some(("model.layers.3.mlp.up_proj".to_owned(), Role::B)));
        let found = role("base_model.model.model.embed_tokens.lora_embedding_A");
        assert_eq!(found, Some(("model.embed_tokens".to_owned(), Role::EmbeddingA)));
        assert_eq!(role("base_model.model.lm_head.weight"), None);
        assert_eq!(role("base_model.model.score.modules_to_save.weight"), None);
    }
}
