//! The thread that computes: who comes in, who goes on, and what to do when nobody can.

use std::collections::VecDeque;
use std::sync::Arc;

use domain::{Event, ModelId, ProviderId};
use futures_util::future::select_all;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{Receiver, Sender};

use super::Place;
use super::admission::Seating;
use super::batch::{Batch, Running};
use super::generation::{Generation, Task};
use super::stream::Item;
use crate::prompt::Prompter;

/// How far behind the first in the line one may begin before it.
const LOOK_AHEAD: usize = 64;

/// A request that has not begun.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) task: Task,
    pub(super) events: Sender<Item>,
    /// Its reader was last told this position, counted from 1.
    pub(super) told: usize,
    pub(super) place: Place,
}

/// Who answers, for the first event.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    pub(crate) provider: ProviderId,
    pub(crate) model: Option<ModelId>,
}

/// The engine's thread.
pub(super) struct Worker {
    pub(super) jobs: Receiver<Waiting>,
    pub(super) line: VecDeque<Waiting>,
    pub(super) batch: Batch,
    pub(super) prompter: Arc<Prompter>,
    pub(super) signature: Signature,
    /// Only waits on it; nothing else runs there.
    pub(super) runtime: Runtime,
}

/// What became of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// A step was computed.
    Worked,
    /// Nobody can go on before something happens; whether more can come.
    Idle { open: bool },
    /// Nobody is left, and nobody can come.
    Over,
}

/// Whether those left in the line wait for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Some,
    None,
}

impl Worker {
    /// Serves until the engine and all its streams are dropped.
    pub(super) fn run(mut self) {
        loop {
            match self.turn() {
                Turn::Worked => {}
                Turn::Idle { open } => self.wait(open),
                Turn::Over => return,
            }
        }
    }

    /// Looks at who came and went, and computes a step.
    pub(super) fn turn(&mut self) -> Turn {
        let open = self.receive();
        self.batch.tell(&self.signature.provider);
        if self.admit() == Room::None {
            self.tell_positions();
        }
        if self.batch.step() {
            Turn::Worked
        } else if open || !self.line.is_empty() || !self.batch.running.is_empty() {
            Turn::Idle { open }
        } else {
            Turn::Over
        }
    }

    /// Takes in what was asked for meanwhile and lets go of what nobody reads any more. Says whether
    /// more can come.
    fn receive(&mut self) -> bool {
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

    /// Lets those go on who had to give way, then those in the line, in their order. Only who waits
    /// for a beginning that someone else is computing is passed by.
    fn admit(&mut self) -> Room {
        for index in 0..self.batch.running.len() {
            if self.batch.running[index].waits() && self.seat_again(index) == Room::None {
                return Room::None;
            }
        }
        let mut index = 0;
        while index < self.line.len().min(LOOK_AHEAD) {
            if self.batch.continuing() >= self.batch.at_once {
                return Room::None;
            }
            match self.batch.seat(&self.line[index].task.ids) {
                Seating::Later => index += 1,
                Seating::Full => return Room::None,
                seating => {
                    let Some(job) = self.line.remove(index) else { break };
                    self.begin(job, seating);
                }
            }
        }
        Room::Some
    }

    fn seat_again(&mut self, index: usize) -> Room {
        if self.batch.continuing() >= self.batch.at_once {
            return Room::None;
        }
        let ids = self.batch.running[index].generation.ids().to_vec();
        let seating = self.batch.seat(&ids);
        let room = if matches!(seating, Seating::Full) { Room::None } else { Room::Some };
        self.batch.running[index].take_seat(seating);
        room
    }

    fn begin(&mut self, job: Waiting, seating: Seating) {
        let Waiting { task, events, place, .. } = job;
        let Signature { provider, model } = self.signature.clone();
        let _ = events.try_send(Ok(Event::Started { provider, model }));
        let drafts = self.batch.decoder.drafts();
        let generation = Generation::new(task, Arc::clone(&self.prompter), drafts);
        let mut running = Running { generation, events, sequence: None, _place: place };
        running.take_seat(seating);
        self.batch.running.push(running);
    }

    /// Waits until a reader has room, or is gone, or a job comes.
    fn wait(&mut self, open: bool) {
        let lagging = self.batch.running.iter().filter(|running| running.lags());
        let room: Vec<_> = lagging.map(|running| Box::pin(running.events.reserve())).collect();
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

    /// Tells those who wait for room how they stand, where that changed.
    fn tell_positions(&mut self) {
        for (position, job) in (1..).zip(&mut self.line) {
            if job.told != position && job.events.capacity() > 2 {
                let told = u32::try_from(position).ok();
                let _ = job.events.try_send(Ok(Event::Queued { position: told, eta: None }));
                job.told = position;
            }
        }
    }
}
