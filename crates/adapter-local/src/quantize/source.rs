//! A model's tensors in other storage types, made when they are asked for.

use std::path::Path;
use std::sync::Arc;

use super::{Scheme, encode, expand};
use crate::bytes::Blob;
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
        let numbers = expand(&tensor);
        if numbers.iter().any(|x| !x.is_finite()) {
            let problem = "has a value that is not a finite number".into();
            let (path, tensor) = self.shown(name);
            return Err(LoadError::new(path, LoadCause::Shape { tensor, problem }));
        }
        let data = Blob::held(encode(kind, &numbers));
        Ok(StoredTensor { kind, shape: tensor.shape, data })
    }
}
