//! Weights: matrices as they lie in a file, the same prepared for the kernels, and the activations
//! that they are multiplied with.

mod activations;
mod matrix;
mod plain;
mod prepared;
mod store;

#[cfg(test)]
mod tests;

pub(crate) use activations::{Activations, Needs};
pub(crate) use matrix::Matrix;
pub(crate) use plain::{AlignedBytes, Plain, bytes_of};
pub(crate) use prepared::Prepared;
pub(crate) use store::Weights;
