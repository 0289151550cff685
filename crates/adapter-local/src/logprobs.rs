//! Log-probabilities of tokens, from the logits as the model computed them.

use domain::{TokenLogprob, TopLogprob};

use crate::cpu::{Isa, usual_isa};
use crate::sampler::{Candidate, Candidates, Logits};
use crate::tokenizer::Vocabulary;

/// Reports tokens with their log-probabilities.
#[derive(Debug)]
pub(crate) struct Logprobs {
    isa: Isa,
    top: usize,
    candidates: Candidates,
}

impl Logprobs {
    /// With the `top` most probable tokens at each place.
    pub(crate) fn new(top: u32) -> Self {
        Self { isa: usual_isa(), top: top as usize, candidates: Candidates::default() }
    }

    /// What there is to say of the token `id` that was chosen from these logits.
    pub(crate) fn of(&mut self, id: u32, logits: &[f32], words: &Vocabulary) -> TokenLogprob {
        let total = log_sum_exp(logits);
        let logprob = |logit: f32| (f64::from(logit) - total) as f32;
        let logit = logits.get(id as usize).copied().unwrap_or(f32::NEG_INFINITY);
        let top = self.most_probable(logits).iter().map(|one| TopLogprob {
            id: one.id,
            text: words.spelling(one.id),
            logprob: logprob(one.logit),
        });
        TokenLogprob { id, text: words.spelling(id), logprob: logprob(logit), top: top.collect() }
    }

    fn most_probable(&mut self, logits: &[f32]) -> &[Candidate] {
        self.candidates.most_probable(&Logits::unchanged(self.isa, logits), self.top)
    }
}

/// Logarithm of the sum of exponentials, in f64: a vocabulary is long enough for f32 to drift.
fn log_sum_exp(logits: &[f32]) -> f64 {
    let highest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    highest + logits.iter().map(|logit| (f64::from(*logit) - highest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one() {
        let logits: Vec<f32> = (0..50_000).map(|n| ((n * 7919) % 1000) as f32 / 50.0).collect();
        let total = log_sum_exp(&logits);
        let sum: f64 = logits.iter().map(|l| (f64::from(*l) - total).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    }

    #[test]
    fn the_most_probable_come_best_first_and_equals_by_id() {
        let mut logprobs = Logprobs::new(3);
        let mut ids = |logits: &[f32]| -> Vec<u32> {
            logprobs.most_probable(logits).iter().map(|one| one.id).collect()
        };
        assert_eq!(ids(&[0.0, 5.0, 1.0, 5.0, -2.0]), [1, 3, 2]);
        assert_eq!(ids(&[1.0, 2.0]), [1, 0]);
        assert!(Logprobs::new(0).most_probable(&[1.0]).is_empty());
    }
}
