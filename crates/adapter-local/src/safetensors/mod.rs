//! Safetensors files: the header parsed from a memory map, the tensors left where they are. One
//! file, or several shards with an index that says which tensor is where.
//!
//! A file comes from anywhere, so nothing in it is believed: the header's length is bounded, its
//! tensors lie inside the file, one after the other and without holes, and fill the bytes that
//! their shapes need.

mod header;
mod shards;
mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bytes::{Blob, Bytes};
use crate::checkpoint::StoredTensor;
use crate::error::{LoadCause, LoadError};
use crate::gguf::GgmlType;

pub(crate) use shards::{INDEX, Shards};
pub(crate) use write::{Planned, header as write_header, index as write_index, shard_name, split};

/// Types of numbers that can be computed with, under the names that the format gives them.
pub(crate) const DTYPES: [(&str, GgmlType); 3] =
    [("F32", GgmlType::F32), ("F16", GgmlType::F16), ("BF16", GgmlType::Bf16)];

/// One tensor of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// How its numbers are stored, as the format calls it.
    pub(crate) dtype: String,
    /// Dimensions, the one that is contiguous in memory last.
    pub(crate) shape: Vec<usize>,
    /// Where its bytes lie in the file.
    pub(crate) range: Range<usize>,
}

impl Entry {
    /// How its numbers are stored; nothing for types that cannot be computed with.
    pub(crate) fn kind(&self) -> Option<GgmlType> {
        kind_of(&self.dtype)
    }
}

fn kind_of(dtype: &str) -> Option<GgmlType> {
    DTYPES.iter().find(|(name, _)| *name == dtype).map(|(_, kind)| *kind)
}

/// A safetensors file whose header has been read and checked.
#[derive(Debug)]
pub(crate) struct SafetensorsFile {
    path: PathBuf,
    bytes: Arc<Bytes>,
    tensors: BTreeMap<String, Entry>,
}

impl SafetensorsFile {
    /// Maps the file and reads its header.
    pub(crate) fn open(path: &Path) -> Result<Self, LoadError> {
        Self::parse(path, Bytes::map(path)?)
    }

    /// Reads the header of a file held in memory; `name` stands for its path in messages.
    pub(crate) fn from_bytes(name: &Path, bytes: Vec<u8>) -> Result<Self, LoadError> {
        Self::parse(name, Bytes::Held(bytes))
    }

    /// Whether bytes look like the beginning of such a file: the header is a JSON object.
    pub(crate) fn looks_like(bytes: &[u8]) -> bool {
        bytes.get(8) == Some(&b'{')
    }

    fn parse(path: &Path, bytes: Bytes) -> Result<Self, LoadError> {
        let tensors = header::parse(&bytes).map_err(|cause| LoadError::new(path, cause))?;
        Ok(Self { path: path.to_owned(), bytes: Arc::new(bytes), tensors })
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Size of the file in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The tensors by name.
    pub(crate) fn tensors(&self) -> &BTreeMap<String, Entry> {
        &self.tensors
    }

    /// The tensor of that name.
    ///
    /// # Errors
    /// When there is none, and when nothing here computes with its numbers.
    pub(crate) fn tensor(&self, name: &str) -> Result<StoredTensor, LoadError> {
        let missing = || self.error(LoadCause::MissingTensor(name.to_owned()));
        let entry = self.tensors.get(name).ok_or_else(missing)?;
        let kind = self.kind(name)?;
        let data = Blob::new(&self.bytes, entry.range.clone()).ok_or_else(missing)?;
        Ok(StoredTensor { kind, shape: entry.shape.clone(), data })
    }

    /// How the numbers of a tensor are stored.
    ///
    /// # Errors
    /// As [`SafetensorsFile::tensor`].
    pub(crate) fn kind(&self, name: &str) -> Result<GgmlType, LoadError> {
        let missing = || self.error(LoadCause::MissingTensor(name.to_owned()));
        let entry = self.tensors.get(name).ok_or_else(missing)?;
        entry.kind().ok_or_else(|| {
            let (tensor, dtype) = (name.to_owned(), entry.dtype.clone());
            self.error(LoadCause::Dtype { tensor, dtype })
        })
    }

    /// A problem with this file.
    pub(crate) fn error(&self, cause: LoadCause) -> LoadError {
        LoadError::new(&self.path, cause)
    }
}
