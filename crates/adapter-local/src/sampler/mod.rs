//! Chooses the next token from the logits.
//!
//! Order, as in transformers and vLLM: penalties (repetition, presence, frequency), temperature,
//! top-k, top-p, min-p, draw. Top-p counts the probabilities that top-k left; top-p and min-p both
//! keep the most probable ones, so between them order does not matter. Temperature 0 takes the most
//! probable token after penalties, the lowest id of several. Nothing is allocated per token, and no
//! more is sorted than is kept.

mod penalties;
mod random;
mod settings;

#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use ports::{Error, ErrorKind};

use penalties::Penalties;
use random::Random;

pub(crate) use settings::SamplerSettings;

/// How many of the most probable tokens top-p looks at first.
const FIRST_LOOK: usize = 64;

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

/// A token that may be chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Candidate {
    id: u32,
    logit: f32,
}

impl Candidate {
    /// The most probable first, then by id: the same order whatever the selection did.
    fn order(&self, other: &Self) -> Ordering {
        other.logit.total_cmp(&self.logit).then(self.id.cmp(&other.id))
    }
}

/// Chooses the tokens of one generation.
#[derive(Debug)]
pub(crate) struct Sampler {
    settings: SamplerSettings,
    penalties: Penalties,
    random: Random,
    candidates: Vec<Candidate>,
}

impl Sampler {
    /// For logits of `vocabulary` tokens, after this prompt.
    pub(crate) fn new(settings: SamplerSettings, vocabulary: usize, prompt: &[u32]) -> Self {
        let penalties = Penalties::new(&settings, vocabulary, prompt);
        let random = settings.seed.map_or_else(Random::fresh, Random::seeded);
        // Greedy choice without penalties reads the logits where they are.
        let room = if settings.temperature == 0.0 && !penalties.active() { 0 } else { vocabulary };
        Self { settings, penalties, random, candidates: Vec::with_capacity(room) }
    }

    /// Chooses a token and takes note of it.
    pub(crate) fn sample(&mut self, logits: &[f32]) -> Result<u32, NotANumber> {
        let greedy = self.settings.temperature == 0.0;
        let best = best(logits)?;
        if greedy && !self.penalties.active() {
            return Ok(best.id);
        }
        self.candidates.clear();
        let candidates = (0..).zip(logits).map(|(id, logit)| Candidate { id, logit: *logit });
        self.candidates.extend(candidates);
        self.penalties.apply(&mut self.candidates);
        if greedy {
            let best = self.candidates.iter().min_by(|a, b| a.order(b));
            return best.map(|best| best.id).ok_or(NotANumber);
        }
        let highest = self.candidates.iter().map(|c| c.logit).fold(f32::NEG_INFINITY, f32::max);
        self.filter(highest);
        self.draw(highest)
    }

    /// Takes note of a token that became part of the text.
    pub(crate) fn accept(&mut self, id: u32) {
        self.penalties.accept(id);
    }

    fn filter(&mut self, highest: f32) {
        let SamplerSettings { top_k, top_p, min_p, .. } = self.settings;
        if top_k > 0 && top_k < self.candidates.len() {
            self.candidates.select_nth_unstable_by(top_k - 1, Candidate::order);
            self.candidates.truncate(top_k);
            self.candidates.sort_unstable_by(Candidate::order);
        }
        if top_p < 1.0 {
            self.keep_top_p(highest, f64::from(top_p));
        }
        if min_p > 0.0 {
            let weight = weigh(highest, self.settings.temperature);
            // The most probable token weighs 1.
            self.candidates.retain(|candidate| weight(candidate) >= f64::from(min_p));
        }
    }

    /// Sorts as far as the sum of probabilities needs it: a part, then four times as much.
    fn keep_top_p(&mut self, highest: f32, top_p: f64) {
        let weight = weigh(highest, self.settings.temperature);
        let enough = top_p * self.candidates.iter().map(&weight).sum::<f64>();
        let (mut sorted, mut look, mut sum) = (0, FIRST_LOOK, 0.0);
        while sorted < self.candidates.len() {
            let end = look.min(self.candidates.len());
            let rest = &mut self.candidates[sorted..];
            if end - sorted < rest.len() {
                rest.select_nth_unstable_by(end - sorted - 1, Candidate::order);
            }
            self.candidates[sorted..end].sort_unstable_by(Candidate::order);
            for at in sorted..end {
                sum += weight(&self.candidates[at]);
                if sum >= enough {
                    return self.candidates.truncate(at + 1);
                }
            }
            (sorted, look) = (end, look.saturating_mul(4));
        }
    }

    fn draw(&mut self, highest: f32) -> Result<u32, NotANumber> {
        let weight = weigh(highest, self.settings.temperature);
        let total: f64 = self.candidates.iter().map(&weight).sum();
        let mut left = self.random.unit() * total;
        let mut chosen = None;
        for candidate in &self.candidates {
            let weight = weight(candidate);
            if weight > 0.0 {
                chosen = Some(candidate.id);
                left -= weight;
            }
            if left < 0.0 {
                break;
            }
        }
        chosen.ok_or(NotANumber)
    }
}

/// Relative probabilities, the highest logit's being 1.
fn weigh(highest: f32, temperature: f32) -> impl Fn(&Candidate) -> f64 {
    move |candidate| f64::from(((candidate.logit - highest) / temperature).exp())
}

/// The highest logit, the lowest id of several.
fn best(logits: &[f32]) -> Result<Candidate, NotANumber> {
    let mut best = Candidate { id: 0, logit: f32::NEG_INFINITY };
    let mut broken = logits.is_empty();
    for (id, logit) in (0..).zip(logits) {
        broken |= logit.is_nan();
        if *logit > best.logit {
            best = Candidate { id, logit: *logit };
        }
    }
    if broken || !best.logit.is_finite() { Err(NotANumber) } else { Ok(best) }
}
