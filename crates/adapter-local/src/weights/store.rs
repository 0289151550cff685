//! Takes tensors out of a checkpoint by name, with the shape that the model must have.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use kernels::{Isa, Pool};

use super::matrix::Matrix;
use super::prepared::Prepared;
use crate::bytes::NoMemory;
use crate::checkpoint::{StoredTensor, TensorSource};
use crate::error::{LoadCause, LoadError};

/// The tensors of a checkpoint, and which of them have been asked for.
#[derive(Debug)]
pub(crate) struct Weights<'a> {
    source: Arc<dyn TensorSource>,
    taken: RefCell<BTreeSet<String>>,
    /// What matrices are prepared with; without it they are only checked.
    prepare: Option<(&'a Pool, Isa)>,
}

impl<'a> Weights<'a> {
    pub(crate) fn new(source: Arc<dyn TensorSource>) -> Self {
        Self { source, taken: RefCell::default(), prepare: None }
    }

    /// Matrices are prepared for these kernels, on the threads of the pool.
    pub(crate) fn prepare(self, pool: &'a Pool, isa: Isa) -> Self {
        Self { prepare: Some((pool, isa)), ..self }
    }

    /// Whether the checkpoint has that tensor.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.source.facts(name).is_some()
    }

    /// A matrix of `rows` x `columns`.
    pub(crate) fn matrix(
        &self,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<Prepared, LoadError> {
        let Some((pool, isa)) = self.prepare else {
            self.take(name, &[rows, columns])?;
            return Ok(Prepared::Facts { rows });
        };
        let tensor = self.stored(name, rows, columns)?;
        let matrix = Matrix::new(tensor.data, tensor.kind, rows, columns);
        let prepared = Prepared::new(&matrix, pool, isa);
        prepared.map_err(|NoMemory { bytes }| {
            self.error(name, |tensor| LoadCause::OutOfMemory { tensor, bytes })
        })
    }

    /// The same, as it is stored.
    pub(crate) fn stored(
        &self,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<StoredTensor, LoadError> {
        self.take(name, &[rows, columns])?;
        self.source.tensor(name)
    }

    /// How many rows a matrix has.
    pub(crate) fn rows(&self, name: &str) -> Result<usize, LoadError> {
        let missing = || self.error(name, LoadCause::MissingTensor);
        let shape = self.source.facts(name).ok_or_else(missing)?.shape;
        Ok(shape.len().checked_sub(2).map_or(1, |at| shape[at]))
    }

    /// A table of `columns` wide rows, as many as there are. Where it is not multiplied as well, it
    /// stays as it is stored.
    pub(crate) fn table(
        &self,
        name: &str,
        columns: usize,
        multiplied: bool,
    ) -> Result<Prepared, LoadError> {
        let rows = self.rows(name)?;
        if multiplied || self.prepare.is_none() {
            return self.matrix(name, rows, columns);
        }
        let tensor = self.stored(name, rows, columns)?;
        Ok(Prepared::Stored(Matrix::new(tensor.data, tensor.kind, rows, columns)))
    }

    /// Bytes that a tensor takes as it is stored.
    pub(crate) fn bytes(&self, name: &str) -> usize {
        let facts = self.source.facts(name);
        facts.and_then(|facts| facts.kind.row_bytes(facts.shape.iter().product())).unwrap_or(0)
    }

    /// A short list of numbers, as f32.
    pub(crate) fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, LoadError> {
        self.take(name, &[len])?;
        let tensor = self.source.tensor(name)?;
        let mut out = vec![0.0; len];
        Matrix::new(tensor.data, tensor.kind, 1, len).expand_row(0, &mut out);
        if out.iter().any(|x| !x.is_finite()) {
            return Err(self.error(name, |tensor| LoadCause::Shape {
                tensor,
                problem: "has a value that is not a finite number".into(),
            }));
        }
        Ok(out)
    }

    /// The same, where the tensor may be absent.
    pub(crate) fn vector_if_any(
        &self,
        name: &str,
        len: usize,
    ) -> Result<Option<Vec<f32>>, LoadError> {
        self.has(name).then(|| self.vector(name, len)).transpose()
    }

    /// Refuses a checkpoint with a tensor that nothing asked for: computing without it would give
    /// wrong answers.
    pub(crate) fn finish(self, architecture: &str) -> Result<(), LoadError> {
        let taken = self.taken.borrow();
        match self.source.names().into_iter().find(|name| !taken.contains(*name)) {
            None => Ok(()),
            Some(name) => Err(self.error(name, |tensor| LoadCause::UnknownTensor {
                tensor,
                architecture: architecture.to_owned(),
            })),
        }
    }

    /// A problem with a tensor, under the name that its file gives it.
    pub(crate) fn error(&self, name: &str, cause: impl FnOnce(String) -> LoadCause) -> LoadError {
        let (path, tensor) = self.source.shown(name);
        LoadError::new(path, cause(tensor))
    }

    /// Marks a tensor as asked for, if it has that shape; ones before or after do not count.
    fn take(&self, name: &str, shape: &[usize]) -> Result<(), LoadError> {
        let missing = || self.error(name, LoadCause::MissingTensor);
        let found = self.source.facts(name).ok_or_else(missing)?.shape;
        if !without_ones(&found).eq(without_ones(shape)) {
            return Err(self.error(name, |tensor| LoadCause::Shape {
                tensor,
                problem: format!("has the shape {found:?} where the model needs {shape:?}"),
            }));
        }
        self.taken.borrow_mut().insert(name.to_owned());
        Ok(())
    }
}

/// A shape without leading ones.
fn without_ones(shape: &[usize]) -> impl Iterator<Item = &usize> {
    shape.iter().skip_while(|n| **n == 1)
}
