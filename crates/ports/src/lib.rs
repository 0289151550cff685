//! The two ports of textport, and the contract behind them.
//!
//! An application asks a [`TextGenerator`]; a [`ProviderFactory`] builds one from configuration.
//! Adapters implement both; layers implement [`TextGenerator`] around another one.
//!
//! # The contract
//!
//! Every clause is one named case of the conformance suite in `textport-testkit`, and every
//! adapter, layer and fake runs it.
//!
//! 1. **Order.** A stream is any of `Queued`, `Started`, `Reasoning`, `Text`, `Token`, `Notice`,
//!    `Usage`, then exactly one `Finish`, or one error, then nothing.
//! 2. **Text.** The deltas joined are the text. Each delta is whole characters and none is empty.
//! 3. **Stop sequences** end the text and are no part of it, also when one arrives in pieces.
//! 4. **`max_tokens`** reached ends with `FinishReason::Length`, and no more tokens were generated.
//! 5. **Unsupported** options and prompts are refused with [`ErrorKind::Unsupported`] before the
//!    first delta: never ignored, never clamped.
//! 6. **Invalid** requests are refused with [`ErrorKind::InvalidRequest`] before the first delta.
//! 7. **Repeats.** Greedy and seeded runs repeat where the capabilities say so.
//! 8. **Dropping the stream** ends the work and frees its place promptly.
//! 9. **Usage** that is unknown is absent, never zero.
//! 10. **Reasoning** never leaks into the text.
//! 11. **Content is data.** Control tokens inside messages are plain text to the model.
//! 12. **Batches** give one result per request, in order; one failure never loses the others.
//! 13. **`generate`** equals the folded stream.
//! 14. **Errors** name the provider and say whether trying again helps; a prompt longer than the
//!     context is [`ErrorKind::ContextLengthExceeded`] before any work. Embeddings are vectors or
//!     [`ErrorKind::Unsupported`].
//! 15. **Concurrent** streams do not disturb each other.
//!
//! # A provider in thirty lines
//!
//! ```
//! use async_trait::async_trait;
//! use domain::*; // the package textport-domain
//! use textport_ports::*;
//!
//! /// Answers with the last message.
//! #[derive(Debug)]
//! struct Parrot(ProviderInfo, Capabilities);
//!
//! #[async_trait]
//! impl TextGenerator for Parrot {
//!     fn info(&self) -> &ProviderInfo { &self.0 }
//!     fn capabilities(&self) -> &Capabilities { &self.1 }
//!     async fn stream(&self, request: Request) -> Result<EventStream, Error> {
//!         accept(self, &request)?;
//!         let Prompt::Messages(messages) = request.prompt else { unreachable!("accept refused it") };
//!         let text = messages.last().map(|m| m.content.clone()).unwrap_or_default();
//!         let events = [
//!             Event::Started { provider: self.0.id.clone(), model: None },
//!             Event::Text(text),
//!             Event::Finish(Finish::new(FinishReason::Stop)),
//!         ];
//!         Ok(Box::pin(futures_util::stream::iter(events.into_iter().map(Ok))))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let info = ProviderInfo { id: ProviderId::new("parrot")?, kind: "parrot".into(), model: None };
//! let parrot = Parrot(info, Capabilities::of([]));
//! let answer = parrot.generate(Request::user("hello")).await?;
//! assert_eq!(answer.text, "hello");
//! # Ok(()) }
//! ```

mod error;
mod evaluator;
mod factory;
mod secret;
mod text_generator;

pub use error::{Error, ErrorKind, RetryAdvice, TimeoutPhase, Unavailability};
pub use evaluator::{
    EvaluationEvent, EvaluationRequest, EvaluationResult, EvaluationStream, Evaluator, SampleResult,
};
pub use factory::{BuildContext, Progress, ProviderFactory, ProviderSpec, Setting};
pub use secret::{Secret, SecretRef};
pub use text_generator::{EventStream, TextGenerator, accept};
