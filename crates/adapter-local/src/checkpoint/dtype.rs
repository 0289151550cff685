//! Another storage type for the matrices of a model, chosen when it is loaded.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use half::{bf16, f16};
use ports::{Error, ErrorKind};
use rayon::prelude::*;

use super::tensor::{StoredTensor, TensorFacts, TensorSource};
use crate::bytes::{Blob, NoMemory, zeros};
use crate::error::{LoadCause, LoadError};
use crate::gguf::GgmlType;
use crate::weights::Matrix;

/// How the numbers of matrices are kept. Short lists (norms, biases) are computed with in f32
/// however they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dtype {
    F32,
    F16,
    Bf16,
}

/// All of them, by the words of the setting `dtype`.
const WORDS: [(&str, Dtype); 3] = [("f32", Dtype::F32), ("f16", Dtype::F16), ("bf16", Dtype::Bf16)];

impl Dtype {
    pub(crate) fn kind(self) -> GgmlType {
        match self {
            Self::F32 => GgmlType::F32,
            Self::F16 => GgmlType::F16,
            Self::Bf16 => GgmlType::Bf16,
        }
    }

    /// Writes a number; false for one that this type has no room for.
    fn put(self, number: f32, out: &mut [u8]) -> bool {
        match self {
            Self::F32 => out.copy_from_slice(&number.to_le_bytes()),
            Self::F16 => {
                let short = f16::from_f32(number);
                out.copy_from_slice(&short.to_le_bytes());
                return short.is_finite();
            }
            Self::Bf16 => {
                let short = bf16::from_f32(number);
                out.copy_from_slice(&short.to_le_bytes());
                return short.is_finite();
            }
        }
        number.is_finite()
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = WORDS.iter().find(|(_, dtype)| dtype == self).map(|(word, _)| *word);
        f.write_str(word.unwrap_or_default())
    }
}

impl FromStr for Dtype {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        let found = WORDS.iter().find(|(known, _)| *known == word).map(|(_, dtype)| *dtype);
        found.ok_or_else(|| {
            Error::new(ErrorKind::ConfigInvalid, format!("there is no dtype {word:?}"))
                .with_hint(format!("known dtypes: {}", WORDS.map(|(word, _)| word).join(", ")))
        })
    }
}

/// A source whose matrices are stored in another type. Those that are stored so already are left
/// where they are; the others are computed when they are asked for, and held.
#[derive(Debug)]
pub(crate) struct Converted {
    inner: Arc<dyn TensorSource>,
    dtype: Dtype,
    /// Tied models ask for it twice.
    embedding: OnceLock<StoredTensor>,
}

const EMBEDDING: &str = "token_embd.weight";

impl Converted {
    pub(crate) fn new(inner: Arc<dyn TensorSource>, dtype: Dtype) -> Self {
        Self { inner, dtype, embedding: OnceLock::new() }
    }

    fn convert(&self, name: &str, stored: StoredTensor) -> Result<StoredTensor, LoadError> {
        let (path, tensor) = self.inner.shown(name);
        let StoredTensor { kind, shape, data } = stored;
        let columns = shape.last().copied().unwrap_or(1).max(1);
        let rows = shape.iter().rev().skip(1).product::<usize>();
        let (dtype, size) = (self.dtype, self.dtype.kind().block().1);
        // Cannot overflow: the numbers are in memory or in a file already.
        let mut out = match zeros::<u8>(rows * columns * size) {
            Ok(out) => out,
            Err(NoMemory { bytes }) => {
                return Err(LoadError::new(path, LoadCause::OutOfMemory { tensor, bytes }));
            }
        };
        let matrix = Matrix::new(data, kind, rows, columns);
        let bad = out.par_chunks_mut(columns * size).enumerate().find_map_any(|(row, out)| {
            let mut numbers = vec![0.0; columns];
            matrix.expand_row(row, &mut numbers);
            let pairs = numbers.iter().zip(out.chunks_exact_mut(size));
            pairs.map(|(number, out)| (*number, dtype.put(*number, out))).find(|(_, fits)| !fits)
        });
        if let Some((number, _)) = bad {
            let problem = format!("has the value {number}, which is no finite {dtype} number");
            return Err(LoadError::new(path, LoadCause::Shape { tensor, problem }));
        }
        Ok(StoredTensor { kind: dtype.kind(), shape, data: Blob::held(out) })
    }
}

/// Whether it is no short list of numbers.
pub(super) fn is_matrix(facts: &TensorFacts) -> bool {
    facts.shape.iter().filter(|n| **n > 1).count() > 1
}

impl TensorSource for Converted {
    fn path(&self) -> &Path {
        self.inner.path()
    }

    fn names(&self) -> Vec<&str> {
        self.inner.names()
    }

    fn facts(&self, name: &str) -> Option<TensorFacts> {
        let facts = self.inner.facts(name)?;
        let kind = if is_matrix(&facts) { self.dtype.kind() } else { facts.kind };
        Some(TensorFacts { kind, ..facts })
    }

    fn tensor(&self, name: &str) -> Result<StoredTensor, LoadError> {
        let stored = self.inner.tensor(name)?;
        if self.facts(name).is_none_or(|facts| facts.kind == stored.kind) {
            return Ok(stored);
        }
        if name != EMBEDDING {
            return self.convert(name, stored);
        }
        if let Some(known) = self.embedding.get() {
            return Ok(known.clone());
        }
        let converted = self.convert(name, stored)?;
        Ok(self.embedding.get_or_init(|| converted).clone())
    }

    fn shown(&self, name: &str) -> (&Path, String) {
        self.inner.shown(name)
    }
}
