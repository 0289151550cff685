//! Keys and values of the sequence. Grows by blocks of positions and never moves what it holds.

use crate::error::DecodeError;
use crate::kernels::{F16, F32, Float};

/// Positions in a block.
pub(crate) const BLOCK: usize = 256;

/// How keys and values are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum KvPrecision {
    /// Half the memory, and far more exact than the eight bits of a quantized model's activations.
    #[default]
    F16,
    /// As they were computed.
    #[cfg_attr(not(test), expect(dead_code, reason = "proves the arithmetic; no setting asks yet"))]
    F32,
}

/// A number of the cache.
pub(super) trait CacheNumber: Float + Default + From<f32> {}
impl CacheNumber for F16 {}
impl CacheNumber for F32 {}

/// Keys and values of one layer.
#[derive(Debug)]
pub(super) struct LayerCache<T> {
    head_size: usize,
    /// Per block: heads x positions x head size.
    keys: Vec<Vec<T>>,
    values: Vec<Vec<T>>,
    heads: usize,
}

/// Keys and values of one head over neighbouring positions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span<'a, T> {
    pub(super) keys: &'a [T],
    pub(super) values: &'a [T],
}

impl<T: CacheNumber> LayerCache<T> {
    pub(super) fn new(heads: usize, head_size: usize) -> Self {
        Self { head_size, keys: Vec::new(), values: Vec::new(), heads }
    }

    /// Makes room for `positions`.
    pub(super) fn reach(&mut self, positions: usize) -> Result<(), DecodeError> {
        let len = self.heads * BLOCK * self.head_size;
        for blocks in [&mut self.keys, &mut self.values] {
            while blocks.len() * BLOCK < positions {
                let mut block = Vec::new();
                block
                    .try_reserve_exact(len)
                    .map_err(|_| DecodeError::OutOfMemory { bytes: len * size_of::<T>() })?;
                block.resize(len, T::default());
                blocks.push(block);
            }
        }
        Ok(())
    }

    /// Keeps key and value of all heads at `position`, which [`LayerCache::reach`] made room for.
    pub(super) fn put(&mut self, position: usize, key: &[f32], value: &[f32]) {
        let (block, slot) = (position / BLOCK, position % BLOCK);
        for (blocks, row) in [(&mut self.keys, key), (&mut self.values, value)] {
            let heads = blocks[block].chunks_exact_mut(BLOCK * self.head_size);
            for (head, row) in heads.zip(row.chunks_exact(self.head_size)) {
                let slots = &mut head[slot * self.head_size..][..self.head_size];
                for (slot, x) in slots.iter_mut().zip(row) {
                    *slot = T::from(*x);
                }
            }
        }
    }

    /// `count` positions of a head from `start` on; they must lie in one block.
    pub(super) fn span(&self, head: usize, start: usize, count: usize) -> Span<'_, T> {
        let at = (head * BLOCK + start % BLOCK) * self.head_size;
        let range = at..at + count * self.head_size;
        let block = start / BLOCK;
        Span { keys: &self.keys[block][range.clone()], values: &self.values[block][range] }
    }
}

/// Bytes per position of a cache for `layers` layers whose keys are `kv_width` wide.
pub(crate) fn bytes_per_position(layers: usize, kv_width: usize, precision: KvPrecision) -> u64 {
    let number = match precision {
        KvPrecision::F16 => size_of::<F16>(),
        KvPrecision::F32 => size_of::<F32>(),
    };
    (layers as u64) * 2 * (kv_width as u64) * number as u64
}
