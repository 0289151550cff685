//! GGUF files: the header parsed from a memory map, the tensors left where they are.
//!
//! A file comes from anywhere, so nothing in it is believed: every count is bounded, every sum is
//! checked, every tensor lies inside the file and apart from the others. Version 2 and 3, little
//! endian; everything else is refused by name.

mod header;
mod metadata;
mod reader;
mod tensor;
mod write;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod writer;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bytes::{Blob, Bytes};
use crate::error::{LoadCause, LoadError};

pub(crate) use metadata::Metadata;
pub(crate) use tensor::{GgmlType, TensorInfo};
pub(crate) use write::{WriteTensor, WriteValue, header as write_header, padding as write_padding};

/// A GGUF file whose header has been read and checked.
#[derive(Debug)]
pub(crate) struct GgufFile {
    path: PathBuf,
    bytes: Arc<Bytes>,
    version: u32,
    metadata: Metadata,
    raw: BTreeMap<String, Range<usize>>,
    tensors: Vec<TensorInfo>,
}

impl GgufFile {
    /// Maps the file and reads its header.
    pub(crate) fn open(path: &Path) -> Result<Self, LoadError> {
        let bytes = Bytes::map(path)?;
        if bytes.is_empty() {
            return Err(LoadError::new(path, LoadCause::NotGguf { magic: Vec::new() }));
        }
        Self::parse(path, bytes)
    }

    /// Reads the header of a file held in memory; `name` stands for its path in messages.
    pub(crate) fn from_bytes(name: &Path, bytes: Vec<u8>) -> Result<Self, LoadError> {
        Self::parse(name, Bytes::Held(bytes))
    }

    fn parse(path: &Path, bytes: Bytes) -> Result<Self, LoadError> {
        let bytes = Arc::new(bytes);
        let header = header::parse(&bytes).map_err(|cause| LoadError::new(path, cause))?;
        Ok(Self {
            path: path.to_owned(),
            version: header.version,
            metadata: Metadata::new(Arc::clone(&bytes), header.entries),
            raw: header.raw,
            tensors: header.tensors,
            bytes,
        })
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Size of the file in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Version of the format.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    /// What the file says of itself.
    pub(crate) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Every entry of the metadata as it lies in the file: key, type number and value.
    pub(crate) fn raw_entries(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let bytes = |range: &Range<usize>| self.bytes.get(range.clone()).unwrap_or_default();
        self.raw.iter().map(move |(key, range)| (key.as_str(), bytes(range)))
    }

    /// The tensors, sorted by name.
    pub(crate) fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// The tensor of that name.
    pub(crate) fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        let at = self.tensors.binary_search_by(|tensor| tensor.name.as_str().cmp(name)).ok()?;
        self.tensors.get(at)
    }

    /// A part of the file; nothing for a range outside it, which no tensor of this file has.
    pub(crate) fn blob(&self, range: Range<usize>) -> Option<Blob> {
        Blob::new(&self.bytes, range)
    }

    /// A problem with this file.
    pub(crate) fn error(&self, cause: LoadCause) -> LoadError {
        LoadError::new(&self.path, cause)
    }
}
