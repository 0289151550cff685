//! Quantized rows, packed for the vectors of this processor, and their products.

mod activations;
mod format;
mod matrix;
mod memory;
mod pack;
mod product;
mod stored;
#[cfg(target_arch = "x86_64")]
mod tiled;
#[cfg(target_arch = "x86_64")]
mod unpacked;
#[cfg(target_arch = "x86_64")]
mod weigh;

pub use activations::{ByteRows, Bytes, QuadMut};
pub use matrix::{Blocks, Packed, PanelMut};
pub(crate) use memory::Memory;
pub use memory::NoMemory;
pub(crate) use product::AHEAD;
