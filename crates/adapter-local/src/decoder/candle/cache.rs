//! Keys and values on a device: one tensor of keys and one of values per layer, with all pages that
//! there will ever be. They stay where they are, so that a CUDA graph may know their addresses.

use candle_core::{DType, Device, Result, Tensor};

use super::super::pages::{PAGE, Pages};
use crate::error::DecodeError;

/// Beyond the largest half there is only infinity, which would poison a whole sequence.
const LARGEST_HALF: f32 = 65504.0;

/// What a page must hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) layers: usize,
    /// Heads of keys.
    pub(super) heads: usize,
    pub(super) head_size: usize,
    /// Everything is kept in f32.
    pub(super) exact: bool,
}

impl Shape {
    fn dtype(self) -> DType {
        if self.exact { DType::F32 } else { DType::F16 }
    }

    /// Bytes of a page over all layers.
    pub(super) fn page_bytes(self) -> usize {
        2 * self.layers * self.heads * PAGE * self.head_size * self.dtype().size_in_bytes()
    }

    /// How many pages take at most `bytes`.
    pub(super) fn pages_in(self, bytes: u64) -> usize {
        let pages = bytes / self.page_bytes().max(1) as u64;
        usize::try_from(pages).unwrap_or(usize::MAX)
    }

    /// Most pages there can be: kernels count the numbers of a tensor in 32 bits.
    fn most_pages(self) -> usize {
        let numbers = (self.heads * PAGE * self.head_size).max(PAGE);
        (u32::MAX as usize / numbers).saturating_sub(1)
    }
}

/// Keys and values of a layer: heads x positions x head size, page after page.
#[derive(Debug)]
struct Layer {
    keys: Tensor,
    values: Tensor,
}

/// All pages, and one more that rows write to which only fill up a step.
#[derive(Debug)]
pub(super) struct DevicePages {
    shape: Shape,
    layers: Vec<Layer>,
    /// The least and the most that is kept in half precision.
    range: [Tensor; 2],
    /// How many sequences list each page.
    users: Vec<u32>,
    /// Pages that nobody lists.
    free: Vec<u32>,
}

impl DevicePages {
    /// So many pages, all of them in memory from now on.
    pub(super) fn new(device: &Device, shape: Shape, pages: usize) -> Result<Self> {
        let pages = pages.min(shape.most_pages());
        let dims = (shape.heads, (pages + 1) * PAGE, shape.head_size);
        let zeros = || Tensor::zeros(dims, shape.dtype(), device);
        let layer = |_| Ok(Layer { keys: zeros()?, values: zeros()? });
        let layers = (0..shape.layers).map(layer).collect::<Result<_>>()?;
        let range = [Tensor::new(-LARGEST_HALF, device)?, Tensor::new(LARGEST_HALF, device)?];
        // The first of them are taken first.
        let free = (0..pages as u32).rev().collect();
        Ok(Self { shape, layers, range, users: vec![0; pages], free })
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.users.len()
    }

    /// The page that belongs to no sequence.
    pub(super) fn nobodys(&self) -> u32 {
        self.users.len() as u32
    }

    /// Keeps the keys and values of some rows (heads x rows x head size) of a layer; `slots` says
    /// where each of their numbers goes.
    pub(super) fn put(
        &self,
        layer: usize,
        slots: &Tensor,
        [keys, values]: [&Tensor; 2],
    ) -> Result<()> {
        let layer = &self.layers[layer];
        for (all, new) in [(&layer.keys, keys), (&layer.values, values)] {
            all.scatter_set(slots, &self.as_kept(new)?, 1)?;
        }
        Ok(())
    }

    /// Keys and values of a layer on these pages, in f32: heads x (pages x positions) x head size.
    pub(super) fn get(&self, layer: usize, pages: &Tensor) -> Result<[Tensor; 2]> {
        let Shape { heads, head_size, .. } = self.shape;
        let layer = &self.layers[layer];
        let positions = pages.dims1()? * PAGE;
        let of = |all: &Tensor| {
            let by_page = all.reshape((heads, all.dim(1)? / PAGE, PAGE * head_size))?;
            let found = by_page.index_select(pages, 1)?;
            found.reshape((heads, positions, head_size))?.to_dtype(DType::F32)
        };
        Ok([of(&layer.keys)?, of(&layer.values)?])
    }

    fn as_kept(&self, new: &Tensor) -> Result<Tensor> {
        match self.shape.dtype() {
            DType::F32 => new.contiguous(),
            dtype => {
                let [least, most] = &self.range;
                let kept = new.broadcast_maximum(least)?.broadcast_minimum(most)?;
                kept.to_dtype(dtype)?.contiguous()
            }
        }
    }

    /// Every tensor that must stay where it is.
    #[cfg(test)]
    pub(super) fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        let layers = self.layers.iter().flat_map(|layer| [&layer.keys, &layer.values]);
        layers.chain(&self.range)
    }
}

impl Pages for DevicePages {
    fn free(&self) -> usize {
        self.free.len()
    }

    fn users(&mut self, page: u32) -> &mut u32 {
        &mut self.users[page as usize]
    }

    fn take(&mut self) -> std::result::Result<u32, DecodeError> {
        let bytes = self.shape.page_bytes();
        let page = self.free.pop().ok_or(DecodeError::OutOfMemory { bytes })?;
        self.users[page as usize] = 1;
        Ok(page)
    }

    fn give_back(&mut self, page: u32) {
        self.free.push(page);
    }

    fn copy(&mut self, from: u32, to: u32) -> std::result::Result<(), DecodeError> {
        let copy = |all: &Tensor| -> Result<()> {
            let page = all.narrow(1, from as usize * PAGE, PAGE)?.force_contiguous()?;
            all.slice_set(&page, 1, to as usize * PAGE)
        };
        for layer in &self.layers {
            for all in [&layer.keys, &layer.values] {
                copy(all).map_err(super::failed)?;
            }
        }
        Ok(())
    }
}
