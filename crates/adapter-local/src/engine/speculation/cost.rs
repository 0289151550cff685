//! What a step costs with so many drafted rows, beside the same step without them: measured in this
//! process, with this model, on whatever else the machine does.

use std::time::Duration;

/// Most sequences of a step that drafts are added to: where there are more, they share the reading of
/// the weights already.
pub(super) const MOST_SEQUENCES: usize = 8;
/// Most drafted rows of a step.
pub(super) const MOST_DRAFTED: usize = 48;
/// What one row more costs until it was measured, as a share of a step of one.
const PRESUMED: f32 = 0.25;
/// Steps without drafts that are compared with.
const ENOUGH: usize = 2;
/// Steps after which one without drafts says nothing any more.
const FRESH: u64 = 128;
const REMEMBERED: usize = 5;

/// The last few of some figures.
#[derive(Debug, Clone, Copy, Default)]
struct Recent {
    values: [f32; REMEMBERED],
    count: usize,
}

impl Recent {
    fn note(&mut self, value: f32) {
        self.values[self.count % REMEMBERED] = value;
        self.count += 1;
    }

    /// The middle one: a step that something else held up does not count.
    fn middle(&self) -> Option<f32> {
        let mut values = self.values;
        let values = &mut values[..self.count.min(REMEMBERED)];
        values.sort_unstable_by(f32::total_cmp);
        values.get(values.len().wrapping_sub(1) / 2).copied()
    }
}

/// Steps without drafts.
#[derive(Debug, Clone, Copy, Default)]
struct Plain {
    seconds: Recent,
    /// The last one's number.
    at: u64,
}

/// What steps cost.
#[derive(Debug)]
pub(super) struct Cost {
    /// By the number of sequences.
    plain: [Plain; MOST_SEQUENCES],
    /// By the number of sequences, then of drafted rows: how many times a step without them.
    times: Vec<[Recent; MOST_DRAFTED]>,
    steps: u64,
}

impl Default for Cost {
    fn default() -> Self {
        let times = vec![[Recent::default(); MOST_DRAFTED]; MOST_SEQUENCES];
        Self { plain: Default::default(), times, steps: 0 }
    }
}

impl Cost {
    /// Takes note of a step in which every sequence got a token.
    pub(super) fn note(&mut self, sequences: usize, drafted: usize, took: Duration) {
        self.steps += 1;
        let Some(plain) = self.plain.get_mut(sequences.wrapping_sub(1)) else { return };
        let took = took.as_secs_f32();
        match drafted.checked_sub(1) {
            None => {
                plain.seconds.note(took);
                plain.at = self.steps;
            }
            Some(index) => {
                let times = self.times[sequences - 1].get_mut(index);
                if let (Some(times), Some(seconds)) = (times, plain.seconds.middle()) {
                    times.note(took / seconds.max(f32::MIN_POSITIVE));
                }
            }
        }
    }

    /// Forgets steps without drafts: others come, with contexts of other lengths.
    pub(super) fn begin_anew(&mut self) {
        self.plain = Default::default();
    }

    /// Whether it is known what a step of so many sequences takes. A step without drafts makes it so.
    pub(super) fn is_known(&mut self, sequences: usize) -> bool {
        let Some(plain) = self.plain.get_mut(sequences.wrapping_sub(1)) else { return false };
        if self.steps > plain.at + FRESH {
            plain.seconds = Recent::default();
        }
        plain.seconds.count >= ENOUGH
    }

    /// How many times a step without drafts one with them takes; between what was measured, and
    /// beyond it, in proportion.
    pub(super) fn times(&self, sequences: usize, drafted: usize) -> f32 {
        let Some(measured) = self.times.get(sequences.wrapping_sub(1)) else {
            return Self::presumed(sequences, drafted);
        };
        let at = |drafted: usize| match drafted {
            0 => Some(1.0),
            _ => measured.get(drafted - 1).and_then(Recent::middle),
        };
        let known = |drafted: usize| at(drafted).map(|times| (drafted, times));
        let (low, least) = (0..=drafted).rev().find_map(known).unwrap_or((0, 1.0));
        let beyond = (drafted - low) as f32;
        let slope = match (drafted + 1..=MOST_DRAFTED).find_map(known) {
            Some((high, most)) => (most - least) / (high - low) as f32,
            None if low > 0 => ((least - 1.0) / low as f32).max(0.0),
            None => Self::presumed(sequences, 1) - 1.0,
        };
        least + slope * beyond
    }

    /// The same before anything was measured.
    pub(super) fn presumed(sequences: usize, drafted: usize) -> f32 {
        let plain = 1.0 + PRESUMED * sequences.saturating_sub(1) as f32;
        1.0 + PRESUMED * drafted as f32 / plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_close(found: impl IntoIterator<Item = f32>, expected: impl IntoIterator<Item = f32>) {
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-3, "{found} {expected}");
        }
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn what_was_measured_counts_and_the_rest_is_in_proportion() {
        let mut cost = Cost::default();
        assert!(!cost.is_known(1));
        assert_eq!((cost.times(1, 0), cost.times(1, 4)), (1.0, 2.0));
        // Without anything to compare with it says nothing.
        cost.note(1, 4, ms(40));
        assert_eq!(cost.times(1, 4), 2.0);
        (0..2).for_each(|_| cost.note(1, 0, ms(10)));
        assert!(cost.is_known(1) && !cost.is_known(2) && !cost.is_known(9) && !cost.is_known(0));
        cost.note(1, 4, ms(30));
        all_close([2, 4, 8].map(|rows| cost.times(1, rows)), [2.0, 3.0, 5.0]);
        cost.note(1, 8, ms(35));
        all_close([4, 6, 8, 16].map(|rows| cost.times(1, rows)), [3.0, 3.25, 3.5, 6.0]);
        // Of other numbers of sequences nothing is known by that.
        all_close([cost.times(3, 6)], [2.0]);
    }

    #[test]
    fn a_step_that_was_held_up_does_not_count() {
        let mut cost = Cost::default();
        (0..5).for_each(|_| cost.note(2, 0, ms(10)));
        for took in [15, 500, 15, 15, 700] {
            cost.note(2, 3, ms(took));
        }
        all_close([cost.times(2, 3)], [1.5]);
        cost.note(2, 0, ms(1000));
        cost.note(2, 3, ms(15));
        all_close([cost.times(2, 3)], [1.5]);
    }

    #[test]
    fn steps_without_drafts_are_measured_again_now_and_then() {
        let mut cost = Cost::default();
        (0..3).for_each(|_| cost.note(1, 0, ms(10)));
        for _ in 0..FRESH {
            assert!(cost.is_known(1));
            cost.note(1, 2, ms(11));
        }
        assert!(cost.is_known(1));
        cost.note(1, 2, ms(11));
        assert!(!cost.is_known(1));
        (0..2).for_each(|_| cost.note(1, 0, ms(20)));
        assert!(cost.is_known(1));
        cost.begin_anew();
        assert!(!cost.is_known(1));
        // What was measured with drafts stays.
        all_close([cost.times(1, 2)], [1.1]);
    }
}
