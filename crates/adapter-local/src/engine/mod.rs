//! One thread per loaded model: requests go in, events come out.
//!
//! Scheduling (this module and `worker`) is apart from the state of a request (`generation`), which
//! is apart from the computation (`crate::decoder`). Serving several sequences at once changes
//! `worker` and `sequence`, nothing else.

mod generation;
mod sequence;
mod stream;
mod worker;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use domain::{Event, ModelId, ProviderId};
use ports::{Error, ErrorKind, EventStream};
use tokio::sync::mpsc::{self, Sender, error::TrySendError};

use crate::decoder::Decoder;
use crate::prompt::Prompter;

pub(crate) use generation::Task;
use sequence::Sequence;
use stream::Events;
use worker::{Job, Signature, Work, Worker};

/// Events that wait for a reader before its generation pauses.
const EVENTS_AHEAD: usize = 64;
/// Requests that wait for the engine before it refuses more.
const LONGEST_LINE: usize = 4096;

/// A place in the line or at work; dropping it frees it.
#[derive(Debug)]
struct Place(Arc<AtomicUsize>);

impl Place {
    /// Takes one, and says how many were taken before.
    fn take(taken: &Arc<AtomicUsize>) -> (Self, usize) {
        let before = taken.fetch_add(1, Ordering::SeqCst);
        (Self(Arc::clone(taken)), before)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The door to the thread. Its thread ends when this and all streams are dropped.
#[derive(Debug)]
pub(crate) struct Engine {
    jobs: Sender<Job>,
    taken: Arc<AtomicUsize>,
    next_id: AtomicU64,
}

impl Engine {
    /// Starts the thread.
    pub(crate) fn start(
        decoder: Box<dyn Decoder>,
        prompter: Arc<Prompter>,
        provider: ProviderId,
        model: Option<ModelId>,
    ) -> Result<Self, Error> {
        let failed = |error: std::io::Error| {
            let message = format!("the engine's thread could not be started: {error}");
            Error::new(ErrorKind::Internal, message).with_source(error)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(failed)?;
        let (jobs, receiver) = mpsc::channel(LONGEST_LINE);
        let worker = Worker {
            jobs: receiver,
            line: VecDeque::new(),
            sequence: Sequence::new(decoder),
            prompter,
            signature: Signature { provider, model },
            runtime,
        };
        let thread = std::thread::Builder::new().name("textport-engine".into());
        thread.spawn(move || worker.run()).map_err(failed)?;
        Ok(Self { jobs, taken: Arc::default(), next_id: AtomicU64::new(0) })
    }

    /// Puts a request in the line.
    pub(crate) fn submit(&self, task: Task) -> Result<EventStream, Error> {
        let (events, receiver) = mpsc::channel(EVENTS_AHEAD);
        let (place, before) = Place::take(&self.taken);
        if before > 0 {
            let position = u32::try_from(before).ok();
            let _ = events.try_send(Ok(Event::Queued { position, eta: None }));
        }
        let job = Job {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            work: Work::Waiting { task: Some(task), told: before },
            events,
            _place: place,
        };
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => {
                let message = format!("{LONGEST_LINE} requests are waiting already");
                Error::new(ErrorKind::QueueFull, message)
            }
            TrySendError::Closed(_) => stream::stopped(),
        })?;
        Ok(Box::pin(Events::new(receiver)))
    }

    /// Whether the thread lives.
    pub(crate) fn is_alive(&self) -> bool {
        !self.jobs.is_closed()
    }

    /// Requests in the line and at work.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }
}
