//! Tensors by name, wherever they come from.

use std::fmt;
use std::path::Path;

use crate::bytes::Blob;
use crate::error::LoadError;
use crate::gguf::GgmlType;

/// A tensor's numbers as they are stored.
#[derive(Debug, Clone)]
pub(crate) struct StoredTensor {
    /// How its numbers are stored.
    pub(crate) kind: GgmlType,
    /// Dimensions, the one that is contiguous in memory last: `[rows, columns]`.
    pub(crate) shape: Vec<usize>,
    /// Row after row of whole blocks.
    pub(crate) data: Blob,
}

/// What is known of a tensor before its numbers are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TensorFacts {
    /// How its numbers are stored.
    pub(crate) kind: GgmlType,
    /// Dimensions, the one that is contiguous in memory last.
    pub(crate) shape: Vec<usize>,
}

/// The tensors of a model under the names that GGUF files give them (`blk.0.attn_q.weight`),
/// whatever their files call them.
///
/// A source may stand around another and change what it gives: merged adapters, other storage
/// types. Nothing is computed before a tensor is asked for.
pub(crate) trait TensorSource: fmt::Debug + Send + Sync {
    /// What errors name.
    fn path(&self) -> &Path;

    /// All names, sorted.
    fn names(&self) -> Vec<&str>;

    /// What is known of the tensor of that name.
    fn facts(&self, name: &str) -> Option<TensorFacts>;

    /// The tensor of that name. Reading a file maps it; a source that computes does so now.
    ///
    /// # Errors
    /// When there is none, and what keeps it from being read or computed.
    fn tensor(&self, name: &str) -> Result<StoredTensor, LoadError>;

    /// The file that errors about a tensor name, and what the tensor is called there.
    fn shown(&self, name: &str) -> (&Path, String) {
        (self.path(), name.to_owned())
    }
}
