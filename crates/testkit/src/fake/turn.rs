//! One scripted answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::Event;
use ports::Error;

use super::pieces;

type MakeError = Arc<dyn Fn() -> Error + Send + Sync>;

/// What a fake does for one request, step by step; then it finishes.
///
/// ```
/// use std::time::Duration;
/// use textport_testkit::Turn;
/// # use ports::*;
///
/// let turn = Turn::new()
///     .reasoning("a greeting")
///     .text("Good")
///     .wait(Duration::from_secs(2))
///     .text(" morning")
///     .failing(|| Error::new(ErrorKind::Network, "reset"));
/// # let _ = turn;
/// ```
#[derive(Clone, Default)]
pub struct Turn {
    pub(super) steps: Vec<Step>,
    pub(super) refusal: Option<MakeError>,
}

#[derive(Clone)]
pub(super) enum Step {
    Text(String),
    Reasoning(String),
    Event(Event),
    Wait(Duration),
    Stall,
    Fail(MakeError),
    Panic(String),
}

impl Turn {
    /// A turn that finishes at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// A turn that fails before its first event.
    pub fn refusing(error: impl Fn() -> Error + Send + Sync + 'static) -> Self {
        Self { steps: Vec::new(), refusal: Some(Arc::new(error)) }
    }

    /// Answers with this text, token by token: words, long ones in pieces of four characters.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.steps.extend(pieces::of(text).map(|token| Step::Text(token.to_owned())));
        self
    }

    /// Thinks this, token by token.
    #[must_use]
    pub fn reasoning(mut self, text: &str) -> Self {
        self.steps.extend(pieces::of(text).map(|token| Step::Reasoning(token.to_owned())));
        self
    }

    /// Gives an event as it stands.
    #[must_use]
    pub fn event(self, event: Event) -> Self {
        self.step(Step::Event(event))
    }

    /// Waits.
    #[must_use]
    pub fn wait(self, time: Duration) -> Self {
        self.step(Step::Wait(time))
    }

    /// Never goes on.
    #[must_use]
    pub fn stalling(self) -> Self {
        self.step(Step::Stall)
    }

    /// Ends with an error.
    #[must_use]
    pub fn failing(self, error: impl Fn() -> Error + Send + Sync + 'static) -> Self {
        self.step(Step::Fail(Arc::new(error)))
    }

    /// Panics, as a faulty adapter would.
    #[must_use]
    pub fn panicking(self, message: impl Into<String>) -> Self {
        self.step(Step::Panic(message.into()))
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("steps", &self.steps.len()).finish_non_exhaustive()
    }
}
