//! Chooses the next token from the logits.
//!
//! Order, as in transformers and vLLM: penalties (repetition, presence, frequency), temperature,
//! top-k, top-p, min-p, draw. Top-p counts the probabilities that top-k left; top-p and min-p both
//! keep the most probable ones, so between them order does not matter. Temperature 0 takes the most
//! probable token after penalties, the lowest id of several.
//!
//! The vocabulary is never copied and never sorted. Passes of vector code over the logits find the
//! few tokens that can come into question, and how much weight all have together, to a millionth;
//! where a choice is closer than that, weights are summed one by one. So a seed chooses what plain
//! arithmetic over all tokens would choose. Room is made once and used for every token.
//!
//! | what | module |
//! |---|---|
//! | logits and what penalties change in them, piece by piece | `logits` |
//! | tokens that may be chosen: top-k, top-p, min-p | `candidates` |
//! | what was seen, and what that costs | `penalties` |
//! | random numbers, settings | `random`, `settings` |

mod candidates;
mod logits;
mod penalties;
mod random;
mod settings;

#[cfg(test)]
mod tests;

use kernels::{Isa, largest};
use ports::{Error, ErrorKind};

use crate::cpu::usual_isa;

use logits::{INEXACT, PIECE, Weigh};
use penalties::Penalties;
use random::Random;

pub(crate) use candidates::{Candidate, Candidates};
pub(crate) use logits::Logits;
pub(crate) use settings::SamplerSettings;

/// Logits from which nothing can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the model computed logits that are not numbers")]
pub(crate) struct NotANumber;

impl From<NotANumber> for Error {
    fn from(error: NotANumber) -> Self {
        Self::new(ErrorKind::ModelLoad, error.to_string())
            .with_hint("the model file is damaged or does not suit this engine: fetch it again")
            .with_source(error)
    }
}

/// Chooses the tokens of one generation.
#[derive(Debug)]
pub(crate) struct Sampler {
    isa: Isa,
    settings: SamplerSettings,
    penalties: Penalties,
    random: Random,
    candidates: Candidates,
}

impl Sampler {
    /// For logits of `vocabulary` tokens, after this prompt.
    pub(crate) fn new(settings: SamplerSettings, vocabulary: usize, prompt: &[u32]) -> Self {
        let penalties = Penalties::new(&settings, vocabulary, prompt);
        let random = settings.seed.map_or_else(Random::fresh, Random::seeded);
        Self { isa: usual_isa(), settings, penalties, random, candidates: Candidates::default() }
    }

    /// Chooses a token.
    pub(crate) fn sample(&mut self, logits: &[f32]) -> Result<u32, NotANumber> {
        let greedy = self.settings.temperature == 0.0;
        let best = largest(self.isa, logits);
        if best.has_nan || !best.value.is_finite() {
            return Err(NotANumber);
        }
        if greedy && !self.penalties.active() {
            return Ok(best.index as u32);
        }
        let Self { isa, settings, penalties, random, candidates } = self;
        let changed = penalties.apply(logits);
        let unchanged = Logits::unchanged(*isa, logits);
        let logits = unchanged.with(changed);
        if greedy {
            let best = candidates.most_probable(&logits, 1).first();
            return best.map(|best| best.id).ok_or(NotANumber);
        }
        let highest = if changed.is_empty() { best.value } else { logits.highest() };
        if !highest.is_finite() {
            return Err(NotANumber);
        }
        let weigh = Weigh { highest, temperature: settings.temperature };
        let point = random.unit();
        if candidates.filter(settings, &logits, weigh) {
            candidates.draw(weigh, point)
        } else {
            candidates.draw_from_all(&logits, weigh, point)
        }
    }

    /// Takes note of a token that became part of the text.
    pub(crate) fn accept(&mut self, id: u32) {
        self.penalties.accept(id);
    }
}

impl Candidates {
    /// Finds the tokens that the filters leave. False where there is no filter: that is all of them.
    fn filter(&mut self, settings: &SamplerSettings, logits: &Logits<'_>, weigh: Weigh) -> bool {
        let SamplerSettings { top_k, top_p, min_p, .. } = *settings;
        let limited = top_k > 0 && top_k < logits.len();
        if limited {
            self.most_probable(logits, top_k);
        }
        match (limited, top_p < 1.0) {
            (true, true) => self.keep_top_p(weigh, top_p),
            (false, true) => self.top_p(logits, weigh, top_p),
            (true, false) => {}
            (false, false) if min_p > 0.0 => self.about_min_p(logits, weigh, min_p),
            (false, false) => return false,
        }
        if min_p > 0.0 {
            self.keep_min_p(weigh, min_p);
        }
        true
    }

    /// The candidate at `point`, from 0 to 1, of their weights side by side.
    fn draw(&self, weigh: Weigh, point: f64) -> Result<u32, NotANumber> {
        let weights = || self.list.iter().map(|one| (one.id, weigh.weight(one.logit)));
        let total: f64 = weights().map(|(_, weight)| weight).sum();
        let mut drawing = Drawing { left: point * total, chosen: None };
        weights().find(|(id, weight)| drawing.passes(*id, *weight));
        drawing.chosen.ok_or(NotANumber)
    }

    /// The same of all tokens.
    fn draw_from_all(
        &mut self,
        logits: &Logits<'_>,
        weigh: Weigh,
        point: f64,
    ) -> Result<u32, NotANumber> {
        let about = logits.about(weigh, &mut self.sums);
        if let Some(id) = self.draw_about(logits, weigh, point * about, 4.0 * INEXACT * about) {
            return Ok(id);
        }
        let mut drawing = Drawing { left: point * logits.total(weigh), chosen: None };
        let mut room = [0.0; PIECE];
        for piece in 0..logits.pieces() {
            let ids = (piece * PIECE) as u32..;
            let mut numbers = ids.zip(logits.piece(piece, &mut room));
            if numbers.any(|(id, logit)| drawing.passes(id, weigh.weight(*logit))) {
                break;
            }
        }
        drawing.chosen.ok_or(NotANumber)
    }

    /// The token at `target` of all weights side by side; nothing where it is closer to another one
    /// than `slack`, by which both the target and the sums of pieces may be off.
    fn draw_about(
        &self,
        logits: &Logits<'_>,
        weigh: Weigh,
        target: f64,
        slack: f64,
    ) -> Option<u32> {
        let (mut before, mut room) = (0.0, [0.0; PIECE]);
        let piece = self.sums.iter().position(|sum| {
            let within = before + sum > target;
            before += if within { 0.0 } else { *sum };
            within
        })?;
        for (id, logit) in ((piece * PIECE) as u32..).zip(logits.piece(piece, &mut room)) {
            let after = before + weigh.weight(*logit);
            if after > target {
                return (before + slack < target && target + slack < after).then_some(id);
            }
            before = after;
        }
        None
    }
}

/// Walks along weights until a point is reached.
struct Drawing {
    left: f64,
    /// The last token that had any weight.
    chosen: Option<u32>,
}

impl Drawing {
    /// Takes the next token; whether it passes the point.
    fn passes(&mut self, id: u32, weight: f64) -> bool {
        if weight > 0.0 {
            self.chosen = Some(id);
            self.left -= weight;
        }
        self.left < 0.0
    }
}
