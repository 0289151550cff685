//! Quantized rows, packed for the vectors of this processor, and their products.

mod activations;
mod format;
mod matrix;
mod pack;
mod product;
mod stored;

pub use activations::{ByteRows, Bytes, QuadMut};
pub use matrix::{Blocks, Packed, PanelMut};
