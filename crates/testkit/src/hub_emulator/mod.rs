//! A Hugging Face Hub for tests: what a client asks it about Spaces, with stages that change.
//!
//! [`HubEmulator`] answers `/api/spaces/{id}` and its `host` and `runtime`, the ZeroGPU quota, and
//! who a token belongs to, with the Hub's own status codes and headers. Each Space has a host of
//! its own, which refuses with a page until the Space runs, and wakes it where a visit does.
//!
//! The official Python client is run against it to prove it faithful.

mod api;
mod emulator;
mod space;

pub use emulator::HubEmulator;
pub use space::{Space, Step};
