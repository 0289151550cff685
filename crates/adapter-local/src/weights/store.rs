//! Takes tensors out of a file by name, with the shape that the model must have.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::matrix::Matrix;
use crate::error::{LoadCause, LoadError};
use crate::gguf::{GgufFile, TensorInfo};

/// The tensors of a file, and which of them have been asked for.
#[derive(Debug)]
pub(crate) struct Weights {
    file: Arc<GgufFile>,
    taken: RefCell<BTreeSet<String>>,
}

impl Weights {
    pub(crate) fn new(file: Arc<GgufFile>) -> Self {
        Self { file, taken: RefCell::default() }
    }

    /// Whether the file has that tensor.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.file.tensor(name).is_some()
    }

    /// A matrix of `rows` x `columns`.
    pub(crate) fn matrix(
        &self,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<Matrix, LoadError> {
        let info = self.take(name, &[columns, rows])?;
        Ok(Matrix::new(&self.file, info.range.clone(), info.kind, rows, columns))
    }

    /// A matrix of `columns` wide rows, as many as there are.
    pub(crate) fn table(&self, name: &str, columns: usize) -> Result<Matrix, LoadError> {
        let info = self.find(name)?;
        let rows = info.shape.get(1).and_then(|rows| usize::try_from(*rows).ok()).unwrap_or(1);
        self.matrix(name, rows, columns)
    }

    /// A short list of numbers, as f32.
    pub(crate) fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, LoadError> {
        let info = self.take(name, &[len])?;
        let mut out = vec![0.0; len];
        Matrix::new(&self.file, info.range.clone(), info.kind, 1, len).expand_row(0, &mut out);
        if out.iter().any(|x| !x.is_finite()) {
            return Err(self.file.error(LoadCause::Shape {
                tensor: name.to_owned(),
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

    /// Refuses a file with a tensor that nothing asked for: computing without it would give
    /// wrong answers.
    pub(crate) fn finish(self, architecture: &str) -> Result<(), LoadError> {
        let taken = self.taken.into_inner();
        match self.file.tensors().iter().find(|tensor| !taken.contains(&tensor.name)) {
            None => Ok(()),
            Some(tensor) => Err(self.file.error(LoadCause::UnknownTensor {
                tensor: tensor.name.clone(),
                architecture: architecture.to_owned(),
            })),
        }
    }

    fn find(&self, name: &str) -> Result<&TensorInfo, LoadError> {
        let missing = || self.file.error(LoadCause::MissingTensor(name.to_owned()));
        self.file.tensor(name).ok_or_else(missing)
    }

    fn take(&self, name: &str, shape: &[usize]) -> Result<&TensorInfo, LoadError> {
        let info = self.find(name)?;
        let found = info.shape.iter().copied().rev().skip_while(|n| *n == 1).collect::<Vec<_>>();
        let wanted = shape.iter().rev().map(|n| *n as u64).skip_while(|n| *n == 1);
        if !found.into_iter().eq(wanted) {
            return Err(self.file.error(LoadCause::Shape {
                tensor: name.to_owned(),
                problem: format!("has the shape {:?} where the model needs {shape:?}", info.shape),
            }));
        }
        self.taken.borrow_mut().insert(name.to_owned());
        Ok(info)
    }
}
