//! The adapter against real Gradio servers, real faults and a Hub emulator.
//!
//! Gradio 6, 5, 4 and two early versions of 4 are installed into virtual environments under the
//! target folder the first time, which takes some minutes and needs `python3` and a package index.
//! The environment variable `TEXTPORT_TEST_GRADIO` limits the versions, e.g. `6` or `6,4,4.16`; a
//! test that it leaves out says so. The table in `README.md` beside this file says which test covers which behaviour of the
//! official clients.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by panicking, and say what they leave out"
)]

mod arguments;
mod calls;
mod cancelling;
mod conformance;
mod conversation;
mod credentials;
mod early;
mod evaluation;
mod faults;
mod hanging;
mod hub;
mod learning;
mod redirects;
mod serving;
mod sessions;
mod streams;
mod telling;
mod waiting;
mod zerogpu;
