//! GGUF files: the header parsed from a memory map, the tensors left where they are.
//!
//! A file comes from anywhere, so nothing in it is believed: every count is bounded, every sum is
//! checked, every tensor lies inside the file and apart from the others. Version 2 and 3, little
//! endian; everything else is refused by name.

mod header;
mod metadata;
mod reader;
mod tensor;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod writer;

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;

use crate::error::{LoadCause, LoadError};

pub(crate) use metadata::Metadata;
pub(crate) use tensor::{GgmlType, TensorInfo};

/// The bytes of a file: mapped, or held (tests and fuzzing).
#[derive(Debug)]
enum Bytes {
    Mapped(Mmap),
    Held(Vec<u8>),
}

impl std::ops::Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Held(bytes) => bytes,
        }
    }
}

/// A GGUF file whose header has been read and checked.
#[derive(Debug)]
pub(crate) struct GgufFile {
    path: PathBuf,
    bytes: Arc<Bytes>,
    version: u32,
    metadata: Metadata,
    tensors: Vec<TensorInfo>,
}

impl GgufFile {
    /// Maps the file and reads its header.
    #[expect(unsafe_code, reason = "a memory map is how the weights stay out of our own memory")]
    pub(crate) fn open(path: &Path) -> Result<Self, LoadError> {
        let io = |error| LoadError::new(path, LoadCause::Io(error));
        let file = File::open(path).map_err(io)?;
        let about = file.metadata().map_err(io)?;
        if about.is_dir() {
            return Err(LoadError::new(path, LoadCause::Folder));
        }
        if about.len() == 0 {
            return Err(LoadError::new(path, LoadCause::NotGguf { magic: Vec::new() }));
        }
        // SAFETY: the map is read-only and private. As with every mapped file, another program
        // that cuts the file short while it is in use can end this process; the store never
        // changes a model in place, it replaces it.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        Self::parse(path, Bytes::Mapped(map))
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

    /// The tensors, sorted by name.
    pub(crate) fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// The tensor of that name.
    pub(crate) fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        let at = self.tensors.binary_search_by(|tensor| tensor.name.as_str().cmp(name)).ok()?;
        self.tensors.get(at)
    }

    /// Bytes of the file; none for a range outside it, which no tensor of this file has.
    pub(crate) fn bytes_at(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// A problem with this file.
    pub(crate) fn error(&self, cause: LoadCause) -> LoadError {
        LoadError::new(&self.path, cause)
    }
}
