//! The nouns of text generation, in one page: what is asked for ([`Request`], [`Message`],
//! [`GenerationOptions`]), what comes back ([`Event`], [`Response`]) and what a provider says of
//! itself ([`Capabilities`], [`ProviderInfo`], [`Health`], [`Quota`]).
//!
//! Nothing here does IO, waits, or reads a clock; a test of the workspace holds it to that.
//!
//! ```
//! use textport_domain::{Event, Finish, FinishReason, Request, Response};
//!
//! let request = Request::user("What is a port?").with_max_tokens(64);
//! assert!(request.validate().is_ok());
//!
//! let mut response = Response::default();
//! response.absorb(Event::Text("A trait.".into()));
//! response.absorb(Event::Finish(Finish::new(FinishReason::Stop)));
//! assert_eq!(response.text, "A trait.");
//! ```

mod capabilities;
mod event;
mod id;
mod message;
mod options;
mod provider;
mod reasoning;
mod request;
mod response;
mod stop;

pub use capabilities::{Capabilities, Capability};
pub use event::{Event, Finish, FinishReason, Notice, NoticeKind, Timings};
pub use id::{InvalidId, ModelId, ProviderId};
pub use message::{Message, Role};
pub use options::{GenerationOptions, InvalidOption, Think};
pub use provider::{Health, HealthState, ProviderInfo, Quota};
pub use reasoning::{ReasoningSplitter, Segment, THINK_CLOSE, THINK_OPEN};
pub use request::{InvalidRequest, Prompt, Request};
pub use response::{Attempt, Response, TokenLogprob, TopLogprob, Usage};
pub use stop::{StopMatcher, Stopped};
