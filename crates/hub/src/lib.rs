//! A thin client of the Hugging Face Hub.
//!
//! It downloads: one file of a repository, resumed after an interruption also by another process,
//! checked while it streams, and in its place whole or not at all; or the files of a model into the
//! cache that the Hub's own tools use, so that neither downloads what the other has. It tells whether
//! a Space is awake. It reads no environment and no configuration; the application says which
//! endpoint, which token and which folder.
//!
//! ```no_run
//! use textport_hub::{Client, HubCache, RepoId, Wanted};
//!
//! # async fn run() -> Result<(), textport_hub::Error> {
//! let client = Client::new("https://huggingface.co", None)?;
//! let cache = HubCache::new("/home/me/.cache/huggingface/hub");
//! let repo = RepoId::parse("Qwen/Qwen3-0.6B")?;
//! let commit = client.model_info(&repo, "main").await?.commit;
//! let files = client.listing(&cache, &repo, &commit).await?;
//! let wanted = Wanted::new(&repo, &commit, &files);
//! let folder = client.fetch(&cache, &wanted, |done, of| println!("{done} of {of}")).await?;
//! println!("{}", folder.join("config.json").display());
//! # Ok(()) }
//! ```

mod answer;
mod cache;
mod client;
mod download;
mod error;
mod fetch;
mod partial;
mod patience;
mod repo;
mod space;
mod token;

pub use cache::{CachedFile, CachedModel, CachedRevision, HubCache, cache_folder, is_offline};
pub use client::Client;
pub use download::Download;
pub use error::Error;
pub use fetch::{Missing, Wanted};
pub use partial::Guard;
pub use patience::Patience;
pub use repo::{Address, ModelInfo, RepoFile, RepoId};
pub use space::{Hardware, Runtime, SpaceInfo, Spaces, Stage, ZeroGpuQuota};
pub use token::Token;
