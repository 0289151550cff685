//! A folder's tensors in the form that GGUF files of its architecture have.

use std::path::Path;
use std::sync::Arc;

use crate::bytes::{Blob, NoMemory, zeros};
use crate::checkpoint::{Family, Pairing, Parameters, StoredTensor, TensorFacts, TensorSource};
use crate::error::{LoadCause, LoadError};
use crate::gguf::GgmlType;

/// What each pair's angle is divided by; only GGUF files have it.
const DIVISORS: &str = "rope_freqs.weight";

/// Tensors with the rows of queries and keys in another order.
#[derive(Debug)]
pub(super) struct Reordered {
    inner: Arc<dyn TensorSource>,
    pairing: Pairing,
    head_size: usize,
    divisors: Option<Vec<f32>>,
}

impl Reordered {
    /// `inner` has the order of halves, as all folders.
    pub(super) fn new(
        inner: Arc<dyn TensorSource>,
        family: &Family,
        parameters: &Parameters,
    ) -> Self {
        Self {
            inner,
            pairing: family.gguf_pairing,
            head_size: parameters.head_size,
            divisors: parameters.rope.divisors(),
        }
    }

    fn is_turned(&self, name: &str) -> bool {
        let part = name.rsplit('.').nth(1);
        self.pairing == Pairing::Neighbours && matches!(part, Some("attn_q" | "attn_k"))
    }

    /// The tensor's rows in the order of GGUF files; of a bias, its numbers.
    fn turned(&self, name: &str, tensor: StoredTensor) -> Result<StoredTensor, LoadError> {
        let bytes = tensor.data.as_slice();
        let rows = tensor.shape.first().copied().unwrap_or(1).max(1);
        let (path, shown) = self.inner.shown(name);
        if !rows.is_multiple_of(self.head_size) || !bytes.len().is_multiple_of(rows) {
            let problem = format!("has {rows} rows for heads of {}", self.head_size);
            return Err(LoadError::new(path, LoadCause::Shape { tensor: shown, problem }));
        }
        let row = bytes.len() / rows;
        let mut out = zeros::<u8>(bytes.len()).map_err(|NoMemory { bytes }| {
            LoadError::new(path, LoadCause::OutOfMemory { tensor: shown, bytes })
        })?;
        for (at, out) in out.chunks_exact_mut(row).enumerate() {
            let from = self.pairing.row_in_halves(at, self.head_size) * row;
            out.copy_from_slice(&bytes[from..from + row]);
        }
        Ok(StoredTensor { data: Blob::held(out), ..tensor })
    }
}

impl TensorSource for Reordered {
    fn path(&self) -> &Path {
        self.inner.path()
    }

    fn names(&self) -> Vec<&str> {
        let mut names = self.inner.names();
        if self.divisors.is_some() {
            names.push(DIVISORS);
            names.sort_unstable();
        }
        names
    }

    fn facts(&self, name: &str) -> Option<TensorFacts> {
        match &self.divisors {
            Some(divisors) if name == DIVISORS => {
                Some(TensorFacts { kind: GgmlType::F32, shape: vec![divisors.len()] })
            }
            _ => self.inner.facts(name),
        }
    }

    fn tensor(&self, name: &str) -> Result<StoredTensor, LoadError> {
        match &self.divisors {
            Some(divisors) if name == DIVISORS => {
                let data = divisors.iter().flat_map(|divisor| divisor.to_le_bytes()).collect();
                let (kind, shape) = (GgmlType::F32, vec![divisors.len()]);
                Ok(StoredTensor { kind, shape, data: Blob::held(data) })
            }
            _ => {
                let tensor = self.inner.tensor(name)?;
                if self.is_turned(name) { self.turned(name, tensor) } else { Ok(tensor) }
            }
        }
    }

    fn shown(&self, name: &str) -> (&Path, String) {
        self.inner.shown(name)
    }
}
