//! A Hugging Face Hub for tests: what a client asks it about Spaces, with stages that change, and
//! the repositories of models, with their files.
//!
//! [`HubEmulator`] answers `/api/spaces/{id}` and its `host` and `runtime`, the ZeroGPU quota, who a
//! token belongs to, and the files of model repositories, with the Hub's own status codes and
//! headers. Each Space has a host of its own, which refuses with a page until the Space runs, and
//! wakes it where a visit does.
//!
//! A [`Model`] has commits, branches and contents by their checksums. Large files are on a server
//! of their own, another host to a client, which refuses who shows it a token. Any answer can be
//! disturbed: another status, cut after so many bytes, held, or without regard to `Range`.
//!
//! The official Python client is run against it to prove it faithful.

mod api;
mod disturbance;
mod emulator;
mod files;
mod model;
mod space;

pub use disturbance::Disturbance;
pub use emulator::HubEmulator;
pub use model::Model;
pub use space::{Space, Step};
