//! The binary against real Gradio servers: `gradio call`, `providers inspect` and `quota`, `eval run`,
//! and a route that falls back from a Space to this machine.
//!
//! The servers and their virtual environment are those of the adapter's own tests.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod calling;
mod evaluation;
mod failing;
mod home;
mod inspecting;
mod leaving;
mod quota;
mod routes;
mod servers;
mod terminal;
