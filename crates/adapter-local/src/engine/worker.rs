//! The thread that computes: who is served next, and for how long.
//!
//! One generation runs at a time, until it is over or its reader lags behind while others wait;
//! then it goes to the end of the line with all its state, and its tokens are computed again when
//! it comes back (bit for bit the same, see [`crate::decoder::Decoder::forward`]).

use std::collections::VecDeque;
use std::sync::Arc;

use domain::{Event, ModelId, ProviderId};
use futures_util::future::select_all;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::error::{TryRecvError, TrySendError};
use tokio::sync::mpsc::{Receiver, Sender};

use super::Place;
use super::generation::{Generation, Task};
use super::sequence::Sequence;
use super::stream::Item;
use crate::prompt::Prompter;

/// A request in the line.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: u64,
    pub(super) work: Work,
    pub(super) events: Sender<Item>,
    /// Given up when the job is dropped.
    pub(super) _place: Place,
}

/// How far a job is.
#[derive(Debug)]
pub(super) enum Work {
    /// Not begun; its reader was last told this position.
    Waiting { task: Option<Task>, told: usize },
    /// Begun.
    Begun(Box<Generation>),
}

/// Who answers, for the first event.
#[derive(Debug, Clone)]
pub(super) struct Signature {
    pub(super) provider: ProviderId,
    pub(super) model: Option<ModelId>,
}

/// The engine's thread.
pub(super) struct Worker {
    pub(super) jobs: Receiver<Job>,
    pub(super) line: VecDeque<Job>,
    pub(super) sequence: Sequence,
    pub(super) prompter: Arc<Prompter>,
    pub(super) signature: Signature,
    /// Only waits on it; nothing else runs there.
    pub(super) runtime: Runtime,
}

/// What became of a turn.
enum Turn {
    Over,
    Lagging,
}

impl Worker {
    /// Serves until the engine and all its streams are dropped.
    pub(super) fn run(mut self) {
        loop {
            let open = self.admit();
            let Some(job) = self.next_ready() else {
                if self.line.is_empty() && !open {
                    return;
                }
                self.wait(open);
                continue;
            };
            if let Some(job) = self.serve(job) {
                self.line.push_back(job);
            }
        }
    }

    /// Takes in what was asked for meanwhile and lets go of what nobody reads any more. Says whether
    /// more can come.
    fn admit(&mut self) -> bool {
        let open = loop {
            match self.jobs.try_recv() {
                Ok(job) => self.line.push_back(job),
                Err(TryRecvError::Empty) => break true,
                Err(TryRecvError::Disconnected) => break false,
            }
        };
        self.line.retain(|job| !job.events.is_closed());
        open
    }

    /// The first in the line whose reader has room.
    fn next_ready(&mut self) -> Option<Job> {
        let at = self.line.iter().position(|job| job.events.capacity() > 0)?;
        self.line.remove(at)
    }

    /// Waits until a reader has room, or is gone, or a job comes.
    fn wait(&mut self, open: bool) {
        let room = self.line.iter().map(|job| Box::pin(job.events.reserve()));
        let room: Vec<_> = room.collect();
        let (runtime, jobs) = (&self.runtime, &mut self.jobs);
        let arrived = runtime.block_on(async {
            if room.is_empty() {
                return jobs.recv().await;
            }
            tokio::select! {
                job = jobs.recv(), if open => job,
                _ = select_all(room) => None,
            }
        });
        self.line.extend(arrived);
    }

    fn serve(&mut self, mut job: Job) -> Option<Job> {
        self.tell_positions();
        if let Work::Waiting { task, .. } = &mut job.work {
            let Signature { provider, model } = self.signature.clone();
            let task = task.take()?;
            let _ = job.events.try_send(Ok(Event::Started { provider, model }));
            let generation = Generation::new(job.id, task, Arc::clone(&self.prompter));
            job.work = Work::Begun(Box::new(generation));
        }
        let Work::Begun(generation) = &mut job.work else { return None };
        match self.turn(generation, &job.events) {
            Turn::Over => None,
            Turn::Lagging => Some(job),
        }
    }

    fn turn(&mut self, generation: &mut Generation, events: &Sender<Item>) -> Turn {
        loop {
            while generation.has_items() {
                match events.try_reserve() {
                    Ok(permit) => {
                        let Some(item) = generation.next_item() else { break };
                        permit.send(
                            item.map_err(|e| e.with_provider(self.signature.provider.clone())),
                        );
                    }
                    Err(TrySendError::Full(())) => return Turn::Lagging,
                    Err(TrySendError::Closed(())) => return Turn::Over,
                }
            }
            if generation.is_over() || events.is_closed() {
                return Turn::Over;
            }
            generation.step(&mut self.sequence);
            if self.admit_during_turn() {
                self.tell_positions();
            }
        }
    }

    /// Says whether the line changed.
    fn admit_during_turn(&mut self) -> bool {
        let before = self.line.len();
        self.admit();
        before != self.line.len()
    }

    /// Tells those who wait how many are before them, where that changed. The one being served is
    /// not in the line.
    fn tell_positions(&mut self) {
        for (before, job) in (1..).zip(&mut self.line) {
            if let Work::Waiting { told, .. } = &mut job.work
                && *told != before
                && job.events.capacity() > 2
            {
                let position = u32::try_from(before).ok();
                let _ = job.events.try_send(Ok(Event::Queued { position, eta: None }));
                *told = before;
            }
        }
    }
}
