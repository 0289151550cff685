//! One error for all providers: what happened, who says so, and whether trying again helps.

use std::error::Error as StdError;
use std::fmt;
use std::time::{Duration, SystemTime};

use domain::{Attempt, Capability, ProviderId, Response};
use serde::{Deserialize, Serialize};

/// Why a provider cannot answer now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unavailability {
    /// It sleeps and wakes when asked.
    Asleep,
    /// It is being built or loaded.
    Building,
    /// Its owner stopped it.
    Paused,
    /// It is broken or gone.
    Down,
}

/// What took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimeoutPhase {
    /// Reaching the provider.
    Connect,
    /// Waiting for a place.
    Queue,
    /// Waiting for the first content event.
    FirstEvent,
    /// Waiting for the next event.
    Idle,
    /// The whole call.
    Total,
}

/// What happened. `RateLimited` (seconds: wait and retry) and `QuotaExhausted` (hours: go to the
/// next provider) are different kinds on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request makes no sense to any provider.
    InvalidRequest,
    /// The request makes sense, but not to this provider.
    Unsupported,
    /// No or wrong credentials.
    Unauthenticated,
    /// The credentials do not allow it.
    PermissionDenied,
    /// The model, Space or endpoint does not exist.
    NotFound,
    /// Prompt and answer do not fit the context.
    ContextLengthExceeded,
    /// Nothing is left until the period ends.
    QuotaExhausted,
    /// Too many requests at once.
    RateLimited,
    /// The waiting line is full.
    QueueFull,
    /// It cannot answer now.
    Unavailable(Unavailability),
    /// It took too long.
    Timeout(TimeoutPhase),
    /// The connection failed.
    Network,
    /// The other side said something that makes no sense.
    Protocol,
    /// The caller ended it.
    Cancelled,
    /// The model could not be loaded: missing, damaged or of an unknown kind.
    ModelLoad,
    /// There is not enough memory.
    OutOfMemory,
    /// The configuration is wrong.
    ConfigInvalid,
    /// A fault of textport's own.
    Internal,
}

impl ErrorKind {
    /// The word used in JSON and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Unsupported => "unsupported",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission_denied",
            Self::NotFound => "not_found",
            Self::ContextLengthExceeded => "context_length_exceeded",
            Self::QuotaExhausted => "quota_exhausted",
            Self::RateLimited => "rate_limited",
            Self::QueueFull => "queue_full",
            Self::Unavailable(_) => "unavailable",
            Self::Timeout(_) => "timeout",
            Self::Network => "network",
            Self::Protocol => "protocol",
            Self::Cancelled => "cancelled",
            Self::ModelLoad => "model_load",
            Self::OutOfMemory => "out_of_memory",
            Self::ConfigInvalid => "config_invalid",
            Self::Internal => "internal",
        }
    }

    fn usual_advice(self) -> RetryAdvice {
        match self {
            Self::RateLimited | Self::QueueFull | Self::Network | Self::Unavailable(_) => {
                RetryAdvice::Backoff
            }
            Self::Timeout(_) | Self::Protocol => RetryAdvice::Backoff,
            Self::QuotaExhausted | Self::OutOfMemory | Self::ModelLoad => {
                RetryAdvice::OtherProviderOnly
            }
            Self::Unsupported | Self::ContextLengthExceeded => RetryAdvice::OtherProviderOnly,
            Self::Unauthenticated | Self::PermissionDenied | Self::NotFound => {
                RetryAdvice::OtherProviderOnly
            }
            Self::InvalidRequest | Self::Cancelled | Self::ConfigInvalid | Self::Internal => {
                RetryAdvice::Never
            }
        }
    }
}

/// Whether trying again helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryAdvice {
    /// No.
    Never,
    /// The same provider, after this long.
    After(Duration),
    /// The same provider, from this time on.
    At(SystemTime),
    /// The same provider, after a growing wait.
    Backoff,
    /// Another provider may; this one will not.
    OtherProviderOnly,
}

/// What went wrong. `Display` is one line: what happened. [`Error::hint`] says what to do next.
///
/// ```
/// use textport_ports::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::ModelLoad, "model.gguf ends early")
///     .with_hint("fetch it again: textport models pull");
/// assert_eq!(error.to_string(), "model.gguf ends early");
/// assert_eq!(error.kind(), ErrorKind::ModelLoad);
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    advice: RetryAdvice,
    provider: Option<ProviderId>,
    capability: Option<Capability>,
    partial: Option<Response>,
    attempts: Vec<Attempt>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error with the advice that is usual for its kind. The message must hold no secret.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            hint: None,
            advice: kind.usual_advice(),
            provider: None,
            capability: None,
            partial: None,
            attempts: Vec::new(),
            source: None,
        }))
    }

    /// `provider` lacks `capability`.
    pub fn unsupported(provider: ProviderId, capability: Capability) -> Self {
        let message = format!("provider {provider} does not support {}", capability.as_str());
        let mut error = Self::new(ErrorKind::Unsupported, message)
            .with_provider(provider)
            .with_hint("leave it out, or ask another provider");
        error.0.capability = Some(capability);
        error
    }

    /// Says what to do next, in one line.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Replaces the usual advice.
    #[must_use]
    pub fn with_advice(mut self, advice: RetryAdvice) -> Self {
        self.0.advice = advice;
        self
    }

    /// Names the provider, unless one is named already: the innermost knows best.
    #[must_use]
    pub fn with_provider(mut self, provider: ProviderId) -> Self {
        self.0.provider.get_or_insert(provider);
        self
    }

    /// Keeps what was generated before the error.
    #[must_use]
    pub fn with_partial(mut self, partial: Response) -> Self {
        if partial.has_content() {
            self.0.partial = Some(partial);
        }
        self
    }

    /// Lists the tries that led here.
    #[must_use]
    pub fn with_attempts(mut self, attempts: Vec<Attempt>) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// Keeps the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What happened.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What to do next, in one line.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Whether trying again helps.
    pub fn advice(&self) -> RetryAdvice {
        self.0.advice
    }

    /// Who failed.
    pub fn provider(&self) -> Option<&ProviderId> {
        self.0.provider.as_ref()
    }

    /// What was lacking, for [`ErrorKind::Unsupported`].
    pub fn capability(&self) -> Option<Capability> {
        self.0.capability
    }

    /// What was generated before the error.
    pub fn partial(&self) -> Option<&Response> {
        self.0.partial.as_ref()
    }

    /// The tries that led here; empty when there was one.
    pub fn attempts(&self) -> &[Attempt] {
        &self.0.attempts
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        let mut out = f.debug_struct("Error");
        out.field("kind", &inner.kind).field("message", &inner.message);
        out.field("advice", &inner.advice).field("provider", &inner.provider);
        if let Some(hint) = &inner.hint {
            out.field("hint", hint);
        }
        if !inner.attempts.is_empty() {
            out.field("attempts", &inner.attempts);
        }
        // The partial answer is the user's text: its size is enough here.
        if let Some(partial) = &inner.partial {
            out.field("partial_chars", &partial.text.chars().count());
        }
        if let Some(source) = &inner.source {
            out.field("source", source);
        }
        out.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_provider_is_kept() {
        let inner = ProviderId::new("inner").unwrap();
        let error = Error::new(ErrorKind::Network, "reset")
            .with_provider(inner.clone())
            .with_provider(ProviderId::new("outer").unwrap());
        assert_eq!(error.provider(), Some(&inner));
    }

    #[test]
    fn quota_and_rate_limit_advise_differently() {
        let advice = |kind| Error::new(kind, "").advice();
        assert_eq!(advice(ErrorKind::QuotaExhausted), RetryAdvice::OtherProviderOnly);
        assert_eq!(advice(ErrorKind::RateLimited), RetryAdvice::Backoff);
    }

    #[test]
    fn debug_shows_the_size_of_a_partial_answer_not_its_text() {
        let partial = Response { text: "private".into(), ..Response::default() };
        let debug = format!("{:?}", Error::new(ErrorKind::Network, "reset").with_partial(partial));
        assert!(debug.contains("partial_chars: 7") && !debug.contains("private"), "{debug}");
    }

    #[test]
    fn an_error_is_one_pointer_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
