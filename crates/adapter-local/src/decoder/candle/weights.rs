//! Weights on a device, multiplied in the form they are stored in.

use std::borrow::Cow;
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{DType, Device, Module, Result, Tensor};

use super::{in_one_line, is_out_of_memory};
use crate::checkpoint::StoredTensor;
use crate::error::{LoadCause, LoadError};
use crate::gguf::GgmlType;
use crate::weights::{AlignedBytes, Weights};

/// What the numbers of a matrix are kept as.
enum Kind {
    Plain(DType),
    Blocks(GgmlDType),
}

impl From<GgmlType> for Kind {
    fn from(kind: GgmlType) -> Self {
        match kind {
            GgmlType::F32 => Self::Plain(DType::F32),
            GgmlType::F16 => Self::Plain(DType::F16),
            GgmlType::Bf16 => Self::Plain(DType::BF16),
            GgmlType::Q4_0 => Self::Blocks(GgmlDType::Q4_0),
            GgmlType::Q4_1 => Self::Blocks(GgmlDType::Q4_1),
            GgmlType::Q5_0 => Self::Blocks(GgmlDType::Q5_0),
            GgmlType::Q5_1 => Self::Blocks(GgmlDType::Q5_1),
            GgmlType::Q8_0 => Self::Blocks(GgmlDType::Q8_0),
            GgmlType::Q2K => Self::Blocks(GgmlDType::Q2K),
            GgmlType::Q3K => Self::Blocks(GgmlDType::Q3K),
            GgmlType::Q4K => Self::Blocks(GgmlDType::Q4K),
            GgmlType::Q5K => Self::Blocks(GgmlDType::Q5K),
            GgmlType::Q6K => Self::Blocks(GgmlDType::Q6K),
            GgmlType::Q8K => Self::Blocks(GgmlDType::Q8K),
        }
    }
}

/// A matrix on a device; a clone shares it.
#[derive(Debug, Clone)]
pub(super) enum Matrix {
    /// Rows x columns, in the type that products are computed in.
    Plain(Tensor),
    Quantized(Arc<QTensor>),
}

impl Matrix {
    fn new(device: &Device, stored: &StoredTensor, shape: (usize, usize)) -> Result<Self> {
        let bytes = stored.data.as_slice();
        match Kind::from(stored.kind) {
            Kind::Plain(dtype) => {
                let tensor = Tensor::from_raw_buffer(bytes, dtype, &[shape.0, shape.1], device)?;
                // The processor multiplies short numbers slowly, and sums them in short.
                let dtype = if device.is_cpu() { DType::F32 } else { dtype };
                Ok(Self::Plain(tensor.to_dtype(dtype)?))
            }
            Kind::Blocks(dtype) => {
                let storage = if bytes.as_ptr().addr().is_multiple_of(align_of::<u64>()) {
                    QStorage::from_data(Cow::Borrowed(bytes), device, dtype)?
                } else {
                    let copy = AlignedBytes::copy_of(bytes);
                    QStorage::from_data(Cow::Borrowed(copy.as_bytes()), device, dtype)?
                };
                Ok(Self::Quantized(Arc::new(QTensor::new(storage, shape)?)))
            }
        }
    }

    /// Some rows, in f32.
    pub(super) fn expand(&self, rows: &Tensor) -> Result<Tensor> {
        match self {
            Self::Plain(tensor) => tensor.index_select(rows, 0)?.to_dtype(DType::F32),
            Self::Quantized(tensor) => tensor.embedding(rows),
        }
    }

    /// Every row times every row of `inputs`, both in f32.
    fn multiply(&self, inputs: &Tensor) -> Result<Tensor> {
        match self {
            Self::Plain(tensor) => {
                let inputs = inputs.to_dtype(tensor.dtype())?;
                inputs.matmul(&tensor.t()?)?.to_dtype(DType::F32)
            }
            // Not through `QMatMul::from_arc`, which listens to environment variables.
            Self::Quantized(tensor) => {
                QMatMul::QTensor(Arc::clone(tensor)).forward(&inputs.contiguous()?)
            }
        }
    }
}

/// Matrices that read the same input; their outputs lie one after the other.
#[derive(Debug)]
pub(super) struct Projection {
    parts: Vec<Matrix>,
    bias: Option<Tensor>,
}

impl Projection {
    pub(super) fn new(matrix: Matrix) -> Self {
        Self { parts: vec![matrix], bias: None }
    }

    pub(super) fn apply(&self, inputs: &Tensor) -> Result<Tensor> {
        let parts = self.parts.iter().map(|part| part.multiply(inputs));
        let parts = parts.collect::<Result<Vec<_>>>()?;
        let out = match parts.as_slice() {
            [only] => only.clone(),
            parts => Tensor::cat(parts, 1)?,
        };
        match &self.bias {
            Some(bias) => out.broadcast_add(bias),
            None => Ok(out),
        }
    }
}

/// Takes weights out of a checkpoint to a device.
#[derive(Debug)]
pub(super) struct Loader<'a> {
    pub(super) device: &'a Device,
    pub(super) weights: &'a Weights<'a>,
}

impl Loader<'_> {
    /// A matrix of `rows` x `columns`.
    pub(super) fn matrix(
        &self,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> std::result::Result<Matrix, LoadError> {
        let stored = self.weights.stored(name, rows, columns)?;
        Matrix::new(self.device, &stored, (rows, columns)).map_err(|e| self.failed(name, &e))
    }

    /// A short list of numbers, in f32.
    pub(super) fn vector(&self, name: &str, len: usize) -> std::result::Result<Tensor, LoadError> {
        let numbers = self.weights.vector(name, len)?;
        Tensor::from_vec(numbers, len, self.device).map_err(|error| self.failed(name, &error))
    }

    /// Matrices that read the same input of `columns` numbers, by name and rows. Those of a kind
    /// become one: their rows lie one after the other in memory too.
    pub(super) fn projection(
        &self,
        names: &[(String, usize)],
        columns: usize,
    ) -> std::result::Result<Projection, LoadError> {
        let first = names.first().map_or("", |(name, _)| name);
        let mut parts: Vec<(StoredTensor, usize)> = Vec::new();
        for (name, rows) in names {
            parts.push((self.weights.stored(name, *rows, columns)?, *rows));
        }
        let failed = |error| self.failed(first, &error);
        let together = parts.chunk_by(|a, b| a.0.kind == b.0.kind).map(|parts| match parts {
            [(stored, rows)] => Matrix::new(self.device, stored, (*rows, columns)),
            parts => {
                let bytes: Vec<_> = parts.iter().map(|(part, _)| part.data.as_slice()).collect();
                let data = crate::bytes::Blob::held(bytes.concat());
                let rows = parts.iter().map(|(_, rows)| rows).sum();
                let stored = StoredTensor { data, ..parts[0].0.clone() };
                Matrix::new(self.device, &stored, (rows, columns))
            }
        });
        let parts = together.collect::<Result<Vec<_>>>().map_err(failed)?;
        Ok(Projection { parts, bias: None })
    }

    /// The same with biases, one after the other.
    pub(super) fn with_bias(
        &self,
        projection: Projection,
        names: &[(String, usize)],
    ) -> std::result::Result<Projection, LoadError> {
        let parts = names.iter().map(|(name, len)| self.vector(name, *len));
        let parts = parts.collect::<std::result::Result<Vec<_>, _>>()?;
        let first = names.first().map_or("", |(name, _)| name);
        let bias = Tensor::cat(&parts, 0).map_err(|error| self.failed(first, &error))?;
        Ok(Projection { bias: Some(bias), ..projection })
    }

    /// A weight that the device did not take.
    pub(super) fn failed(&self, name: &str, error: &candle_core::Error) -> LoadError {
        self.weights.error(name, |tensor| {
            if is_out_of_memory(error) {
                let bytes = self.weights.bytes(name);
                LoadCause::OutOfMemory { tensor, bytes }
            } else {
                LoadCause::Device(in_one_line(error))
            }
        })
    }
}
