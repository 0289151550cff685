//! The logits of a step after penalties. Few tokens have been seen: their logits are kept beside the
//! others, and put in their places piece by piece, so that nobody copies a vocabulary.

use kernels::{Isa, largest, power_sum};

/// Numbers of a piece.
pub(super) const PIECE: usize = 1024;

/// How far [`kernels::power_sum`] may be from the sum of what [`Weigh`] gives, as a share of it: a
/// millionth is what it promises, of exact powers, and those that are compared with it are rounded too.
pub(super) const INEXACT: f64 = 1.25e-6;

/// A logit that penalties have changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Changed {
    pub(super) id: u32,
    pub(super) logit: f32,
}

/// Logits that tokens are chosen from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Logits<'a> {
    isa: Isa,
    raw: &'a [f32],
    /// By id, each once.
    changed: &'a [Changed],
}

/// Room for a piece.
pub(super) type Room = [f32; PIECE];

/// Relative probabilities, the highest logit's being 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weigh {
    pub(super) highest: f32,
    pub(super) temperature: f32,
}

impl Weigh {
    pub(super) fn weight(self, logit: f32) -> f64 {
        f64::from(((logit - self.highest) / self.temperature).exp())
    }
}

impl<'a> Logits<'a> {
    /// As the model computed them.
    pub(crate) fn unchanged(isa: Isa, raw: &'a [f32]) -> Self {
        Self { isa, raw, changed: &[] }
    }

    /// With others in the place of some.
    pub(super) fn with(self, changed: &'a [Changed]) -> Self {
        let known = changed.partition_point(|one| (one.id as usize) < self.raw.len());
        Self { changed: &changed[..known], ..self }
    }

    pub(super) fn isa(&self) -> Isa {
        self.isa
    }

    pub(super) fn len(&self) -> usize {
        self.raw.len()
    }

    pub(super) fn pieces(&self) -> usize {
        self.raw.len().div_ceil(PIECE)
    }

    /// The logits from token `piece` x [`PIECE`] on.
    pub(super) fn piece<'b>(&self, piece: usize, room: &'b mut Room) -> &'b [f32]
    where
        'a: 'b,
    {
        let begin = piece * PIECE;
        let raw = &self.raw[begin..self.raw.len().min(begin + PIECE)];
        let place = |id: usize| self.changed.partition_point(|one| (one.id as usize) < id);
        let changed = &self.changed[place(begin)..place(begin + PIECE)];
        if changed.is_empty() {
            return raw;
        }
        let copy = &mut room[..raw.len()];
        copy.copy_from_slice(raw);
        changed.iter().for_each(|one| copy[one.id as usize - begin] = one.logit);
        copy
    }

    /// Shows every piece, and the id of its first token.
    pub(super) fn each(&self, mut look: impl FnMut(u32, &[f32])) {
        let mut room = [0.0; PIECE];
        for piece in 0..self.pieces() {
            look((piece * PIECE) as u32, self.piece(piece, &mut room));
        }
    }

    /// The highest of them.
    pub(super) fn highest(&self) -> f32 {
        let mut highest = f32::NEG_INFINITY;
        self.each(|_, logits| highest = highest.max(largest(self.isa, logits).value));
        highest
    }

    /// About what the weights of all tokens sum up to, see [`INEXACT`]; `sums` are those of the pieces.
    pub(super) fn about(&self, weigh: Weigh, sums: &mut Vec<f64>) -> f64 {
        sums.clear();
        let Weigh { highest, temperature } = weigh;
        self.each(|_, logits| sums.push(power_sum(self.isa, logits, highest, temperature)));
        sums.iter().sum()
    }

    /// Exactly what they sum up to, one by one.
    pub(super) fn total(&self, weigh: Weigh) -> f64 {
        let mut total = 0.0;
        self.each(|_, logits| logits.iter().for_each(|logit| total += weigh.weight(*logit)));
        total
    }
}
