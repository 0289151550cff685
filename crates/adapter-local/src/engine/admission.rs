//! Who gets a sequence of the decoder, what it begins with, and who gives way when memory is short.
//!
//! Kept sequences give way first, then those whose readers are behind, then the youngest. Who gave
//! way keeps its tokens; they are computed again later, and give the same bits.

use super::batch::Batch;
use super::prefix_cache::{Kept, MOST_KEPT, common};
use crate::decoder::{PAGE, SequenceId};
use crate::error::DecodeError;

/// Tokens of a common beginning that are worth waiting for when another one is computing them.
const WORTH_WAITING: usize = 32;

/// What became of an attempt to seat someone.
#[derive(Debug)]
pub(super) enum Seating {
    /// It has a sequence, which holds so many of its tokens.
    Seated(SequenceId, usize),
    /// Someone is computing what it begins with: better wait for that.
    Later,
    /// There is no room now.
    Full,
    /// The decoder refuses.
    Failed(DecodeError),
}

/// Where the beginning of a request is already.
#[derive(Debug, Clone, Copy)]
struct Source {
    sequence: SequenceId,
    /// Tokens in common, without the request's last one: its logits are wanted.
    len: usize,
    kept: bool,
    /// The source holds nothing else.
    whole: bool,
}

fn pages(positions: usize) -> usize {
    positions.div_ceil(PAGE)
}

/// The last token is always computed, for its logits.
fn without_last(ids: &[u32]) -> &[u32] {
    ids.split_last().map_or(ids, |(_, ids)| ids)
}

impl Batch {
    /// How many can go on.
    pub(super) fn continuing(&self) -> usize {
        self.running.iter().filter(|running| running.continues().is_some()).count()
    }

    /// Tries to give a sequence to a request with these tokens.
    pub(super) fn seat(&mut self, ids: &[u32]) -> Seating {
        loop {
            let source = self.source(ids);
            let len = source.map_or(0, |source| source.len);
            if self.coming(ids) >= len + WORTH_WAITING {
                return Seating::Later;
            }
            if self.fits(ids.len(), source) {
                return self.begin(source);
            }
            if !self.could_fit(ids.len()) {
                return Seating::Full;
            }
            if self.reclaim(source.map(|source| source.sequence)) {
                continue;
            }
            // Nobody is left but the source and those who go on.
            match source {
                Some(source) if source.kept => return self.take_over(source, ids.len()),
                Some(source) if self.pause(source.sequence) => {}
                _ if self.continuing() == 0 => return self.begin(source),
                _ => return Seating::Full,
            }
        }
    }

    /// Ends the use of a running request's sequence; what it holds is kept for others.
    pub(super) fn release(&mut self, index: usize) {
        let Some(sequence) = self.running[index].sequence.take() else { return };
        let generation = &self.running[index].generation;
        let tokens = &generation.ids()[..self.decoder.len(sequence)];
        if generation.is_spoiled() || tokens.is_empty() {
            return self.decoder.close(sequence);
        }
        let tokens = tokens.to_vec();
        self.keep(Kept { sequence, tokens });
        // What is kept must not make the process grow for ever.
        let most = (self.pages / 4).max(pages(self.decoder.context_length()));
        while self.cache.len() > MOST_KEPT || self.cache.lengths().map(pages).sum::<usize>() > most
        {
            let Some(sequence) = self.cache.evict(None) else { return };
            self.decoder.close(sequence);
        }
    }

    /// Makes room in the middle of a step. False when only one is left.
    pub(super) fn give_way(&mut self) -> bool {
        if self.reclaim(None) {
            return true;
        }
        let seated = self.running.iter().filter(|running| running.sequence.is_some()).count();
        seated > 1 && self.pause_youngest(|_| true)
    }

    /// Tokens that `ids` has in common with prompts whose beginning is still being computed.
    fn coming(&self, ids: &[u32]) -> usize {
        let lengths = self.running.iter().filter_map(|running| {
            let known = self.decoder.len(running.continues()?);
            let common = common(running.generation.ids(), without_last(ids));
            (known < common).then_some(common)
        });
        lengths.max().unwrap_or(0)
    }

    /// Who has most of the beginning of `ids`.
    fn source(&self, ids: &[u32]) -> Option<Source> {
        let wanted = without_last(ids);
        let kept = self.cache.best(wanted).map(|(kept, len)| {
            let whole = len == kept.tokens.len();
            Source { sequence: kept.sequence, len, kept: true, whole }
        });
        let running = self.running.iter().filter_map(|running| {
            let sequence = running.sequence?;
            let known = &running.generation.ids()[..self.decoder.len(sequence)];
            let len = common(known, wanted);
            (len > 0).then_some(Source { sequence, len, kept: false, whole: false })
        });
        // Of equals the last: what is kept can be taken over.
        running.chain(kept).max_by_key(|source| source.len)
    }

    /// Whether a request of `len` tokens can begin: its tokens and the first page of its answer fit
    /// beside what the others were promised and a page more for each of them.
    fn fits(&self, len: usize, source: Option<Source>) -> bool {
        let (there, slot) = match source {
            Some(source) if source.whole => (pages(source.len), 0),
            Some(source) => (source.len / PAGE, 1),
            None => (0, 1),
        };
        let free = self.decoder.free_positions() / PAGE;
        let wanted = (pages(len) + 1).min(self.pages);
        self.open_sequences() + slot <= self.decoder.most_sequences()
            && free + there >= wanted + self.promised()
    }

    /// Whether it could begin if everyone who can give way did: no reason to bother them otherwise.
    fn could_fit(&self, len: usize) -> bool {
        let continuing = self.continuing();
        let wanted = (pages(len) + 1).min(self.pages) + self.promised();
        continuing == 0
            || continuing < self.decoder.most_sequences()
                && wanted <= self.decoder.free_positions() / PAGE + self.yielding()
    }

    /// Pages of those who can give way, as if they shared none.
    fn yielding(&self) -> usize {
        let lagging = self.running.iter().filter(|running| running.lags());
        let lagging = lagging.filter_map(|running| running.sequence);
        let lagging = lagging.map(|sequence| self.decoder.len(sequence));
        lagging.chain(self.cache.lengths()).map(pages).sum()
    }

    /// Pages that those who go on will take: the rest of their prompts, and a page of answer each.
    fn promised(&self) -> usize {
        let promises = self.running.iter().filter_map(|running| {
            let known = self.decoder.len(running.continues()?);
            Some(pages(running.generation.ids().len()) - pages(known) + 1)
        });
        promises.sum()
    }

    fn open_sequences(&self) -> usize {
        let seated = self.running.iter().filter(|running| running.sequence.is_some());
        seated.count() + self.cache.len()
    }

    fn begin(&mut self, source: Option<Source>) -> Seating {
        let (opened, len) = match source {
            Some(Source { sequence, len, whole: true, .. }) => {
                self.cache.take(sequence);
                (Ok(sequence), len)
            }
            Some(Source { sequence, len, .. }) => {
                self.cache.touch(sequence);
                (self.decoder.fork(sequence, len), len)
            }
            None => (self.decoder.open(), 0),
        };
        match opened {
            Ok(sequence) => Seating::Seated(sequence, len),
            Err(error) => Seating::Failed(error),
        }
    }

    /// Turns a kept sequence into the request's own, for want of room for both.
    fn take_over(&mut self, source: Source, len: usize) -> Seating {
        let Some(mut kept) = self.cache.take(source.sequence) else { return Seating::Full };
        self.decoder.truncate(source.sequence, source.len);
        kept.tokens.truncate(source.len);
        if self.continuing() == 0 || self.fits(len, Some(Source { whole: true, ..source })) {
            return Seating::Seated(source.sequence, source.len);
        }
        self.keep(kept);
        Seating::Full
    }

    /// Takes from one that can give way, but not from `except`. False when there is none.
    fn reclaim(&mut self, except: Option<SequenceId>) -> bool {
        if let Some(sequence) = self.cache.evict(except) {
            self.decoder.close(sequence);
            return true;
        }
        self.pause_youngest(|(sequence, lags)| lags && Some(sequence) != except)
    }

    /// Takes the sequence of the youngest one that fits: its sequence, and whether it lags.
    fn pause_youngest(&mut self, fits: impl Fn((SequenceId, bool)) -> bool) -> bool {
        let youngest = self.running.iter().rposition(|running| {
            running.sequence.is_some_and(|sequence| fits((sequence, running.lags())))
        });
        youngest.map(|index| self.set_aside(index)).is_some()
    }

    /// Takes the sequence of the one that has it, if its reader is behind.
    fn pause(&mut self, sequence: SequenceId) -> bool {
        self.pause_youngest(|(its, lags)| its == sequence && lags)
    }

    /// What it holds is kept as long as nobody needs the room.
    fn set_aside(&mut self, index: usize) {
        let Some(sequence) = self.running[index].sequence.take() else { return };
        let tokens = self.running[index].generation.ids()[..self.decoder.len(sequence)].to_vec();
        if tokens.is_empty() {
            return self.decoder.close(sequence);
        }
        self.keep(Kept { sequence, tokens });
    }

    fn keep(&mut self, kept: Kept) {
        for useless in self.cache.insert(kept) {
            self.decoder.close(useless);
        }
    }
}
