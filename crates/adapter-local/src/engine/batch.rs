//! Everyone who is being answered, and the steps that answer them.
//!
//! A step takes one token of every answer under way and some tokens of prompts through the model
//! together ([`super::schedule`] says how many), then chooses everyone's next token, or several where
//! a draft comes true ([`super::drafts`]). Nobody's tokens depend on who else is there, nor on drafts:
//! see [`Decoder`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::ProviderId;
use rayon::ThreadPool;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::Place;
use super::admission::Seating;
use super::drafts::DraftCount;
use super::generation::Generation;
use super::prefix_cache::PrefixCache;
use super::schedule::{Pace, share_out};
use super::speculation::Planner;
use super::stream::Item;
use crate::decoder::{Decoder, Part, SequenceId, Wanted};
use crate::error::DecodeError;

/// Logits of a step that are worth waking threads for to choose from them.
const PARALLEL_CHOICE: usize = 1 << 17;

/// Someone who is being answered.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) generation: Generation,
    pub(super) events: Sender<Item>,
    /// Absent before it is seated, after it had to give way, and when it is over.
    pub(super) sequence: Option<SequenceId>,
    pub(super) _place: Place,
}

impl Running {
    /// Whether its reader is behind: it pauses until the reader has read.
    pub(super) fn lags(&self) -> bool {
        self.generation.has_items()
    }

    /// The sequence to be continued, if it can be now.
    pub(super) fn continues(&self) -> Option<SequenceId> {
        self.sequence.filter(|_| !self.lags() && !self.generation.is_over())
    }

    /// Whether it has begun, could go on, and has no sequence.
    pub(super) fn waits(&self) -> bool {
        self.sequence.is_none() && !self.lags() && !self.generation.is_over()
    }

    /// Takes the sequence that it was given, if it was.
    pub(super) fn take_seat(&mut self, seating: Seating) {
        match seating {
            Seating::Seated(sequence, kept) => {
                self.sequence = Some(sequence);
                self.generation.seated(kept);
            }
            Seating::Failed(error) => self.generation.fail(error),
            Seating::Later | Seating::Full => {}
        }
    }

    /// Says whatever its reader has room for. False when nobody reads any more.
    fn tell(&mut self, provider: &ProviderId) -> bool {
        while self.generation.has_items() {
            match self.events.try_reserve() {
                Ok(permit) => {
                    let Some(item) = self.generation.next_item() else { break };
                    permit.send(item.map_err(|error| error.with_provider(provider.clone())));
                }
                Err(TrySendError::Full(())) => return true,
                Err(TrySendError::Closed(())) => return false,
            }
        }
        !self.events.is_closed()
    }
}

/// Some of a running request's pending tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slice {
    pub(super) running: usize,
    pub(super) sequence: SequenceId,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Tokens after the last one that are its draft.
    pub(super) drafted: usize,
    /// It reaches the last token there is: the next one is chosen after it.
    pub(super) last: bool,
}

impl Slice {
    /// Whether it is an answer under way: one token to be computed, the next one to be chosen.
    pub(super) fn answers(&self) -> bool {
        self.end - self.start == 1 && self.last
    }
}

/// Everyone who is being answered, the oldest first, and what is kept of those who were.
pub(super) struct Batch {
    pub(super) decoder: Box<dyn Decoder>,
    pub(super) running: Vec<Running>,
    pub(super) cache: PrefixCache,
    /// Most that a step continues.
    pub(super) at_once: usize,
    /// Pages of the decoder when it is empty.
    pub(super) pages: usize,
    pub(super) planner: Planner,
    pub(super) draft_count: Arc<DraftCount>,
    pace: Pace,
    /// Chooses tokens where there are many.
    pool: Option<ThreadPool>,
}

impl Batch {
    pub(super) fn new(decoder: Box<dyn Decoder>, at_once: usize, pool: Option<ThreadPool>) -> Self {
        let pages = decoder.free_positions() / crate::decoder::PAGE;
        Self {
            decoder,
            running: Vec::new(),
            cache: PrefixCache::default(),
            at_once,
            pages,
            planner: Planner::default(),
            draft_count: Arc::default(),
            pace: Pace::default(),
            pool,
        }
    }

    /// Says what there is to say; lets go of who is done or not listened to.
    pub(super) fn tell(&mut self, provider: &ProviderId) {
        let mut index = 0;
        while index < self.running.len() {
            let listens = self.running[index].tell(provider);
            let over = self.running[index].generation.is_over();
            if over || !listens {
                self.release(index);
            }
            if !listens || (over && !self.running[index].lags()) {
                self.running.remove(index);
            } else {
                index += 1;
            }
        }
    }

    /// Computes and chooses once for everyone who can go on. False when nobody can.
    pub(super) fn step(&mut self) -> bool {
        loop {
            let mut slices = self.compose();
            if slices.is_empty() {
                return false;
            }
            self.add_drafts(&mut slices);
            if self.run(&slices) {
                return true;
            }
        }
    }

    /// What the next step computes.
    fn compose(&self) -> Vec<Slice> {
        let able = self.running.iter().enumerate().filter_map(|(index, running)| {
            let sequence = running.continues()?;
            let (start, end) = (self.decoder.len(sequence), running.generation.ids().len());
            Some(Slice { running: index, sequence, start, end, drafted: 0, last: true })
        });
        let mut slices: Vec<Slice> = able.take(self.at_once).collect();
        let pending: Vec<usize> = slices.iter().map(|slice| slice.end - slice.start).collect();
        let answers = pending.iter().filter(|pending| **pending == 1).count();
        let rows = share_out(&pending, self.pace.prompt_rows(answers));
        for (slice, rows) in slices.iter_mut().zip(rows) {
            slice.last = slice.start + rows == slice.end;
            slice.end = slice.start + rows;
        }
        slices.retain(|slice| slice.end > slice.start);
        slices
    }

    /// False when memory was short and someone had to go: the step must be composed anew.
    fn run(&mut self, slices: &[Slice]) -> bool {
        let begun = Instant::now();
        match self.forward(slices) {
            Ok(()) => {
                self.note(slices, begun.elapsed());
                self.choose(slices);
                self.take_back(slices);
                true
            }
            // Before anyone has to go for what nobody asked for.
            Err(_) if slices.iter().any(|slice| slice.drafted > 0) => {
                let plain = self.without_drafts(slices);
                self.run(&plain)
            }
            Err(DecodeError::OutOfMemory { .. } | DecodeError::StepOutOfMemory)
                if self.give_way() =>
            {
                false
            }
            Err(error) => {
                if let [only] = slices {
                    self.running[only.running].generation.fail(error);
                } else {
                    // Whose fault it is shows when each is alone.
                    slices.iter().for_each(|slice| self.run_alone(slice));
                }
                true
            }
        }
    }

    fn run_alone(&mut self, slice: &Slice) {
        // One before it may have taken its memory.
        if self.running[slice.running].sequence == Some(slice.sequence) {
            self.run(std::slice::from_ref(slice));
        }
    }

    fn forward(&mut self, slices: &[Slice]) -> Result<(), DecodeError> {
        let part = |slice: &Slice| {
            let Slice { sequence, start, end, drafted, last, .. } = *slice;
            let generation = &self.running[slice.running].generation;
            if drafted > 0 {
                return Part { sequence, tokens: generation.drafted(), wanted: Wanted::All };
            }
            let wanted = if last { Wanted::Last } else { Wanted::None };
            Part { sequence, tokens: &generation.ids()[start..end], wanted }
        };
        let parts: Vec<Part<'_>> = slices.iter().map(part).collect();
        self.decoder.forward(&parts)
    }

    /// Takes note of what a step took.
    fn note(&mut self, slices: &[Slice], took: Duration) {
        let drafted: usize = slices.iter().map(|slice| slice.drafted).sum();
        if slices.iter().all(Slice::answers) {
            self.planner.note(slices.len(), drafted, took);
        }
        // Rows of drafts all have logits: they say nothing of prompts.
        if drafted == 0 {
            self.pace.note(slices.iter().map(|slice| slice.end - slice.start).sum(), took);
        }
    }

    /// Everyone whose last token was computed gets the next one.
    fn choose(&mut self, slices: &[Slice]) {
        let Self { decoder, running, pool, .. } = self;
        let mut numbered = slices.iter().enumerate().peekable();
        let choices = running.iter_mut().enumerate().filter_map(|(index, running)| {
            let (part, slice) = numbered.next_if(|(_, slice)| slice.running == index)?;
            slice.last.then(|| (&mut running.generation, decoder.logits(part)))
        });
        let choices: Vec<_> = choices.collect();
        let words = decoder.vocab_size();
        let large = choices.len() > 1 && choices.len() * words >= PARALLEL_CHOICE;
        match pool {
            Some(pool) if large => pool.install(|| {
                choices.into_par_iter().for_each(|(generation, logits)| {
                    generation.advance(logits, words);
                });
            }),
            _ => choices.into_iter().for_each(|(generation, logits)| {
                generation.advance(logits, words);
            }),
        }
    }
}
