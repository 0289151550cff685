//! Layers: each is a [`TextGenerator`](ports::TextGenerator) around another one.
//!
//! Put together from the inside out: [`Retry`] around a provider, [`Fallback`] over several,
//! [`Deadline`] around the whole. There is one deadline and one budget of attempts for a call, so
//! retries never multiply.
//!
//! A provider is committed to at its first content event. Before that a failed attempt may be
//! followed by another one, and a notice says so; after it the error is the caller's, because a
//! half-printed answer is never continued by somebody else.

mod deadline;
mod fallback;
mod lazy;
mod retry;

pub use deadline::Deadline;
pub use fallback::Fallback;
pub use lazy::Lazy;
pub use retry::{Retry, RetryPolicy};
