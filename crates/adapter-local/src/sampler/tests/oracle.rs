//! The choice as anyone would write it: every logit copied, penalized, sorted and summed one by one. What
//! a seed promises is what this chooses.

use std::collections::HashMap;

use super::super::random::Random;
use super::super::{NotANumber, SamplerSettings};

#[derive(Debug, Clone, Copy)]
struct Candidate {
    id: u32,
    logit: f32,
}

/// Chooses like a sampler.
pub(super) struct Oracle {
    settings: SamplerSettings,
    /// How often each token of prompt or answer was generated.
    seen: HashMap<u32, u32>,
    random: Random,
}

impl Oracle {
    pub(super) fn new(settings: SamplerSettings, prompt: &[u32]) -> Self {
        let random = Random::seeded(settings.seed.unwrap());
        Self { settings, seen: prompt.iter().map(|id| (*id, 0)).collect(), random }
    }

    pub(super) fn accept(&mut self, id: u32) {
        *self.seen.entry(id).or_default() += 1;
    }

    pub(super) fn sample(&mut self, logits: &[f32]) -> Result<u32, NotANumber> {
        let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if logits.iter().any(|x| x.is_nan()) || !highest.is_finite() {
            return Err(NotANumber);
        }
        let mut all: Vec<Candidate> =
            (0..).zip(logits).map(|(id, logit)| Candidate { id, logit: *logit }).collect();
        let SamplerSettings { temperature, top_k, top_p, min_p, .. } = self.settings;
        let penalized = self.penalize(&mut all);
        if temperature == 0.0 && !penalized {
            // The first of equals, whatever the sign of a zero.
            return Ok(all.iter().find(|c| c.logit == highest).unwrap().id);
        }
        let sorted = |mut all: Vec<Candidate>| {
            all.sort_by(|a, b| b.logit.total_cmp(&a.logit).then(a.id.cmp(&b.id)));
            all
        };
        if temperature == 0.0 {
            return Ok(sorted(all)[0].id);
        }
        let highest = all.iter().map(|c| c.logit).fold(f32::NEG_INFINITY, f32::max);
        let weight = |c: &Candidate| f64::from(((c.logit - highest) / temperature).exp());
        if top_k > 0 && top_k < all.len() {
            all = sorted(all);
            all.truncate(top_k);
        }
        if top_p < 1.0 {
            let enough = f64::from(top_p) * all.iter().map(weight).sum::<f64>();
            all = sorted(all);
            let mut sum = 0.0;
            let reached = all.iter().position(|c| {
                sum += weight(c);
                sum >= enough
            });
            all.truncate(reached.map_or(all.len(), |at| at + 1));
        }
        if min_p > 0.0 {
            all.retain(|c| weight(c) >= f64::from(min_p));
        }
        let weights: Vec<(u32, f64)> = all.iter().map(|c| (c.id, weight(c))).collect();
        draw(&weights, self.random.unit())
    }

    /// Whether there are penalties at all.
    fn penalize(&self, all: &mut [Candidate]) -> bool {
        let SamplerSettings { repeat_penalty, presence_penalty, frequency_penalty, .. } =
            self.settings;
        for (id, times) in &self.seen {
            let Some(candidate) = all.get_mut(*id as usize) else { continue };
            let logit = candidate.logit;
            candidate.logit =
                if logit > 0.0 { logit / repeat_penalty } else { logit * repeat_penalty };
            if *times > 0 {
                candidate.logit -= presence_penalty + frequency_penalty * *times as f32;
            }
        }
        (repeat_penalty, presence_penalty, frequency_penalty) != (1.0, 0.0, 0.0)
    }
}

/// The token at `point` of their weights side by side.
pub(super) fn draw(weights: &[(u32, f64)], point: f64) -> Result<u32, NotANumber> {
    let mut left = point * weights.iter().map(|(_, weight)| weight).sum::<f64>();
    let mut chosen = None;
    for (id, weight) in weights {
        if *weight > 0.0 {
            chosen = Some(*id);
            left -= weight;
        }
        if left < 0.0 {
            break;
        }
    }
    chosen.ok_or(NotANumber)
}
