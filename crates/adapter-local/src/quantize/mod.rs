//! Numbers stored in fewer bits: which tensors, in which type, and the bytes.
//!
//! The types are those of GGUF files; the mixtures of [`Scheme`] are llama.cpp's own, so that a
//! file made here is what its users expect of the name.

mod encode;
mod file;
mod pieces;
mod scheme;
mod source;

#[cfg(test)]
mod tests;

pub(crate) use encode::{encode, expand};
pub use file::{QuantizePlan, QuantizedFile, quantizations, quantize_file};
pub(crate) use pieces::each_piece;
pub(crate) use scheme::Scheme;
pub(crate) use source::Quantized;
