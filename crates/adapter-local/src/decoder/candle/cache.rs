//! Keys and values on a device: one tensor of keys and one of values per layer, as many pages long as
//! were ever needed at once. They double when they are full.

use candle_core::{DType, Device, Result, Tensor};

use super::super::pages::{PAGE, Pages};
use super::is_out_of_memory;
use crate::error::DecodeError;

/// Pages that the tensors begin with.
const FIRST: usize = 8;
/// Beyond the largest half there is only infinity, which would poison a whole sequence.
const LARGEST_HALF: f64 = 65504.0;

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
    fn page_bytes(self) -> usize {
        2 * self.layers * self.heads * PAGE * self.head_size * self.dtype().size_in_bytes()
    }
}

/// Keys and values of a layer: heads x positions x head size, page after page.
#[derive(Debug, Clone)]
struct Layer {
    keys: Tensor,
    values: Tensor,
}

/// All pages.
#[derive(Debug)]
pub(super) struct DevicePages {
    device: Device,
    shape: Shape,
    layers: Vec<Layer>,
    /// How many sequences list each page that there is room for.
    users: Vec<u32>,
    /// Pages that nobody lists.
    free: Vec<u32>,
    most: usize,
}

impl DevicePages {
    /// Pages that take at most `bytes`.
    pub(super) fn new(device: Device, shape: Shape, bytes: Option<u64>) -> Self {
        let page = shape.page_bytes().max(1) as u64;
        let most = bytes.map_or(u64::from(u32::MAX), |bytes| bytes / page);
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(u32::MAX as usize / PAGE);
        Self { device, shape, layers: Vec::new(), users: Vec::new(), free: Vec::new(), most }
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
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
            dtype => new.clamp(-LARGEST_HALF, LARGEST_HALF)?.to_dtype(dtype)?.contiguous(),
        }
    }

    /// Makes room for more pages, a layer at a time, so that little is there twice.
    fn grow(&mut self, pages: usize) -> Result<()> {
        let Shape { layers, heads, head_size, .. } = self.shape;
        let dims = (heads, pages * PAGE, head_size);
        let zeros = || Tensor::zeros(dims, self.shape.dtype(), &self.device);
        let longer = |old: &Tensor| -> Result<Tensor> {
            // An attempt that failed has lengthened some of them already.
            if old.dim(1)? >= pages * PAGE {
                return Ok(old.clone());
            }
            let new = zeros()?;
            new.slice_set(old, 1, 0)?;
            Ok(new)
        };
        for index in 0..layers {
            if let Some(layer) = self.layers.get_mut(index) {
                layer.keys = longer(&layer.keys)?;
                layer.values = longer(&layer.values)?;
            } else {
                self.layers.push(Layer { keys: zeros()?, values: zeros()? });
            }
        }
        // The first of them are taken first.
        self.free.extend((self.users.len() as u32..pages as u32).rev());
        self.users.resize(pages, 0);
        Ok(())
    }

    fn short(&self, error: &candle_core::Error) -> DecodeError {
        if is_out_of_memory(error) {
            return DecodeError::OutOfMemory { bytes: self.shape.page_bytes() };
        }
        DecodeError::Device(super::in_one_line(error))
    }
}

impl Pages for DevicePages {
    fn free(&self) -> usize {
        self.most - (self.users.len() - self.free.len())
    }

    fn users(&mut self, page: u32) -> &mut u32 {
        &mut self.users[page as usize]
    }

    fn take(&mut self) -> std::result::Result<u32, DecodeError> {
        if self.free.is_empty() {
            let known = self.users.len();
            let pages = (known * 2).max(FIRST).min(self.most);
            if pages <= known {
                return Err(DecodeError::OutOfMemory { bytes: self.shape.page_bytes() });
            }
            // Where there is no room for twice as many there may be for some.
            let more = (known + FIRST).min(self.most);
            let grown = self.grow(pages).or_else(|error| {
                if is_out_of_memory(&error) && more < pages { self.grow(more) } else { Err(error) }
            });
            grown.map_err(|error| self.short(&error))?;
        }
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
