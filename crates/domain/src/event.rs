//! What a generation tells while it runs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Attempt, ModelId, ProviderId, TokenLogprob, Usage};

/// One step of a generation. A stream is any of these, then exactly one [`Event::Finish`] or one
/// error, then nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// Waiting for a place to run.
    Queued {
        /// Requests ahead of this one, where known.
        position: Option<u32>,
        /// Time until it starts, where known.
        #[serde(rename = "eta_s", with = "seconds")]
        eta: Option<Duration>,
    },
    /// Work has begun at the provider named here; after a fallback the last one counts.
    Started {
        /// Who answers.
        provider: ProviderId,
        /// With what, where known.
        model: Option<ModelId>,
    },
    /// New text of the model's reasoning. Never part of the answer.
    Reasoning(String),
    /// New text of the answer: whole characters, stop sequences excluded.
    Text(String),
    /// A generated token with its log-probabilities, when they were asked for.
    Token(TokenLogprob),
    /// Something a person may want to know.
    Notice(Notice),
    /// Token counts; a later one replaces an earlier one.
    Usage(Usage),
    /// The end.
    Finish(Finish),
}

impl Event {
    /// Whether this is part of what was generated. A provider is committed to at its first one.
    pub fn is_content(&self) -> bool {
        matches!(self, Event::Reasoning(_) | Event::Text(_) | Event::Token(_))
    }
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoticeKind {
    /// For information.
    Info,
    /// Something is not as it should be, but the answer goes on.
    Warning,
    /// An attempt failed and is made again.
    Retry,
    /// A provider failed and the next one is asked.
    Fallback,
}

/// Something a person may want to know; never part of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What it is about.
    pub kind: NoticeKind,
    /// One line.
    pub message: String,
    /// The try that failed, for [`NoticeKind::Retry`] and [`NoticeKind::Fallback`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
}

impl Notice {
    /// A notice that is about no attempt.
    pub fn new(kind: NoticeKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), attempt: None }
    }

    /// A notice about a try that failed.
    pub fn failed(kind: NoticeKind, message: impl Into<String>, attempt: Attempt) -> Self {
        Self { kind, message: message.into(), attempt: Some(attempt) }
    }
}

/// Why a generation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FinishReason {
    /// The model ended it, or a stop sequence did.
    Stop,
    /// `max_tokens` or the context length was reached.
    Length,
    /// The model calls tools.
    ToolCalls,
    /// The provider withheld the rest.
    ContentFilter,
    /// Another reason, in the provider's word.
    Other(String),
}

impl FinishReason {
    /// OpenAI's spelling.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Other(word) => word,
        }
    }
}

/// Where the time went, as the provider measured it; absent where it did not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// Waiting for a place.
    #[serde(
        rename = "queue_s",
        with = "seconds",
        skip_serializing_if = "Option::is_none",
        default
    )]
    pub queue: Option<Duration>,
    /// Computing the prompt.
    #[serde(
        rename = "prefill_s",
        with = "seconds",
        skip_serializing_if = "Option::is_none",
        default
    )]
    pub prefill: Option<Duration>,
    /// From submitting to the first content event.
    #[serde(rename = "ttft_s", with = "seconds", skip_serializing_if = "Option::is_none", default)]
    pub first_token: Option<Duration>,
    /// Generating, after the first token.
    #[serde(
        rename = "decode_s",
        with = "seconds",
        skip_serializing_if = "Option::is_none",
        default
    )]
    pub decode: Option<Duration>,
    /// From submitting to the end.
    #[serde(
        rename = "total_s",
        with = "seconds",
        skip_serializing_if = "Option::is_none",
        default
    )]
    pub total: Option<Duration>,
}

/// How a generation ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finish {
    /// Why.
    pub reason: FinishReason,
    /// Where the time went.
    #[serde(default)]
    pub timings: Timings,
}

impl Finish {
    /// An end without timings.
    pub fn new(reason: FinishReason) -> Self {
        Self { reason, timings: Timings::default() }
    }
}

/// Durations on the wire are seconds as a number.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(duration) => s.serialize_some(&duration.as_secs_f64()),
            None => s.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<Duration>, D::Error> {
        let Some(seconds) = Option::<f64>::deserialize(d)? else { return Ok(None) };
        Duration::try_from_secs_f64(seconds).map(Some).map_err(serde::de::Error::custom)
    }
}
