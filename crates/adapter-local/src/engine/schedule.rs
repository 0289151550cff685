//! How the rows of a step are shared out: arithmetic over how much each sequence has pending.
//!
//! A sequence with one token pending is an answer under way and gets its row in every step. What
//! is left goes to prompts: half to the oldest, the rest to the shortest. So a long prompt stops
//! neither the answers nor the short prompts behind it, and is itself never starved.

use std::time::Duration;

/// Most rows of a step.
pub(super) const MOST_ROWS: usize = 256;
/// Fewest rows that prompts get beside answers: enough to share the reading of the weights.
const FEWEST_PROMPT_ROWS: usize = 16;
/// Fewest without answers, and beside them until it is known how fast rows are.
const USUAL_PROMPT_ROWS: usize = 64;
/// How long the prompts of a step may hold up the answers that are under way.
const HOLD_UP: Duration = Duration::from_millis(200);
/// How long a step without answers may hold up those who come or go.
const LONGEST_STEP: Duration = Duration::from_secs(1);

/// How many of its pending tokens each sequence computes in a step; the oldest sequence is first.
/// Prompts get no more than `prompt_rows` together.
pub(super) fn share_out(pending: &[usize], prompt_rows: usize) -> Vec<usize> {
    let mut rows: Vec<usize> = pending.iter().map(|pending| usize::from(*pending == 1)).collect();
    let mut left = prompt_rows;
    let mut give = |index: usize, most: usize, rows: &mut [usize]| {
        let given = (pending[index] - rows[index]).min(most).min(left);
        rows[index] += given;
        left -= given;
    };
    let mut prompts = (0..pending.len()).filter(|index| pending[*index] > 1);
    let Some(oldest) = prompts.next() else { return rows };
    let mut others: Vec<usize> = prompts.collect();
    others.sort_by_key(|index| pending[*index]);
    give(oldest, prompt_rows.div_ceil(2), &mut rows);
    others.into_iter().for_each(|index| give(index, usize::MAX, &mut rows));
    give(oldest, usize::MAX, &mut rows);
    rows
}

/// How fast this model computes rows here.
#[derive(Debug, Default)]
pub(super) struct Pace {
    per_row: Option<Duration>,
}

impl Pace {
    /// How many rows of prompts go beside so many answers.
    pub(super) fn prompt_rows(&self, answers: usize) -> usize {
        let most = MOST_ROWS.saturating_sub(answers).max(FEWEST_PROMPT_ROWS);
        if answers == 0 {
            return self.rows_in(LONGEST_STEP).unwrap_or(most).clamp(USUAL_PROMPT_ROWS, most);
        }
        self.rows_in(HOLD_UP).unwrap_or(USUAL_PROMPT_ROWS).clamp(FEWEST_PROMPT_ROWS, most)
    }

    fn rows_in(&self, time: Duration) -> Option<usize> {
        let rows = time.as_nanos() / self.per_row?.as_nanos().max(1);
        Some(usize::try_from(rows).unwrap_or(usize::MAX))
    }

    /// Takes note of a step. Few rows say nothing: they cost as much as more would.
    pub(super) fn note(&mut self, rows: usize, took: Duration) {
        if rows >= FEWEST_PROMPT_ROWS {
            let now = took / rows as u32;
            self.per_row = Some(self.per_row.map_or(now, |before| (before + now) / 2));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn answers_go_first_and_short_prompts_pass_a_long_one() {
        assert_eq!(share_out(&[1, 1000, 20, 1, 50], 100), [1, 50, 20, 1, 30]);
        assert_eq!(share_out(&[1000, 1], 256), [256, 1]);
        assert_eq!(share_out(&[30, 1000], 256), [30, 226]);
        assert_eq!(share_out(&[0, 1, 0], 256), [0, 1, 0]);
        assert!(share_out(&[], 256).is_empty());
    }

    #[test]
    fn slow_models_take_smaller_bites_of_prompts_beside_answers() {
        let mut pace = Pace::default();
        assert_eq!(pace.prompt_rows(0), 256);
        assert_eq!(pace.prompt_rows(3), 64);
        pace.note(100, Duration::from_secs(10));
        assert_eq!((pace.prompt_rows(3), pace.prompt_rows(0)), (16, 64));
        (0..20).for_each(|_| pace.note(100, Duration::from_micros(100)));
        assert_eq!((pace.prompt_rows(3), pace.prompt_rows(0)), (253, 256));
        pace.note(1, Duration::from_secs(10));
        assert_eq!(pace.prompt_rows(3), 253);
    }

    proptest! {
        #[test]
        fn no_row_is_lost_and_nobody_starves(
            pending in prop::collection::vec(0usize..600, 0..20),
            prompt_rows in 16usize..256,
        ) {
            let rows = share_out(&pending, prompt_rows);
            let mut prompt_sum = 0;
            for (rows, pending) in rows.iter().zip(&pending) {
                prop_assert!(rows <= pending);
                match pending {
                    0 | 1 => prop_assert_eq!(rows, pending),
                    _ => prompt_sum += rows,
                }
            }
            let wanted: usize = pending.iter().filter(|pending| **pending > 1).sum();
            prop_assert_eq!(prompt_sum, wanted.min(prompt_rows));
            if let Some(oldest) = pending.iter().position(|pending| *pending > 1) {
                prop_assert!(rows[oldest] >= pending[oldest].min(prompt_rows / 2));
            }
        }
    }
}
