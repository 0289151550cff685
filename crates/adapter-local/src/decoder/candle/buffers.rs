//! Buffers that steps read from and write to. One is made for each size that is needed and stays where
//! it is, so that what was prepared for a form of step keeps its addresses.

use std::collections::BTreeMap;

use candle_core::{CpuStorage, DType, Device, InplaceOp1, Layout, Result, Tensor};

/// Numbers that the smallest buffer of inputs holds.
const FEWEST: usize = 256;

/// All buffers of a decoder.
#[derive(Debug)]
pub(super) struct Buffers {
    device: Device,
    vocabulary: usize,
    /// By length, a power of two.
    inputs: BTreeMap<usize, Tensor>,
    /// By rows.
    logits: BTreeMap<usize, Tensor>,
}

impl Buffers {
    pub(super) fn new(device: &Device, vocabulary: usize) -> Self {
        let (inputs, logits) = (BTreeMap::new(), BTreeMap::new());
        Self { device: device.clone(), vocabulary, inputs, logits }
    }

    /// The buffer for so many numbers.
    pub(super) fn inputs(&mut self, numbers: usize) -> Result<Tensor> {
        let len = numbers.next_power_of_two().max(FEWEST);
        found_or_made(&mut self.inputs, len, || Tensor::zeros(len, DType::U32, &self.device))
    }

    /// The buffer for the logits of so many rows.
    pub(super) fn logits(&mut self, rows: usize) -> Result<Tensor> {
        let dims = (rows, self.vocabulary);
        found_or_made(&mut self.logits, rows, || Tensor::zeros(dims, DType::F32, &self.device))
    }

    /// Every tensor that must stay where it is.
    #[cfg(test)]
    pub(super) fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.inputs.values().chain(self.logits.values())
    }
}

fn found_or_made(
    all: &mut BTreeMap<usize, Tensor>,
    size: usize,
    make: impl FnOnce() -> Result<Tensor>,
) -> Result<Tensor> {
    if let Some(found) = all.get(&size) {
        return Ok(found.clone());
    }
    let made = make()?;
    all.insert(size, made.clone());
    Ok(made)
}

/// Makes a buffer begin with these numbers.
pub(super) fn write(buffer: &Tensor, numbers: &[u32]) -> Result<()> {
    buffer.inplace_op1(&Write(numbers))
}

struct Write<'a>(&'a [u32]);

impl InplaceOp1 for Write<'_> {
    fn name(&self) -> &'static str {
        "write"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, _: &Layout) -> Result<()> {
        let CpuStorage::U32(all) = storage else { return Err(wrong_buffer()) };
        let start = all.get_mut(..self.0.len()).ok_or_else(wrong_buffer)?;
        start.copy_from_slice(self.0);
        Ok(())
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, storage: &mut candle_core::CudaStorage, _: &Layout) -> Result<()> {
        use candle_core::backend::BackendStorage;

        let device = storage.device().clone();
        let all = storage.as_cuda_slice_mut::<u32>()?;
        let mut start = all.try_slice_mut(..self.0.len()).ok_or_else(wrong_buffer)?;
        device.memcpy_htod(self.0, &mut start)
    }
}

fn wrong_buffer() -> candle_core::Error {
    candle_core::Error::Msg("the buffer of inputs is too short, or of another type".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_made_once_and_written_in_place() {
        let mut buffers = Buffers::new(&Device::Cpu, 3);
        let first = buffers.inputs(1).unwrap();
        write(&first, &[7, 8]).unwrap();
        let again = buffers.inputs(FEWEST).unwrap();
        assert_eq!(again.narrow(0, 0, 3).unwrap().to_vec1::<u32>().unwrap(), [7, 8, 0]);
        assert_eq!(buffers.inputs(FEWEST + 1).unwrap().dims(), [2 * FEWEST]);
        assert_eq!(buffers.logits(4).unwrap().dims(), [4, 3]);
        assert!(write(&first, &[0; FEWEST + 1]).is_err());
        assert!(write(&buffers.logits(4).unwrap(), &[0]).is_err());
    }
}
