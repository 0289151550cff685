//! What can be done to an answer.

use std::time::Duration;

use super::Answer;

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As if the answer were complete.
    Complete,
    /// Closed without the end of the answer: what a killed server does.
    Closed,
    /// Reset.
    Reset,
    /// Not at all: the connection stays open and nothing comes.
    Silence,
    /// Not at all: heartbeats come, and nothing else.
    Heartbeats,
}

/// What is done to one answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing.
    Pass,
    /// The request reaches nobody and the connection is reset.
    ResetBeforeHead,
    /// The server's status and headers arrive, then the connection is reset.
    ResetAfterHead,
    /// The server's answer arrives up to and with the first occurrence of a text.
    Cut {
        /// The text; empty for the very beginning of the body.
        after: String,
        /// What comes then.
        end: End,
    },
    /// The server's answer arrives in pieces of so many bytes, each in a packet of its own.
    Drip {
        /// Size of a piece.
        bytes: usize,
        /// Between two pieces.
        pause: Duration,
    },
    /// Another answer, without asking the server.
    Instead(Answer),
    /// Another answer after a time, without asking the server.
    Late(Duration, Answer),
    /// Another answer whose body is cut at its end in this way, without asking the server.
    InsteadThen(Answer, End),
    /// Status and headers come byte by byte and never end.
    EndlessHead(Duration),
    /// The body repeats for ever, without asking the server.
    EndlessBody(Answer, Duration),
}

impl Fault {
    /// The server's answer arrives up to and with the first `after`.
    pub fn cut_after(after: &str, end: End) -> Self {
        Self::Cut { after: after.to_owned(), end }
    }

    /// Each byte in a packet of its own.
    pub fn byte_by_byte() -> Self {
        Self::Drip { bytes: 1, pause: Duration::ZERO }
    }
}
