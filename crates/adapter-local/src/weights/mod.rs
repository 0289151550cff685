//! Weights where they lie: matrices whose rows are read straight from the mapped file, and the
//! activations they are multiplied with.

mod activations;
mod matrix;
mod plain;
mod store;

#[cfg(test)]
mod tests;

pub(crate) use activations::{Activations, Needs};
pub(crate) use matrix::{Matrix, Product};
pub(crate) use plain::{AlignedBytes, Plain, bytes_of};
pub(crate) use store::Weights;
