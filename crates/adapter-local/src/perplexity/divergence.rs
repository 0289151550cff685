//! How far what a model foretells is from what a reference does.

use serde::Serialize;

use super::score::{Distribution, Score, mean_and_error};

/// How far a model is from its reference, over the tokens that count. Divergences are the
/// Kullback-Leibler divergence of the model from the reference, in nats: the mean over the
/// reference's probabilities of how much less probable the model finds the same token.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Divergence {
    /// Mean of a token's divergence.
    pub mean: f64,
    /// Standard error of the mean.
    pub error: f64,
    /// The divergence that half of the tokens stay below.
    pub median: f64,
    /// The divergence that 99 % of the tokens stay below.
    pub p99: f64,
    /// The largest divergence.
    pub max: f64,
    /// Share of tokens where both find the same token most probable.
    pub same_top: f64,
    /// Perplexity of the reference.
    pub reference_perplexity: f64,
}

/// The divergences of the tokens so far.
#[derive(Debug, Default)]
pub(super) struct Divergences {
    values: Vec<f64>,
    same_top: usize,
    reference: Score,
}

impl Divergences {
    /// Counts a token, from what both foretold and what it was.
    pub(super) fn add(&mut self, reference: Distribution<'_>, model: Distribution<'_>, token: u32) {
        self.reference.add(reference, token);
        self.values.push(divergence(reference, model));
        self.same_top += usize::from(reference.top == model.top);
    }

    pub(super) fn figures(&self) -> Divergence {
        let sum = self.values.iter().sum();
        let squares = self.values.iter().map(|value| value * value).sum();
        let (mean, error) = mean_and_error(sum, squares, self.values.len());
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        Divergence {
            mean,
            error,
            median: quantile(&sorted, 0.5),
            p99: quantile(&sorted, 0.99),
            max: sorted.last().copied().unwrap_or(0.0),
            same_top: self.same_top as f64 / self.values.len().max(1) as f64,
            reference_perplexity: self.reference.perplexity().0,
        }
    }
}

/// The divergence of the model from the reference at one token.
fn divergence(reference: Distribution<'_>, model: Distribution<'_>) -> f64 {
    let terms = reference.logs().zip(model.logs()).map(|(theirs, ours)| {
        let probability = theirs.exp();
        // Nothing times a difference without bounds is nothing here.
        if probability > 0.0 { probability * (theirs - ours) } else { 0.0 }
    });
    // Rounding may leave a little less than nothing.
    terms.sum::<f64>().max(0.0)
}

/// What that share of the values stays below, between the two nearest.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let at = share * last as f64;
    let below = at.floor() as usize;
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    low + (high - low) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs(probabilities: [f32; 3]) -> [f32; 3] {
        // Logits are logarithms up to a number of their own.
        probabilities.map(|p| p.ln() + 7.0)
    }

    #[test]
    fn known_distributions_have_their_known_divergence() {
        let (p, q) = (logs([0.5, 0.25, 0.25]), logs([0.25, 0.5, 0.25]));
        let mut both = Divergences::default();
        both.add(Distribution::of(&p), Distribution::of(&q), 0);
        both.add(Distribution::of(&p), Distribution::of(&p), 1);
        let found = both.figures();
        // 0.5 ln 2 - 0.25 ln 2, and nothing.
        let expected = 0.25 * std::f64::consts::LN_2;
        assert!((found.max - expected).abs() < 1e-6, "{found:?}");
        assert!((found.mean - expected / 2.0).abs() < 1e-6);
        assert!((found.median - expected / 2.0).abs() < 1e-6);
        assert!((found.p99 - 0.99 * expected).abs() < 1e-6);
        assert!((found.same_top - 0.5).abs() < 1e-12);
        // The reference gave its tokens 1/2 and 1/4: e to the mean of ln 2 and ln 4.
        assert!((found.reference_perplexity - 8.0_f64.sqrt()).abs() < 1e-5);
    }

    #[test]
    fn what_the_reference_excludes_does_not_count_and_what_the_model_excludes_has_no_bound() {
        let never = f32::NEG_INFINITY;
        let of = |reference: &[f32], model: &[f32]| {
            divergence(Distribution::of(reference), Distribution::of(model))
        };
        let half = -std::f32::consts::LN_2;
        let found = of(&[0.0, never, 0.0], &[half, half, 0.0]);
        // The model gives 1/4, 1/4, 1/2: 0.5 ln 2 + 0.
        assert!((found - 0.5 * std::f64::consts::LN_2).abs() < 1e-6, "{found}");
        assert!(of(&[0.0, 0.0], &[0.0, never]).is_infinite());
    }

    #[test]
    fn nothing_measured_is_no_divergence() {
        let found = Divergences::default().figures();
        assert_eq!((found.mean, found.max, found.same_top), (0.0, 0.0, 0.0));
    }
}
