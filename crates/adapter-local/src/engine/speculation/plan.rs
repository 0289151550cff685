//! How many drafted rows a step gets: as many as make it give more tokens in its time.

use std::time::Duration;

use super::cost::{Cost, MOST_DRAFTED, MOST_SEQUENCES};

/// How much faster it must become, by what is known.
const WORTHWHILE: f32 = 1.05;
/// How much longer those wait who have no draft.
const PATIENCE: f32 = 1.25;
/// Drafts that only the measured cost speaks against are tried once in so many times, then in twice
/// as many: the machine may have been busy when it was measured.
const FIRST_DOUBT: u32 = 64;
const LAST_DOUBT: u32 = 1 << 12;
/// Most rows of such a trial.
const TRIED: usize = 4;

/// What a step can draft, and what it will.
#[derive(Debug)]
pub(in crate::engine) struct Planner {
    cost: Cost,
    /// How probable it is that a row is of use, and whose it is.
    chances: Vec<(f32, usize)>,
    refused: u32,
    doubt: u32,
}

impl Default for Planner {
    fn default() -> Self {
        Self { cost: Cost::default(), chances: Vec::new(), refused: 0, doubt: FIRST_DOUBT }
    }
}

/// The step without measured drafts.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Step {
    pub(in crate::engine) sequences: usize,
    /// Rows that are drafted whatever they cost.
    pub(in crate::engine) drafted: usize,
    /// Whether somebody in it drafts nothing.
    pub(in crate::engine) waits: bool,
}

impl Planner {
    /// Takes note of a step in which every sequence got a token.
    pub(in crate::engine) fn note(&mut self, sequences: usize, drafted: usize, took: Duration) {
        self.cost.note(sequences, drafted, took);
    }

    /// Begins a step; says whether measured drafts are of any use in it.
    pub(in crate::engine) fn begin(&mut self, sequences: usize, anew: bool) -> bool {
        self.chances.clear();
        if anew {
            self.cost.begin_anew();
        }
        sequences <= MOST_SEQUENCES && self.cost.is_known(sequences)
    }

    /// Adds what one of them could draft.
    pub(in crate::engine) fn offer(&mut self, whose: usize, chances: &[f32]) {
        self.chances.extend(chances.iter().map(|chance| (*chance, whose)));
    }

    /// Whose rows are drafted, one by one.
    pub(in crate::engine) fn choose(&mut self, step: Step) -> impl Iterator<Item = usize> {
        // Those of one sequence stay in their order: none is more probable than the one before it.
        self.chances.sort_by(|a, b| b.0.total_cmp(&a.0));
        let count = self.count(step);
        self.chances[..count].iter().map(|(_, whose)| *whose)
    }

    fn count(&mut self, step: Step) -> usize {
        let best = self.best(step, |drafted| self.cost.times(step.sequences, drafted));
        if best > 0 {
            (self.refused, self.doubt) = (0, FIRST_DOUBT);
            return best;
        }
        let hoped = self.best(step, |drafted| Cost::presumed(step.sequences, drafted));
        self.refused += u32::from(hoped > 0);
        if self.refused < self.doubt {
            return 0;
        }
        (self.refused, self.doubt) = (0, (self.doubt * 2).min(LAST_DOUBT));
        hoped.min(TRIED)
    }

    /// How many of the most probable rows make the step give most tokens in its time.
    fn best(&self, step: Step, times: impl Fn(usize) -> f32) -> usize {
        let Step { sequences, drafted, waits } = step;
        let plain = times(drafted);
        let mut tokens = sequences as f32;
        let mut best = (0, WORTHWHILE * tokens / plain);
        let room = MOST_DRAFTED.saturating_sub(drafted);
        for (count, (chance, _)) in (1..=room).zip(&self.chances) {
            let times = times(drafted + count);
            if waits && times > PATIENCE * plain {
                break;
            }
            tokens += chance;
            if tokens / times > best.1 {
                best = (count, tokens / times);
            }
        }
        best.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What one step takes in milliseconds, by its drafted rows.
    fn planner(sequences: usize, took: impl Fn(usize) -> u64) -> Planner {
        let mut planner = Planner::default();
        let ms = |rows| Duration::from_millis(took(rows));
        (0..3).for_each(|_| planner.note(sequences, 0, ms(0)));
        (1..=16).for_each(|rows| planner.note(sequences, rows, ms(rows)));
        planner
    }

    fn alone(planner: &mut Planner, chances: &[f32]) -> usize {
        planner.begin(1, false);
        planner.offer(0, chances);
        planner.choose(Step { sequences: 1, drafted: 0, waits: false }).count()
    }

    #[test]
    fn nothing_is_drafted_before_a_step_was_measured() {
        let mut planner = Planner::default();
        assert!(!planner.begin(1, false));
        (0..2).for_each(|_| planner.note(1, 0, Duration::from_millis(10)));
        assert!(planner.begin(1, false));
        assert!(!planner.begin(1, true));
        assert!(!planner.begin(9, false));
    }

    #[test]
    fn as_many_as_gain() {
        // A row more costs a tenth.
        let mut cheap = planner(1, |rows| 100 + 10 * rows as u64);
        assert_eq!(alone(&mut cheap, &[0.9; 15]), 15);
        assert_eq!(alone(&mut cheap, &[0.5, 0.25, 0.12, 0.06]), 2);
        assert_eq!(alone(&mut cheap, &[0.1, 0.01]), 0);
        assert_eq!(alone(&mut cheap, &[]), 0);
        // A row more costs nearly as much as a step.
        let mut dear = planner(1, |rows| 100 + 90 * rows as u64);
        assert_eq!(alone(&mut dear, &[0.85, 0.7, 0.6]), 0);
        assert_eq!(alone(&mut dear, &[1.0; 8]), 8);
        // Two cost hardly more than one, the third does.
        let mut tiles = planner(1, |rows| if rows <= 2 { 120 } else { 220 });
        assert_eq!(alone(&mut tiles, &[0.5, 0.3, 0.2]), 2);
    }

    #[test]
    fn what_is_refused_for_its_cost_alone_is_tried_seldom() {
        let mut dear = planner(1, |rows| 100 + 200 * rows as u64);
        let tried = |planner: &mut Planner, times: u32| {
            (0..times).filter(|_| alone(planner, &[0.9; 8]) > 0).count()
        };
        assert_eq!(tried(&mut dear, 63), 0);
        assert_eq!(alone(&mut dear, &[0.9; 8]), 4);
        assert_eq!(tried(&mut dear, 10_000), 6);
        // What nobody hopes for is never tried.
        assert_eq!((0..10_000).map(|_| alone(&mut dear, &[0.1])).sum::<usize>(), 0);
        // It has become cheap: one trial after the other shows it.
        for _ in 0..3 {
            (1..=8).for_each(|rows| dear.note(1, rows, Duration::from_millis(110)));
        }
        assert_eq!(alone(&mut dear, &[0.9; 8]), 8);
    }

    #[test]
    fn the_most_probable_rows_of_all_are_taken_and_nobody_waits_long() {
        let mut planner = planner(3, |rows| 100 + 6 * rows as u64);
        planner.begin(3, false);
        planner.offer(0, &[0.3, 0.1]);
        planner.offer(2, &[0.9, 0.8, 0.7]);
        let step = Step { sequences: 3, drafted: 0, waits: false };
        assert_eq!(planner.choose(step).collect::<Vec<_>>(), [2, 2, 2, 0]);
        planner.begin(3, false);
        planner.offer(2, &[1.0; 9]);
        let step = Step { waits: true, ..step };
        assert_eq!(planner.choose(step).collect::<Vec<_>>(), [2, 2, 2, 2]);
        // Beside rows that are drafted anyway there is less room.
        planner.begin(3, false);
        planner.offer(1, &[1.0; 15]);
        let step = Step { drafted: MOST_DRAFTED - 2, waits: false, ..step };
        assert_eq!(planner.choose(step).count(), 2);
    }
}
