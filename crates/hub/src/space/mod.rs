//! Spaces on the Hub: where they answer, whether they run, and what ZeroGPU time is left.

mod api;
mod quota;
mod runtime;

pub use api::{SpaceInfo, Spaces};
pub use quota::ZeroGpuQuota;
pub use runtime::{Hardware, Runtime, Stage};

#[cfg(test)]
mod tests;
