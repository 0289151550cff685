//! Bytes of model files: mapped where they can be, held where they were computed.

use std::fmt;
use std::fs::File;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

use crate::error::{LoadCause, LoadError};

/// The bytes of a file: mapped, or held (what was computed, tests, fuzzing).
pub(crate) enum Bytes {
    Mapped(Mmap),
    Held(Vec<u8>),
}

impl Bytes {
    /// Maps a file; none for an empty one, which cannot be mapped.
    #[expect(unsafe_code, reason = "a memory map is how the weights stay out of our own memory")]
    pub(crate) fn map(path: &Path) -> Result<Self, LoadError> {
        let io = |error| LoadError::new(path, LoadCause::Io(error));
        let file = File::open(path).map_err(io)?;
        let about = file.metadata().map_err(io)?;
        if about.is_dir() {
            return Err(LoadError::new(path, LoadCause::Folder));
        }
        if about.len() == 0 {
            return Ok(Self::Held(Vec::new()));
        }
        // SAFETY: the map is read-only and private. As with every mapped file, another program
        // that cuts the file short while it is in use can end this process; the store never
        // changes a model in place, it replaces it.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        Ok(Self::Mapped(map))
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Held(bytes) => bytes,
        }
    }
}

/// There is no memory for so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoMemory {
    pub(crate) bytes: usize,
}

/// So many zeros, where there is memory for them.
pub(crate) fn zeros<T: Clone + Default>(count: usize) -> Result<Vec<T>, NoMemory> {
    let mut out = Vec::new();
    let bytes = count.saturating_mul(size_of::<T>());
    out.try_reserve_exact(count).map_err(|_| NoMemory { bytes })?;
    out.resize(count, T::default());
    Ok(out)
}

/// A part of some bytes; keeps all of them alive.
#[derive(Debug, Clone)]
pub(crate) struct Blob {
    bytes: Arc<Bytes>,
    range: Range<usize>,
}

impl Blob {
    /// The bytes at `range`; nothing when they are not all there.
    pub(crate) fn new(bytes: &Arc<Bytes>, range: Range<usize>) -> Option<Self> {
        bytes.get(range.clone())?;
        Some(Self { bytes: Arc::clone(bytes), range })
    }

    /// Bytes that were computed.
    pub(crate) fn held(bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        Self { bytes: Arc::new(Bytes::Held(bytes)), range }
    }

    /// The bytes.
    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.range.clone()).unwrap_or_default()
    }

    /// Lets go of the memory of mapped bytes; whoever reads them again reads the file again.
    #[expect(unsafe_code, reason = "advises the system about a read-only map")]
    pub(crate) fn let_go(&self) {
        #[cfg(unix)]
        if let Bytes::Mapped(map) = &*self.bytes {
            // SAFETY: of a private, read-only map of a file nothing can be lost: its pages come
            // back from the file.
            let advice = unsafe {
                let advice = memmap2::UncheckedAdvice::DontNeed;
                map.unchecked_advise_range(advice, self.range.start, self.range.len())
            };
            // Advice only: without it the memory stays in use until it runs short.
            drop(advice);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_keeps_its_part_and_nothing_outside() {
        let bytes = Arc::new(Bytes::Held(vec![1, 2, 3, 4]));
        let blob = Blob::new(&bytes, 1..3).unwrap();
        drop(bytes);
        assert_eq!(blob.as_slice(), [2, 3]);
        let bytes = Arc::new(Bytes::Held(vec![1, 2]));
        assert!(Blob::new(&bytes, 1..3).is_none());
        assert_eq!(Blob::held(vec![7]).as_slice(), [7]);
    }

    #[test]
    fn too_many_zeros_are_no_abort() {
        assert_eq!(zeros::<f32>(3), Ok(vec![0.0; 3]));
        assert_eq!(zeros::<f32>(1 << 58), Err(NoMemory { bytes: 1 << 60 }));
        assert_eq!(zeros::<f32>(usize::MAX), Err(NoMemory { bytes: usize::MAX }));
    }

    #[test]
    fn an_empty_file_has_no_bytes_and_a_folder_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty");
        std::fs::write(&path, b"").unwrap();
        assert!(Bytes::map(&path).unwrap().is_empty());
        let error = Bytes::map(folder.path()).unwrap_err();
        assert!(matches!(error.cause(), LoadCause::Folder));
    }
}
