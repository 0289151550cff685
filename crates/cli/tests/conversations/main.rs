//! The real binary: conversations, their log, the benchmark and the doctor.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by panicking, in its helper functions too"
)]

mod bench;
mod chat;
mod commands;
mod doctor;
mod faults;
mod history;
mod home;
mod logs;
#[cfg(unix)]
mod terminal;
