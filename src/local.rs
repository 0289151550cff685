//! The provider kind `local`: models on this machine.

pub use adapter_local::*;
