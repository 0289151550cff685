//! Text generation on this machine: models of the llama, qwen2, qwen3 and mistral architectures from
//! GGUF files (but mistral) and folders of safetensors; gemma3, glm4 and phi3 folders one request at
//! a time.
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
//! Each loaded model has one thread of its own; it owns the decoder and answers up to `max_batch`
//! requests at once: every step takes one token of each answer and some tokens of prompts through
//! the model together. More requests wait in a line and are told their position. Templates and
//! tokenizers run on tokio's blocking threads, so a tokio runtime must be there; the forward passes
//! run on no async thread. A reader that lags 64 events behind pauses its own generation and no
//! other. Dropping a stream is noticed before the next step, which is at most 256 tokens of
//! prompts. The thread ends when the generator and its streams are dropped.
//!
//! On the processor, which requests run beside each other changes the tokens of none.
//!
//! # Speculation
//!
//! What an answer probably goes on with is looked up in its prompt and in itself, and computed along
//! with its next token; what the sampler chooses otherwise is taken back. Answers are the same, token
//! for token; where they quote or repeat, they come several tokens per step. Steps with and without
//! are measured all the time, and nothing is drafted that does not pay (`speculation`: `auto`). On a
//! GPU rounding depends on the shape of a step, so there only a number turns it on; gemma3, glm4 and
//! phi3 compute token by token and draft nothing. The generator's health says which holds.
//!
//! # Memory
//!
//! Weights stay in the memory-mapped file. Keys and values of all requests come from one pool of at
//! most `kv_cache_mib`, taken page by page as answers grow, on a GPU all at once. They are kept in half
//! precision; with `kv_cache = "q8_0"`, on the processor, in bytes with a scale for 32 of them, which
//! is a little more than half of that; with `"f32"` as they were computed. Where the pool is smaller
//! than the model's context, it is the limit of a request. Finished sequences are kept in up to a quarter of it: a
//! request computes only the tokens after the longest beginning that it shares with a kept or
//! running one (`cached_tokens` in the usage), and gets the same bits as if it had computed them
//! all. When memory is short, kept sequences go first, then requests whose readers lag give theirs
//! back and compute it again later, then the youngest.
//!
//! # Defaults
//!
//! Where a request, the catalogue and the model's files say nothing: temperature 0.7,
//! top-k 40, top-p 0.95, min-p 0.05, no penalties, a fresh seed, until the model ends or the
//! context is full.

mod arrange;
mod aside;
mod bench;
mod bytes;
mod catalogue;
mod chat_template;
mod checkpoint;
mod config;
mod context_limit;
mod cpu;
mod decoder;
mod detokenizer;
mod device;
mod engine;
mod error;
mod export;
mod factory;
mod generator;
mod gguf;
mod hf_text;
mod inspect;
mod logprobs;
mod lora;
mod memory;
mod output;
mod perplexity;
mod prompt;
mod quantize;
mod random_model;
mod safetensors;
mod sampler;
mod sources;
mod store;
#[cfg(test)]
mod test_folder;
#[cfg(test)]
mod test_model;
mod tokenizer;
mod weights;

pub use ::hub::{HubCache, cache_folder as hub_cache_folder, is_offline as hub_is_offline};
pub use bench::{
    Bandwidth, BenchFacts, BenchKind, BenchModel, BenchPlan, BenchReport, BenchRow, Peak,
    SpeculationPlan, SpeculationReport, SpeculationRow, Spread, StoredAs, bench, bench_speculation,
};
pub use catalogue::{
    Catalogue, CatalogueEntry, DEFAULT_MODEL, HubSource, Part, PartRange, PathSource, Sampling,
    Source, WheelsSource,
};
pub use checkpoint::known_shapes;
pub use config::LoraSetting;
pub use cpu::{CpuFeatures, cpu_features};
pub use device::{ChosenDevice, Device, choose_device};
pub use export::{MergePlan, MergedFolder, WriteProgress, merge_lora};
pub use factory::LocalFactory;
pub use generator::LocalGenerator;
pub use inspect::{
    Inspection, MemoryNeeds, ModelShape, QuantizationUse, SpecialToken, TokenizerFacts, inspect,
    inspect_bytes,
};
pub use perplexity::{Divergence, Perplexity, PerplexityPlan, perplexity};
pub use prompt::{Rendered, render_prompt};
pub use quantize::{QuantizePlan, QuantizedFile, quantizations, quantize_file};
pub use random_model::{RandomModel, write_random_model};
pub use store::{DEFAULT_HUB_ENDPOINT, Located, ModelState, ModelStore, Removed, StoredModel};
