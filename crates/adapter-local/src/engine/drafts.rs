//! Drafts as a part of steps: whose are computed along, and what is taken back of them.

use std::sync::atomic::{AtomicU64, Ordering};

use super::batch::{Batch, Slice};
use super::speculation::Step;
use crate::decoder::PAGE;

/// How many tokens were drafted, and how many of them saved a step.
#[derive(Debug, Default)]
pub(crate) struct DraftCount {
    drafted: AtomicU64,
    accepted: AtomicU64,
}

impl DraftCount {
    /// Tokens drafted, and those of them that were what the sampler chose.
    pub(crate) fn so_far(&self) -> (u64, u64) {
        (self.drafted.load(Ordering::Relaxed), self.accepted.load(Ordering::Relaxed))
    }

    fn add(&self, drafted: usize, accepted: usize) {
        self.drafted.fetch_add(drafted as u64, Ordering::Relaxed);
        self.accepted.fetch_add(accepted as u64, Ordering::Relaxed);
    }
}

impl Batch {
    /// Adds drafts to a step of answers. Beside prompts there are none: their rows are many already.
    pub(super) fn add_drafts(&mut self, slices: &mut [Slice]) {
        if !slices.iter().all(Slice::answers) {
            return;
        }
        let Self { running, planner, .. } = self;
        let mut begins = false;
        for slice in slices.iter() {
            let draft = running[slice.running].generation.draft();
            begins |= draft.is_some_and(|draft| draft.begins());
        }
        let measured = planner.begin(slices.len(), begins);
        let mut waits = false;
        for (index, slice) in slices.iter_mut().enumerate() {
            let generation = &mut running[slice.running].generation;
            let Some(draft) = generation.draft() else {
                waits = true;
                continue;
            };
            match draft.is_measured() {
                false => slice.drafted = generation.propose().len(),
                true if measured => {
                    let chances = generation.propose();
                    planner.offer(index, chances);
                    waits |= chances.is_empty();
                }
                true => {}
            }
        }
        let drafted = slices.iter().map(|slice| slice.drafted).sum();
        let step = Step { sequences: slices.len(), drafted, waits };
        planner.choose(step).for_each(|index| slices[index].drafted += 1);
        if self.has_room(slices) {
            self.keep_drafts(slices);
        } else {
            let plain = self.without_drafts(slices);
            slices.copy_from_slice(&plain);
        }
    }

    /// Whether nobody has to give way for drafts.
    fn has_room(&self, slices: &[Slice]) -> bool {
        let more = slices.iter().map(|slice| {
            let with = (slice.end + slice.drafted).div_ceil(PAGE);
            with - slice.end.div_ceil(PAGE)
        });
        let more: usize = more.sum();
        more == 0 || more + slices.len() <= self.decoder.free_positions() / PAGE
    }

    fn keep_drafts(&mut self, slices: &[Slice]) {
        for slice in slices {
            if let Some(draft) = self.running[slice.running].generation.draft() {
                draft.keep(slice.drafted);
            }
        }
    }

    /// The same step without drafts.
    pub(super) fn without_drafts(&mut self, slices: &[Slice]) -> Vec<Slice> {
        slices.iter().for_each(|slice| self.running[slice.running].generation.drop_draft());
        slices.iter().map(|slice| Slice { drafted: 0, ..*slice }).collect()
    }

    /// Takes back what was computed for drafted tokens that did not come true: every sequence holds
    /// what it would hold without drafts.
    pub(super) fn take_back(&mut self, slices: &[Slice]) {
        for slice in slices.iter().filter(|slice| slice.drafted > 0) {
            let used = self.running[slice.running].generation.used();
            self.decoder.truncate(slice.sequence, slice.start + used);
            self.draft_count.add(slice.drafted, used.saturating_sub(1));
        }
    }
}
