//! Text generation on this machine: GGUF models of the llama, qwen2 and qwen3 architectures.
//!
//! ```no_run
//! # use std::path::Path;
//! use adapter_local::{Catalogue, LocalFactory, ModelStore}; // the package textport-adapter-local
//! # use textport_adapter_local as adapter_local;
//! use domain::{ProviderId, Request};
//! use ports::{BuildContext, ProviderFactory, ProviderSpec};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let factory = LocalFactory::new(
//!     Catalogue::with_entries(&Default::default())?,
//!     ModelStore::new(Path::new("/var/cache/textport")),
//! );
//! let spec = ProviderSpec { id: ProviderId::new("local")?, settings: Default::default() };
//! let generator = factory.build(spec, &BuildContext::default()).await?;
//! println!("{}", generator.generate(Request::user("What is a port?")).await?.text);
//! # Ok(()) }
//! ```
//!
//! # From a request to its events
//!
//! | step | module |
//! |---|---|
//! | a name becomes a file: catalogue, sources, store | `catalogue`, `sources`, `store` |
//! | messages become a prompt by the file's own template, in a sandbox with fuel | `chat_template` |
//! | the prompt becomes token ids; control tokens in messages stay text | `prompt`, `tokenizer` |
//! | the request waits for the engine's thread | `engine` |
//! | token ids become logits | `decoder` (the seam: the trait `Decoder`) |
//! | logits become the next token | `sampler` |
//! | tokens become text, reasoning, stop, log-probabilities | `output` and what it uses |
//!
//! # Threads
//!
//! Each loaded model has one thread of its own; it owns the decoder and serves one sequence at a
//! time. Requests wait in a line and are told their position. Templates and tokenizers run on
//! tokio's blocking threads, so a tokio runtime must be there; the forward passes run on no async
//! thread. A reader that lags 64 events behind pauses its generation and, when others wait, lets
//! them go first. Dropping a stream is noticed before the next token or the next 256 tokens of a
//! prompt. The thread ends when the generator and its streams are dropped.
//!
//! # Memory
//!
//! Weights stay in the memory-mapped file. The KV cache of the last request is kept: the next one
//! computes only the tokens after the longest common prefix (`cached_tokens` in the usage), and
//! gives the same bits as if it had computed them all.
//!
//! # Defaults
//!
//! Where a request and the model's file (`general.sampling.*`) say nothing: temperature 0.7,
//! top-k 40, top-p 0.95, min-p 0.05, no penalties, a fresh seed, until the model ends or the
//! context is full.

mod bench;
mod catalogue;
mod chat_template;
mod config;
mod cpu;
mod decoder;
mod detokenizer;
mod engine;
mod error;
mod factory;
mod generator;
mod gguf;
mod inspect;
mod kernels;
mod logprobs;
mod output;
mod prompt;
mod sampler;
mod sources;
mod store;
#[cfg(test)]
mod test_model;
mod tokenizer;
mod weights;

pub use bench::{BenchKind, BenchPlan, BenchReport, BenchRow, Spread, bench};
pub use catalogue::{
    Catalogue, CatalogueEntry, DEFAULT_MODEL, HubSource, Part, PartRange, PathSource, Source,
    WheelsSource,
};
pub use cpu::{CpuFeatures, cpu_features};
pub use factory::LocalFactory;
pub use generator::LocalGenerator;
pub use inspect::{
    Inspection, MemoryNeeds, ModelShape, QuantizationUse, SpecialToken, TokenizerFacts, inspect,
    inspect_bytes,
};
pub use prompt::{Rendered, render_prompt};
pub use store::{DEFAULT_HUB_ENDPOINT, Located, ModelState, ModelStore, Removed, StoredModel};
