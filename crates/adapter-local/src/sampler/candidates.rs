//! Tokens that may be chosen: found in one pass over the logits each, never more than a few of them.

use std::cmp::Ordering;

use kernels::at_least;

use super::logits::{INEXACT, Logits, Weigh};

/// How many of the most probable tokens top-p looks at first.
const FIRST_LOOK: usize = 64;

/// How much less probable than the best one, as a power of e, the tokens are that top-p looks at
/// first, and how much further it looks each time.
const STEP: f64 = 5.0;

/// A token that may be chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) id: u32,
    pub(crate) logit: f32,
}

impl Candidate {
    /// The most probable first, then by id: the same order whatever the selection did.
    fn order(&self, other: &Self) -> Ordering {
        other.logit.total_cmp(&self.logit).then(self.id.cmp(&other.id))
    }
}

/// Tokens that may be chosen, in room that is used again for every choice.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    pub(super) list: Vec<Candidate>,
    /// Places in a piece.
    found: Vec<u32>,
    /// Of the weights of pieces.
    pub(super) sums: Vec<f64>,
}

impl Candidates {
    /// The `most` most probable tokens, best first and equals by id.
    pub(crate) fn most_probable(&mut self, logits: &Logits<'_>, most: usize) -> &[Candidate] {
        self.list.clear();
        if most == 0 {
            return &self.list;
        }
        let mut least = f32::NEG_INFINITY;
        logits.each(|first, piece| {
            self.add(logits, first, piece, least);
            if self.list.len() >= most.saturating_mul(2) {
                self.cut(most);
                // Equals come later, so they are not better. Of zeros the sign counts.
                let last = self.list[most - 1].logit;
                least = if last == 0.0 { last } else { last.next_up() };
            }
        });
        self.cut(most);
        self.list.sort_unstable_by(Candidate::order);
        &self.list
    }

    /// Keeps the `most` most probable ones, in no order but that the last is the least of them.
    fn cut(&mut self, most: usize) {
        if most < self.list.len() {
            self.list.select_nth_unstable_by(most - 1, Candidate::order);
            self.list.truncate(most);
        }
    }

    /// Adds those of a piece that have at least the logit `least`.
    fn add(&mut self, logits: &Logits<'_>, first: u32, piece: &[f32], least: f32) {
        self.found.clear();
        at_least(logits.isa(), piece, least, &mut self.found);
        let candidate =
            |place: &u32| Candidate { id: first + place, logit: piece[*place as usize] };
        self.list.extend(self.found.iter().map(candidate));
    }

    /// All tokens that have at least the logit `least`, by id.
    fn reach(&mut self, logits: &Logits<'_>, least: f32) {
        self.list.clear();
        logits.each(|first, piece| self.add(logits, first, piece, least));
    }

    /// Those whose weight is at least `min_p` and a few more, by id.
    pub(super) fn about_min_p(&mut self, logits: &Logits<'_>, weigh: Weigh, min_p: f32) {
        // Rounding in weights and here is far less than the thousandth that is looked further; weights
        // so small that they have few digits are all looked at.
        let exponent = f64::from(min_p).ln() - 1e-3;
        let least = if min_p < 1e-30 { f32::NEG_INFINITY } else { weigh.logit(exponent) };
        self.reach(logits, least);
    }

    /// Forgets those whose weight is less than `min_p`: the most probable token's is 1.
    pub(super) fn keep_min_p(&mut self, weigh: Weigh, min_p: f32) {
        self.list.retain(|candidate| weigh.weight(candidate.logit) >= f64::from(min_p));
    }

    /// Of tokens that are sorted, the first ones whose weights reach the share `top_p` of them all.
    pub(super) fn keep_top_p(&mut self, weigh: Weigh, top_p: f32) {
        let total: f64 = self.list.iter().map(|one| weigh.weight(one.logit)).sum();
        if let Some(count) = self.reaching(weigh, [f64::from(top_p) * total; 2]).count {
            self.list.truncate(count);
        }
    }

    /// The most probable tokens whose weights reach the share `top_p` of all tokens', best first.
    pub(super) fn top_p(&mut self, logits: &Logits<'_>, weigh: Weigh, top_p: f32) {
        let share = f64::from(top_p);
        let about = logits.about(weigh, &mut self.sums);
        let mut enough = [share * about * (1.0 - INEXACT), share * about * (1.0 + INEXACT)];
        // Tokens of less weight have less than the share that may be missing, all together.
        let last = ((1.0 - share) * about / logits.len() as f64).ln() - 1e-3;
        let mut exponent = last.max(-STEP);
        loop {
            self.reach(logits, weigh.logit(exponent));
            let all = self.list.len() == logits.len();
            let mut reached = self.reaching(weigh, enough);
            if reached.unsure {
                enough = [share * logits.total(weigh); 2];
                reached = self.reaching(weigh, enough);
            }
            match reached.count {
                Some(count) => return self.list.truncate(count),
                None if all => return,
                None if exponent <= last => exponent = f64::NEG_INFINITY,
                None => exponent = last.max(exponent - STEP),
            }
        }
    }

    /// How many of the most probable candidates have enough weight together, when what is enough is
    /// somewhere between two numbers. Sorts as far as it needs: a part, then four times as much.
    fn reaching(&mut self, weigh: Weigh, [low, high]: [f64; 2]) -> Reaching {
        let (mut sorted, mut look, mut sum) = (0, FIRST_LOOK, 0.0);
        while sorted < self.list.len() {
            let end = look.min(self.list.len());
            let rest = &mut self.list[sorted..];
            if end - sorted < rest.len() {
                rest.select_nth_unstable_by(end - sorted - 1, Candidate::order);
            }
            self.list[sorted..end].sort_unstable_by(Candidate::order);
            for at in sorted..end {
                sum += weigh.weight(self.list[at].logit);
                if sum >= low {
                    return Reaching { count: Some(at + 1), unsure: sum < high };
                }
            }
            (sorted, look) = (end, look.saturating_mul(4));
        }
        Reaching { count: None, unsure: false }
    }
}

#[cfg(test)]
impl Candidates {
    /// How much it has room for.
    pub(super) fn room(&self) -> [usize; 3] {
        [self.list.capacity(), self.found.capacity(), self.sums.capacity()]
    }
}

/// How many candidates have enough weight.
struct Reaching {
    /// Absent where all together have not.
    count: Option<usize>,
    /// Whether it could be another number.
    unsure: bool,
}

impl Weigh {
    /// The logit whose weight is e^`exponent`, about.
    fn logit(self, exponent: f64) -> f32 {
        (f64::from(self.highest) + exponent * f64::from(self.temperature)) as f32
    }
}
