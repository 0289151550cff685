//! One thread per loaded model: requests go in, events come out.
//!
//! | what | module |
//! |---|---|
//! | the line, and when to wait | `worker` |
//! | who gets a sequence and who gives way | `admission`, `prefix_cache` |
//! | one step for everyone at once | `batch`, `schedule` |
//! | several tokens of an answer in one step | `speculation`, `drafts` |
//! | the state of a request | `generation` |
//! | the reading end | `stream` |
//!
//! All of it knows the computation only as [`Decoder`].

mod admission;
mod batch;
mod drafts;
mod generation;
mod prefix_cache;
mod schedule;
mod speculation;
mod stream;
mod worker;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::Event;
use ports::{Error, ErrorKind, EventStream};
use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::mpsc::{self, Sender, error::TrySendError};

use crate::decoder::Decoder;
use crate::error::is_short_of_memory;
use crate::prompt::Prompter;

use batch::Batch;
pub(crate) use drafts::DraftCount;
pub(crate) use generation::Task;
pub(crate) use speculation::Speculation;
use stream::Events;
pub(crate) use worker::Signature;
use worker::{Waiting, Worker};

/// Events that wait for a reader before its generation pauses.
const EVENTS_AHEAD: usize = 64;
/// Requests in the line and at work before the engine refuses more.
pub(crate) const LONGEST_LINE: usize = 4096;

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

/// How much is done at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Most requests that a step continues.
    pub(crate) at_once: usize,
    /// Threads that choose tokens where there are many to choose from.
    pub(crate) threads: usize,
}

/// The door to the thread. Its thread ends when this and all streams are dropped.
#[derive(Debug)]
pub(crate) struct Engine {
    jobs: Sender<Waiting>,
    taken: Arc<AtomicUsize>,
    at_once: usize,
    /// Most tokens that the cache holds.
    positions: usize,
    draft_count: Arc<DraftCount>,
}

impl Engine {
    /// Starts the thread.
    pub(crate) fn start(
        decoder: Box<dyn Decoder>,
        prompter: Arc<Prompter>,
        signature: Signature,
        limits: Limits,
    ) -> Result<Self, Error> {
        let (engine, worker) = Self::with_worker(decoder, prompter, signature, limits)?;
        let thread = std::thread::Builder::new().name("textport-engine".into());
        thread.spawn(move || worker.run()).map_err(not_started)?;
        Ok(engine)
    }

    /// The door, and what the thread will run.
    fn with_worker(
        decoder: Box<dyn Decoder>,
        prompter: Arc<Prompter>,
        signature: Signature,
        limits: Limits,
    ) -> Result<(Self, Worker), Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(not_started)?;
        let (jobs, receiver) = mpsc::channel(LONGEST_LINE);
        let at_once = limits.at_once.clamp(1, decoder.most_sequences().max(1));
        let positions = decoder.free_positions();
        let pool = (at_once > 1 && limits.threads > 1).then(|| pool(limits.threads)).transpose()?;
        let batch = Batch::new(decoder, at_once, pool);
        let draft_count = Arc::clone(&batch.draft_count);
        let worker =
            Worker { jobs: receiver, line: VecDeque::new(), batch, prompter, signature, runtime };
        let engine = Self { jobs, taken: Arc::default(), at_once, positions, draft_count };
        Ok((engine, worker))
    }

    /// Puts a request in the line.
    pub(crate) fn submit(&self, task: Task) -> Result<EventStream, Error> {
        self.check(&task)?;
        let (events, receiver) = mpsc::channel(EVENTS_AHEAD);
        let (place, before) = Place::take(&self.taken);
        if before >= LONGEST_LINE {
            return Err(full());
        }
        let told = (before + 1).saturating_sub(self.at_once);
        if told > 0 {
            let position = u32::try_from(told).ok();
            let _ = events.try_send(Ok(Event::Queued { position, eta: None }));
        }
        let job = Waiting { task, events, told, place };
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => full(),
            TrySendError::Closed(_) => stream::stopped(),
        })?;
        Ok(Box::pin(Events::new(receiver)))
    }

    /// Refuses what could never be answered.
    fn check(&self, task: &Task) -> Result<(), Error> {
        let (prompt, positions) = (task.ids.len(), self.positions);
        if prompt == 0 {
            return Err(Error::new(ErrorKind::InvalidRequest, "the prompt has no tokens"));
        }
        if prompt >= positions {
            let message =
                format!("the prompt has {prompt} tokens, but the KV cache holds {positions}");
            return Err(Error::new(ErrorKind::ContextLengthExceeded, message)
                .with_hint("shorten the prompt, or raise kv_cache_mib"));
        }
        Ok(())
    }

    /// Whether the thread lives.
    pub(crate) fn is_alive(&self) -> bool {
        !self.jobs.is_closed()
    }

    /// Requests in the line and at work.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    /// Most requests that a step continues.
    pub(crate) fn at_once(&self) -> usize {
        self.at_once
    }

    /// What became of drafts since it started.
    pub(crate) fn draft_count(&self) -> &DraftCount {
        &self.draft_count
    }
}

fn pool(threads: usize) -> Result<ThreadPool, Error> {
    let pool = ThreadPoolBuilder::new().num_threads(threads);
    pool.thread_name(|index| format!("textport-sampler-{index}")).build().map_err(not_started)
}

fn not_started(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    let message = format!("the engine's threads could not be started: {error}");
    let failed = match is_short_of_memory(&error) {
        true => Error::new(ErrorKind::OutOfMemory, message)
            .with_hint("ask for fewer threads, or free some memory"),
        false => Error::new(ErrorKind::Internal, message),
    };
    failed.with_source(error)
}

fn full() -> Error {
    let message = format!("{LONGEST_LINE} requests are waiting already");
    Error::new(ErrorKind::QueueFull, message)
}
