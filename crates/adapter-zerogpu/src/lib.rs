//! Text generation on Hugging Face Spaces: a client of Gradio's queue that knows ZeroGPU.
//!
//! [`ZeroGpuFactory`] builds providers of the kind `zerogpu`; [`SpaceGenerator`] and
//! [`SpaceEvaluator`] are what it builds. [`GradioClient`] underneath calls any endpoint of any
//! Gradio app from version 4.9 on.
//!
//! # Where a Space cannot keep the port's contract
//!
//! No Gradio app tells why its model stopped. So an answer that no stop sequence cut ends with
//! [`FinishReason::Other`](domain::FinishReason::Other) and the word `unknown`, also where
//! `max_tokens` was reached, and token counts are absent. A plain function of an app that has begun runs to its end there, whoever
//! has left; generators end.
//!
//! # Calling any endpoint
//!
//! ```no_run
//! use serde_json::json;
//! use textport_adapter_zerogpu::*;
//!
//! # async fn run() -> Result<(), ports::Error> {
//! let space = SpaceRef::parse("owner/name")?;
//! let client = GradioClient::connect(&space, ConnectOptions::default(), |_| {}).await?;
//! let endpoint = client.endpoint("/respond")?;
//! let arguments = Arguments::positional([json!("hello")]);
//! let mut call = client.call(&endpoint, arguments, CallOptions::default()).await?;
//! while let Some(event) = call.next().await {
//!     if let CallEvent::Partial | CallEvent::Finished = event? {
//!         println!("{:?}", call.outputs());
//!     }
//! }
//! # Ok(()) }
//! ```

mod answer;
mod arguments;
mod builtin;
mod client;
mod deadlines;
mod delta;
pub mod diff;
mod endpoint;
mod error;
mod evaluation;
mod evaluator;
mod factory;
mod generation;
mod generator;
mod history;
mod html;
mod inspect;
mod mapping;
mod payload;
mod progress;
mod protocol;
mod provider;
mod reply;
mod role;
mod sessions;
mod settings;
pub mod sse;
pub mod zerogpu;

pub use arguments::Arguments;
pub use builtin::builtin_providers;
pub use client::{Call, CallEvent, CallOptions, ConnectOptions, GradioClient, Login, SpaceRef};
pub use deadlines::{Deadlines, Limits};
pub use endpoint::{Endpoint, Input, Output};
pub use evaluator::SpaceEvaluator;
pub use factory::ZeroGpuFactory;
pub use generator::SpaceGenerator;
pub use inspect::{Inspected, Inspection};
pub use mapping::Mapping;
pub use protocol::ProgressUnit;
pub use provider::quota;
pub use role::Role;
