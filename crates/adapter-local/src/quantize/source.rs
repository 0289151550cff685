//! A model's tensors in other storage types, made when they are asked for.

use std::path::Path;
use std::sync::Arc;

use ports::Error;

use super::pieces::{check, each_piece};
use super::{Scheme, encode, expand};
use crate::bytes::{Blob, NoMemory};
use crate::checkpoint::{StoredTensor, TensorFacts, TensorSource};
use crate::error::{LoadCause, LoadError};

/// The tensors of `source`, stored as `scheme` says.
#[derive(Debug)]
pub(crate) struct Quantized {
    source: Arc<dyn TensorSource>,
    scheme: Scheme,
    layers: usize,
    tied: bool,
}

impl Quantized {
    /// Refuses what is quantized already into other types: its numbers have been rounded once, and
    /// a second time would lose more than the name of the result promises.
    pub(crate) fn new(
        source: Arc<dyn TensorSource>,
        scheme: Scheme,
        layers: usize,
    ) -> Result<Self, LoadError> {
        let tied = source.facts("output.weight").is_none();
        let quantized = Self { source, scheme, layers, tied };
        for name in quantized.source.names() {
            let Some(facts) = quantized.source.facts(name) else { continue };
            if facts.kind.block().0 > 1 && quantized.kind(name, &facts) != facts.kind {
                let (path, tensor) = quantized.source.shown(name);
                let (kind, wanted) = (facts.kind.as_str(), scheme.to_string());
                let cause = LoadCause::QuantizedAlready { tensor, kind, wanted };
                return Err(LoadError::new(path, cause));
            }
        }
        Ok(quantized)
    }

    /// Hands out the bytes of a tensor piece by piece.
    pub(crate) fn each_piece(
        &self,
        name: &str,
        take: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let tensor = self.source.tensor(name)?;
        let facts = TensorFacts { kind: tensor.kind, shape: tensor.shape.clone() };
        let (path, shown) = self.shown(name);
        each_piece((path, &shown), &tensor, self.kind(name, &facts), take)
    }

    fn kind(&self, name: &str, facts: &TensorFacts) -> crate::gguf::GgmlType {
        self.scheme.kind(name, &facts.shape, self.layers, self.tied)
    }
}

impl TensorSource for Quantized {
    fn shown(&self, name: &str) -> (&Path, String) {
        self.source.shown(name)
    }

    fn path(&self) -> &Path {
        self.source.path()
    }

    fn names(&self) -> Vec<&str> {
        self.source.names()
    }

    fn facts(&self, name: &str) -> Option<TensorFacts> {
        let facts = self.source.facts(name)?;
        Some(TensorFacts { kind: self.kind(name, &facts), ..facts })
    }

    fn tensor(&self, name: &str) -> Result<StoredTensor, LoadError> {
        let tensor = self.source.tensor(name)?;
        let facts = TensorFacts { kind: tensor.kind, shape: tensor.shape.clone() };
        let kind = self.kind(name, &facts);
        if kind == tensor.kind {
            return Ok(tensor);
        }
        let no_memory = |NoMemory { bytes }| {
            let (path, tensor) = self.shown(name);
            LoadError::new(path, LoadCause::OutOfMemory { tensor, bytes })
        };
        let numbers = expand(&tensor).map_err(no_memory)?;
        let (path, shown) = self.shown(name);
        check((path, &shown), &numbers, kind)?;
        let data = Blob::held(encode(kind, &numbers).map_err(no_memory)?);
        Ok(StoredTensor { kind, shape: tensor.shape, data })
    }
}
