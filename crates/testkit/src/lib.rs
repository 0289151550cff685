//! What adapters of textport are tested with.
//!
//! [`conformance`] holds the contract of the ports as a suite of named cases: every adapter, layer
//! and fake runs it, third parties from their own tests. [`FakeGenerator`] answers from a script
//! and counts what happens to it; [`FakeFactory`] builds such providers from configuration.
//!
//! ```
//! use std::sync::Arc;
//! use testkit::{FakeGenerator, conformance::{self, Fixture}}; // the package textport-testkit
//! # use textport_testkit as testkit;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() { // in a test: #[tokio::test]
//! let provider = FakeGenerator::new("mine"); // yours
//! let fixture = Fixture::new(Arc::new(provider))
//!     .with_reasoning_prompt("How many legs have three cats?");
//! conformance::run(&fixture).await.assert_passed();
//! # }
//! ```

pub mod conformance;
mod fake;
pub mod faults;
pub mod gradio;
pub mod hub_emulator;
mod venv;

pub use fake::{Counts, FakeFactory, FakeGenerator, Turn};
pub use venv::Venv;
