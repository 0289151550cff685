//! What can go wrong in a template.

use std::error::Error as StdError;

use minijinja::ErrorKind as Jinja;
use ports::{Error, ErrorKind};

use crate::error::one_line;

/// The template itself said no, in its own words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refusal(pub(super) String);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Cause {
    Refused,
    Exhausted,
    Broken,
    NoThread,
}

/// A template that cannot be used, or not for these messages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct TemplateError {
    cause: Cause,
    message: String,
}

impl TemplateError {
    pub(super) fn new(error: &minijinja::Error) -> Self {
        let place = match error.line() {
            Some(line) => format!("the model's chat template (line {line})"),
            None => "the model's chat template".to_owned(),
        };
        if let Some(refusal) = refusal(error) {
            let message = format!("{place} refuses the conversation: {refusal}");
            return Self { cause: Cause::Refused, message: one_line(&message) };
        }
        if error.kind() == Jinja::OutOfFuel {
            let message = format!("{place} takes too much work for this conversation");
            return Self { cause: Cause::Exhausted, message };
        }
        let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        let message = format!("{place} does not work: {what}");
        Self { cause: Cause::Broken, message: one_line(&message) }
    }

    /// There is no room for the thread that renders.
    pub(super) fn no_thread(error: &std::io::Error) -> Self {
        let message = format!("the chat template's thread could not be started: {error}");
        Self { cause: Cause::NoThread, message }
    }
}

fn refusal(error: &minijinja::Error) -> Option<&Refusal> {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(refusal) = inner.downcast_ref() {
            return Some(refusal);
        }
        cause = inner.source();
    }
    None
}

impl From<TemplateError> for Error {
    fn from(error: TemplateError) -> Self {
        let (kind, hint) = match error.cause {
            Cause::Refused => {
                (ErrorKind::InvalidRequest, "change the messages, or send a raw prompt instead")
            }
            Cause::Exhausted => {
                (ErrorKind::Unsupported, "shorten the conversation, or send a raw prompt instead")
            }
            Cause::NoThread => {
                (ErrorKind::OutOfMemory, "free some memory, or send a raw prompt instead")
            }
            Cause::Broken => {
                (ErrorKind::Unsupported, "send a raw prompt instead, or use another model")
            }
        };
        Self::new(kind, error.to_string()).with_hint(hint).with_source(error)
    }
}
