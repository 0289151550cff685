//! How many pages of keys and values there are.

use candle_core::Device;

use super::super::pages::PAGE;
use super::super::{LoadOptions, MOST_SEQUENCES};
use super::cache::Shape;
use crate::memory::gpu_cache_bytes;

/// Whole contexts that keys and values are kept for where nothing says how many.
const CONTEXTS: usize = 16;

/// As many pages as the options give memory for, or as a GPU has room for beside the weights; never
/// more than sequences can fill.
pub(super) fn how_many_pages(
    device: &Device,
    shape: Shape,
    options: &LoadOptions,
    context_length: usize,
) -> usize {
    let context = context_length.div_ceil(PAGE).max(1);
    if let Some(bytes) = options.cache_bytes {
        return shape.pages_in(bytes).min(MOST_SEQUENCES.saturating_mul(context));
    }
    let useful = options.at_once.unwrap_or(CONTEXTS).saturating_mul(context);
    free_bytes(device).map_or(useful, |free| shape.pages_in(gpu_cache_bytes(free)).min(useful))
}

/// Bytes that a GPU can still give; nothing where the device is none.
fn free_bytes(device: &Device) -> Option<u64> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(cuda) => {
            cuda.cuda_stream().context().mem_get_info().ok().map(|(free, _)| free as u64)
        }
        _ => None,
    }
}
