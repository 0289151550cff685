//! One call, from the queue to its last message.

use std::time::{Duration, SystemTime};

use ports::{Error, ErrorKind, RetryAdvice, TimeoutPhase, Unavailability};
use reqwest::Response;
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::cancel::{CancelOnDrop, LONGEST_FAREWELL, Reached};
use crate::diff::Outputs;
use crate::error;
use crate::protocol::{Addressed, LogLine, Message, ProgressUnit};
use crate::sse::SseDecoder;
use crate::zerogpu::{self, Circumstances};

/// What a call tells while it runs. The values themselves are [`Call::outputs`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum CallEvent {
    /// It waits.
    Queued {
        /// Jobs ahead of it.
        position: Option<u32>,
        /// Jobs that wait.
        queue_size: Option<u32>,
        /// Seconds until the answer, as the server guesses.
        eta: Option<f64>,
    },
    /// The work has begun.
    Started {
        /// Seconds until the answer, as the server guesses.
        eta: Option<f64>,
    },
    /// How far the work has come.
    Progress {
        /// One line per bar; the last is the innermost.
        units: Vec<ProgressUnit>,
    },
    /// The app says something.
    Log {
        /// `info`, `warning`, `success` or `error`.
        level: String,
        /// Often absent.
        title: Option<String>,
        /// What it says, without markup.
        message: String,
    },
    /// The outputs have grown; these are not the last ones.
    Partial,
    /// The outputs are whole. Nothing follows.
    Finished,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Queued,
    Started,
    Streaming,
    Over,
}

/// A call in progress. Dropping it ends the job on the server.
pub struct Call {
    guard: CancelOnDrop,
    /// Absent once the stream is given up.
    response: Option<Response>,
    decoder: SseDecoder,
    received: u64,
    outputs: Outputs,
    dialect: Dialect,
    phase: Phase,
    submitted: Instant,
    last_bytes: Instant,
    last_life: Instant,
}

/// How the server of this call speaks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    /// Intermediate values are diffs.
    pub(super) diffs: bool,
    /// Errors are Python representations in quotes.
    pub(super) quoted_errors: bool,
    /// A token went with the call.
    pub(super) has_token: bool,
}

impl Call {
    pub(super) fn new(mut guard: CancelOnDrop, response: Response, dialect: Dialect) -> Self {
        let now = Instant::now();
        guard.reached = Reached::Listening;
        let limit = guard.job().transport.limits().event;
        Self {
            guard,
            response: Some(response),
            decoder: SseDecoder::new(limit),
            received: 0,
            outputs: Outputs::default(),
            dialect,
            phase: Phase::Queued,
            submitted: now,
            last_bytes: now,
            last_life: now,
        }
    }

    /// The next event; `None` after the last one or an error.
    pub async fn next(&mut self) -> Option<Result<CallEvent, Error>> {
        loop {
            self.response.as_ref()?;
            let step = match self.decoder.next_frame() {
                Some(Ok(frame)) => self.take(&frame.data),
                Some(Err(fault)) => Err(error::protocol(format!("{}: {fault}", self.host()))),
                None => self.read().await.map(|()| None),
            };
            match step {
                Ok(None) => {}
                Ok(Some(CallEvent::Finished)) => {
                    self.leave();
                    return Some(Ok(CallEvent::Finished));
                }
                Ok(Some(event)) => return Some(Ok(event)),
                Err(error) => {
                    self.response = None;
                    self.guard.job().transport.suspect_after(&error);
                    return Some(Err(self.judged(error)));
                }
            }
        }
    }

    /// The outputs so far, or all of them once the call has finished; state is `null`.
    pub fn outputs(&self) -> &[Value] {
        self.outputs.values()
    }

    /// Whether an intermediate value could not be followed: the final one is right all the same.
    pub fn lost_track(&self) -> bool {
        self.outputs.broken().is_some()
    }

    /// The server's name for this job.
    pub fn event_id(&self) -> &str {
        &self.guard.job().event_id
    }

    /// The session that the server keeps state under.
    pub fn session(&self) -> &str {
        &self.guard.job().session
    }

    /// Ends the job on the server and waits until the server knows.
    pub async fn cancel(mut self) {
        let reached = std::mem::replace(&mut self.guard.reached, Reached::Ended);
        // A job that has begun is ended first and left then, so that a plain function's place is
        // free at once; a waiting one goes when its listener does.
        if reached == Reached::Listening {
            self.response = None;
        }
        self.guard.job().end(reached).await;
    }

    fn host(&self) -> String {
        self.guard.job().transport.host()
    }

    /// Reads more bytes, within whichever deadline comes first.
    async fn read(&mut self) -> Result<(), Error> {
        let (deadline, limit, phase, what) = self.deadline();
        let host = self.host();
        let Some(response) = &mut self.response else { return Ok(()) };
        let transport = &self.guard.job().transport;
        let chunk = timeout_at(deadline, transport.chunk(response))
            .await
            .map_err(|_| error::timed_out(phase, limit, &format!("{host} {what}")))??;
        let Some(chunk) = chunk else {
            return Err(Error::new(ErrorKind::Network, format!("{host} ended the stream early")));
        };
        self.received += chunk.as_ref().len() as u64;
        if self.received > transport.limits().stream {
            return Err(error::protocol(format!("{host} streams without end")));
        }
        self.last_bytes = Instant::now();
        self.decoder.push(chunk.as_ref());
        Ok(())
    }

    fn deadline(&self) -> (Instant, Duration, TimeoutPhase, &'static str) {
        let limits = &self.guard.job().transport.deadlines;
        let (since, limit, phase, what) = match self.phase {
            Phase::Queued => {
                (self.submitted, limits.queue, TimeoutPhase::Queue, "let the call wait")
            }
            Phase::Started => {
                (self.last_life, limits.first_event, TimeoutPhase::FirstEvent, "computed silently")
            }
            Phase::Streaming | Phase::Over => {
                (self.last_life, limits.idle, TimeoutPhase::Idle, "sent nothing new")
            }
        };
        let silent = self.last_bytes + limits.silence;
        if silent < since + limit {
            return (silent, limits.silence, TimeoutPhase::Idle, "has been silent");
        }
        (since + limit, limit, phase, what)
    }

    /// Takes one message; `None` for those that tell the caller nothing.
    fn take(&mut self, data: &str) -> Result<Option<CallEvent>, Error> {
        let Some(Addressed { event_id, message }) = Addressed::parse(data) else {
            return Err(error::protocol(format!("{} sent an event that is no JSON", self.host())));
        };
        if event_id.is_some_and(|id| id != self.event_id()) {
            return Ok(None);
        }
        if !matches!(message, Message::Heartbeat | Message::Unknown) {
            self.last_life = Instant::now();
        }
        Ok(Some(match message {
            Message::Estimation { rank, queue_size, eta } => {
                CallEvent::Queued { position: rank, queue_size, eta }
            }
            Message::Started { eta } => {
                self.phase = Phase::Started;
                self.guard.reached = Reached::Begun;
                CallEvent::Started { eta }
            }
            Message::Progress(units) => CallEvent::Progress { units },
            Message::Log(line) => log(line),
            Message::Generating(data) => {
                self.phase = Phase::Streaming;
                self.guard.reached = Reached::Begun;
                if !self.outputs.advance(data, self.dialect.diffs) {
                    return Ok(None);
                }
                CallEvent::Partial
            }
            Message::Completed(data) => {
                self.over();
                self.outputs.finish(data);
                CallEvent::Finished
            }
            Message::Cancelled => {
                self.over();
                let message = format!("the call was cancelled on {}", self.host());
                return Err(Error::new(ErrorKind::Cancelled, message));
            }
            Message::Failed(failure) => {
                self.over();
                return Err(zerogpu::failure(
                    failure.title.as_deref(),
                    failure.text.as_deref(),
                    Circumstances {
                        quoted: self.dialect.quoted_errors,
                        has_token: self.dialect.has_token,
                        now: SystemTime::now(),
                    },
                ));
            }
            Message::Unexpected { message, session_not_found } => {
                return Err(self.given_up(&message, session_not_found));
            }
            Message::CloseStream => {
                return Err(Error::new(
                    ErrorKind::Network,
                    format!("{} closed the stream without a result", self.host()),
                ));
            }
            Message::Heartbeat | Message::Unknown => return Ok(None),
        }))
    }

    fn over(&mut self) {
        self.phase = Phase::Over;
        self.guard.reached = Reached::Ended;
    }

    fn given_up(&self, message: &str, session_not_found: bool) -> Error {
        let host = self.host();
        if session_not_found {
            let message = format!("{host} does not know the call any more");
            return Error::new(ErrorKind::Network, message)
                .with_hint("the Space was restarted, or its replicas do not share their queue");
        }
        if message.to_ascii_lowercase().contains("queue is full") {
            return Error::new(ErrorKind::QueueFull, format!("the queue of {host} is full"))
                .with_hint("try again in a moment, or use another provider");
        }
        let message = crate::html::one_line(&crate::html::plain(message));
        Error::new(ErrorKind::Unavailable(Unavailability::Building), format!("{host}: {message}"))
            .with_hint("it is restarting: try again in a minute")
    }

    /// Work that had begun is never repeated by itself: its GPU time is spent.
    fn judged(&self, error: Error) -> Error {
        let cut = matches!(
            error.kind(),
            ErrorKind::Network | ErrorKind::Protocol | ErrorKind::Timeout(_)
        );
        let begun = matches!(self.phase, Phase::Started | Phase::Streaming);
        if cut && begun { error.with_advice(RetryAdvice::OtherProviderOnly) } else { error }
    }

    /// After the last message the server ends the response by itself: reading that far lets the
    /// next call use the connection again.
    fn leave(&mut self) {
        let Some(mut response) = self.response.take() else { return };
        tokio::spawn(tokio::time::timeout(LONGEST_FAREWELL, async move {
            while let Ok(Some(_)) = response.chunk().await {}
        }));
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("event_id", &self.event_id())
            .field("phase", &self.phase)
            .finish()
    }
}

fn log(line: LogLine) -> CallEvent {
    let plain = |text: &str| crate::html::one_line(&crate::html::plain(text));
    CallEvent::Log {
        level: line.level,
        title: line.title.as_deref().map(plain),
        message: plain(&line.text),
    }
}
