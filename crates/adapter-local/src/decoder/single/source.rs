//! Weights for candle's models: tensors by the names that their files give them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Error, Result, Shape, Tensor};
use candle_nn::Init;
use candle_nn::var_builder::{SimpleBackend, VarBuilder};

use crate::checkpoint::{Checkpoint, TensorSource};
use crate::error::{LoadCause, LoadError};
use crate::gguf::GgmlType;

/// What was asked for, and what went wrong first.
#[derive(Debug, Clone, Default)]
pub(super) struct Taken(Arc<Mutex<(BTreeSet<String>, Option<LoadError>)>>);

impl Taken {
    /// What went wrong first.
    pub(super) fn failure(&self) -> Option<LoadError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.take()
    }

    /// Refuses a checkpoint with a tensor that the model did not ask for.
    pub(super) fn finish(&self, checkpoint: &Checkpoint) -> std::result::Result<(), LoadError> {
        let taken = &self.0.lock().unwrap_or_else(PoisonError::into_inner).0;
        let tensors = checkpoint.tensors();
        // A head that is written out although it is the embedding is left alone by all of them.
        let tied = |name: &str| name == "lm_head.weight";
        let unknown =
            tensors.names().into_iter().find(|name| !taken.contains(*name) && !tied(name));
        unknown.map_or(Ok(()), |name| {
            let architecture = checkpoint.family().name.to_owned();
            let cause = LoadCause::UnknownTensor { tensor: name.to_owned(), architecture };
            Err(LoadError::new(checkpoint.path(), cause))
        })
    }
}

/// The tensors of a source on a device, as f32.
pub(super) fn of(tensors: &Arc<dyn TensorSource>, device: &Device) -> (VarBuilder<'static>, Taken) {
    let taken = Taken::default();
    let source = Source { tensors: Arc::clone(tensors), taken: taken.clone() };
    (VarBuilder::from_backend(Box::new(source), DType::F32, device.clone()), taken)
}

struct Source {
    tensors: Arc<dyn TensorSource>,
    taken: Taken,
}

impl Source {
    fn read(
        &self,
        shape: Option<&Shape>,
        name: &str,
        device: &Device,
    ) -> std::result::Result<Result<Tensor>, LoadError> {
        let stored = self.tensors.tensor(name)?;
        let refuse = |problem: String| {
            let (path, tensor) = self.tensors.shown(name);
            LoadError::new(path, LoadCause::Shape { tensor, problem })
        };
        if let Some(wanted) = shape.filter(|shape| shape.dims() != stored.shape) {
            let (found, wanted) = (&stored.shape, wanted.dims());
            return Err(refuse(format!(
                "has the shape {found:?} where the model needs {wanted:?}"
            )));
        }
        let dtype = match stored.kind {
            GgmlType::F32 => DType::F32,
            GgmlType::F16 => DType::F16,
            GgmlType::Bf16 => DType::BF16,
            kind => return Err(refuse(format!("is quantized to {}", kind.as_str()))),
        };
        let bytes = stored.data.as_slice();
        let tensor = Tensor::from_raw_buffer(bytes, dtype, &stored.shape, device);
        Ok(tensor.and_then(|tensor| tensor.to_dtype(DType::F32)))
    }

    fn take(&self, shape: Option<&Shape>, name: &str, device: &Device) -> Result<Tensor> {
        let mut taken = self.taken.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.0.insert(name.to_owned());
        self.read(shape, name, device).unwrap_or_else(|error| {
            let words = error.to_string();
            taken.1.get_or_insert(error);
            Err(Error::Msg(words))
        })
    }
}

impl SimpleBackend for Source {
    fn get(&self, shape: Shape, name: &str, _: Init, _: DType, device: &Device) -> Result<Tensor> {
        self.take(Some(&shape), name, device)
    }

    fn get_unchecked(&self, name: &str, _: DType, device: &Device) -> Result<Tensor> {
        self.take(None, name, device)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.tensors.facts(name).is_some()
    }
}
