//! A thin client of the Hugging Face Hub.
//!
//! For now it downloads: one file of a repository, resumed after an interruption also by another
//! process, checked while it streams, and in its place whole or not at all. It reads no environment
//! and no configuration; the application says which endpoint and which token.
//!
//! ```no_run
//! use textport_hub::{Client, Download};
//!
//! # async fn run() -> Result<(), textport_hub::Error> {
//! let client = Client::new("https://huggingface.co", None)?;
//! let wanted = Download::new("owner/name", "model.gguf", "/cache/model.gguf");
//! client.download(&wanted, |done, total| println!("{done} of {total:?}")).await?;
//! # Ok(()) }
//! ```

mod client;
mod download;
mod error;
mod partial;
mod patience;
mod space;
mod token;

pub use client::Client;
pub use download::Download;
pub use error::Error;
pub use patience::Patience;
pub use space::{Hardware, Runtime, SpaceInfo, Spaces, Stage, ZeroGpuQuota};
pub use token::Token;
