//! One generation: the events of a call as the events of the port.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use domain::{Event, Finish, FinishReason, ModelId, Notice, NoticeKind, ProviderId, Timings};
use ports::{Error, ErrorKind};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::client::{Call, CallEvent};
use crate::generator::Learned;
use crate::history::Dialect;
use crate::payload::Conversation;
use crate::progress::Reports;
use crate::sessions::Known;

/// The reason of an end that nobody gave one for.
const UNTOLD: &str = "unknown";

/// A call that is still on its way into the queue, because its Space has to wake first.
pub(crate) type Opening = Pin<Box<dyn Future<Output = Result<Call, Error>> + Send>>;

/// Where the call is.
pub(crate) enum Stage {
    /// On its way; what is waited for comes beside it.
    Opening(Opening, UnboundedReceiver<String>),
    /// In the queue or running.
    Open(Box<Call>),
    /// Ended; what is pending is all that comes.
    Over,
}

/// What a generation is about.
pub(crate) struct About {
    pub(crate) provider: ProviderId,
    pub(crate) model: Option<ModelId>,
    /// The output that holds the answer.
    pub(crate) output: usize,
    /// The Space keeps this conversation itself.
    pub(crate) keeps: Option<Conversation>,
    pub(crate) learned: Arc<Learned>,
    /// When the caller asked.
    pub(crate) submitted: Instant,
}

/// A generation in progress; dropping it ends the job.
pub(crate) struct Generation {
    stage: Stage,
    about: About,
    answer: Answer,
    /// The answer is given out at the end only: an error has to bring what there was of it.
    final_only: bool,
    pending: VecDeque<Event>,
    reports: Reports,
    started: Option<Instant>,
    first: Option<Instant>,
}

impl Generation {
    pub(crate) fn new(
        stage: Stage,
        about: About,
        answer: Answer,
        notices: Vec<Notice>,
        final_only: bool,
    ) -> Self {
        Self {
            stage,
            about,
            answer,
            final_only,
            pending: notices.into_iter().map(Event::Notice).collect(),
            reports: Reports::default(),
            started: None,
            first: None,
        }
    }

    /// The next event; `None` after the last one or an error.
    pub(crate) async fn next(&mut self) -> Option<Result<Event, Error>> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(Ok(self.noted(event)));
            }
            let step = match &mut self.stage {
                Stage::Over => return None,
                Stage::Opening(opening, notices) => tokio::select! {
                    biased;
                    Some(notice) = notices.recv() => {
                        return Some(Ok(Event::Notice(Notice::new(NoticeKind::Info, notice))));
                    }
                    opened = opening => opened.map(|call| self.stage = Stage::Open(Box::new(call))),
                },
                Stage::Open(call) => match call.next().await {
                    Some(Ok(event)) => self.take(event),
                    Some(Err(error)) => Err(error),
                    None => Err(crate::error::protocol("the call ended without a result")),
                },
            };
            if let Err(error) = step {
                self.stage = Stage::Over;
                self.pending.clear();
                let error = error.with_provider(self.about.provider.clone());
                if self.final_only {
                    return Some(Err(error.with_partial(self.answer.clone().partial())));
                }
                return Some(Err(error));
            }
        }
    }

    /// Keeps the time of the first content.
    fn noted(&mut self, event: Event) -> Event {
        if event.is_content() {
            self.first.get_or_insert_with(Instant::now);
        }
        event
    }

    fn take(&mut self, event: CallEvent) -> Result<(), Error> {
        match event {
            CallEvent::Queued { position, eta, .. } => {
                let eta = eta.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                self.pending.push_back(Event::Queued { position, eta });
            }
            CallEvent::Started { .. } => self.start(),
            CallEvent::Progress { units } => {
                let now = Instant::now();
                if let Some(report) = self.reports.of(&units, now) {
                    self.pending.push_back(Event::Notice(Notice::new(NoticeKind::Info, report)));
                }
            }
            CallEvent::Log { level, title, message } => {
                self.pending.push_back(Event::Notice(notice(&level, title.as_deref(), &message)));
            }
            CallEvent::Partial => {
                self.start();
                if let Stage::Open(call) = &self.stage
                    && let Some(value) = call.outputs().get(self.about.output)
                {
                    self.answer.grow(value, &mut self.pending);
                }
                if self.answer.stopped() {
                    // Dropping the call ends the job: nobody wants the rest.
                    self.finish();
                }
            }
            CallEvent::Finished => return self.end(),
        }
        Ok(())
    }

    fn start(&mut self) {
        if self.started.is_none() {
            self.started = Some(Instant::now());
            let (provider, model) = (self.about.provider.clone(), self.about.model.clone());
            self.pending.push_back(Event::Started { provider, model });
        }
    }

    fn end(&mut self) -> Result<(), Error> {
        self.start();
        let Stage::Open(call) = &self.stage else { return Ok(()) };
        let Some(value) = call.outputs().get(self.about.output) else {
            return Err(crate::error::protocol("the Space gave fewer outputs than it declares"));
        };
        if let Some(dialect) = Dialect::seen_in(value) {
            self.about.learned.learn_dialect(dialect);
        }
        if call.lost_track() {
            self.about.learned.distrust_diffs();
        }
        let session = call.session().to_owned();
        if self.answer.end(value, &mut self.pending).is_err() {
            self.about.learned.take_whole();
            let message = "the Space rewrote text that it had already streamed";
            return Err(Error::new(ErrorKind::Protocol, message).with_hint(
                "its answers are taken whole from now on: ask again, or set `stream = false`",
            ));
        }
        if let (Some(conversation), false) = (self.about.keeps.take(), self.answer.stopped()) {
            let known = Known::after(&conversation, self.answer.given());
            self.about.learned.keep_session(known, session);
        }
        self.finish();
        Ok(())
    }

    /// A Space does not say why its model stopped; only what a stop sequence ended is known here.
    fn finish(&mut self) {
        self.stage = Stage::Over;
        let now = Instant::now();
        // What comes with the last message has not been handed out yet.
        let first =
            self.first.or_else(|| self.pending.iter().any(Event::is_content).then_some(now));
        let since = self.about.submitted;
        let timings = Timings {
            queue: self.started.map(|started| started - since),
            first_token: first.map(|first| first - since),
            total: Some(now - since),
            ..Timings::default()
        };
        let reason = match self.answer.stopped() {
            true => FinishReason::Stop,
            false => FinishReason::Other(UNTOLD.to_owned()),
        };
        self.pending.push_back(Event::Finish(Finish { reason, timings }));
    }
}

fn notice(level: &str, title: Option<&str>, message: &str) -> Notice {
    let kind = match level {
        "warning" | "error" => NoticeKind::Warning,
        _ => NoticeKind::Info,
    };
    // Gradio's own titles repeat the level and say nothing.
    let title = title.filter(|title| !title.eq_ignore_ascii_case(level) && !title.is_empty());
    match title {
        Some(title) => Notice::new(kind, format!("{title}: {message}")),
        None => Notice::new(kind, message),
    }
}
