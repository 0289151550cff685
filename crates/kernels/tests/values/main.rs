//! Values that break arithmetic (denormals, the largest, zeros, what is no number) and odd shapes,
//! at every level that this machine has, against f64 with bounds that are derived.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod attention;
mod levels;
mod made;
mod numbers;
mod packed;
mod vectors;
