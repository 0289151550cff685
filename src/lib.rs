//! One port for text generation, and providers that swap behind it per environment.
//!
//! Applications depend on this crate alone: it re-exports the nouns and the ports, reads the typed
//! [`Config`] and builds the provider that it names through the [`ProviderRegistry`].
//!
//! ```no_run
//! use textport::{BuildContext, Config, ProviderRegistry, Request, TextGenerator};
//!
//! # async fn run() -> Result<(), textport::Error> {
//! let config = Config::new("/var/cache/my-app");
//! let registry = ProviderRegistry::builtin(&config)?;
//! let generator = registry.build(&config.provider, &config, &BuildContext::default()).await?;
//! let answer = generator.generate(Request::user("What is a port?")).await?;
//! println!("{}", answer.text);
//! # Ok(()) }
//! ```
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `local` | yes | the provider kind `local`: models on this machine |
//! | `zerogpu` | yes | the provider kind `zerogpu`: Hugging Face Spaces and other Gradio apps |
//! | `cuda` | no | NVIDIA GPUs for `local`; the build needs `scripts/setup-cuda-toolkit.sh`, the binary starts without a GPU |

mod config;
pub mod layers;
#[cfg(feature = "local")]
pub mod local;
/// The page that newcomers read: its program is compiled like the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
mod registry;
mod route;
#[cfg(feature = "zerogpu")]
pub mod zerogpu;

pub use config::{Config, LogConfig, ProviderConfig};
pub use domain::{
    Attempt, Capabilities, Capability, Event, Finish, FinishReason, GenerationOptions, Health,
    HealthState, InvalidId, InvalidOption, InvalidRequest, Message, ModelId, Notice, NoticeKind,
    Prompt, ProviderId, ProviderInfo, Quota, Request, Response, Role, Think, Timings, TokenLogprob,
    TopLogprob, Usage,
};
pub use ports::{
    BuildContext, Error, ErrorKind, EvaluationEvent, EvaluationRequest, EvaluationResult,
    EvaluationStream, Evaluator, EventStream, Progress, ProviderFactory, ProviderSpec, RetryAdvice,
    SampleResult, Secret, SecretRef, Setting, TextGenerator, TimeoutPhase, Unavailability, accept,
};
pub use registry::{ProviderRegistry, builtin_providers};
pub use route::RouteConfig;
