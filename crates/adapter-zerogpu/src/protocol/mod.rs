//! The Gradio wire as types, and nothing else. Everything is lenient: fields come and go between
//! versions 4, 5 and 6, and most of what a server sends is of no interest here.

mod config;
mod info;
mod message;

pub(crate) use config::{AppConfig, Component, Dependency};
pub(crate) use info::{AppInfo, Parameter};
pub use message::ProgressUnit;
pub(crate) use message::{Addressed, Joined, LogLine, Message};

#[cfg(test)]
mod tests;
