//! The binary itself: exit codes, what goes to stdout and what to stderr, and how it reads its
//! configuration.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod ask;
mod bad_input;
mod configuration;
mod device;
mod fetching;
mod hub_models;
mod kv_cache;
mod models;
mod models_write;
mod out_of_memory;
mod shell;
mod signals;
mod speculation;
mod thinking;
mod world;
