//! How surprising the tokens of a text were.

/// Sums over the tokens that count.
#[derive(Debug, Default)]
pub(super) struct Score {
    surprise: f64,
    squares: f64,
    count: usize,
}

impl Score {
    /// Counts a token that came where this was foretold.
    pub(super) fn add(&mut self, foretold: Distribution<'_>, token: u32) {
        let surprise = foretold.surprise(token);
        self.surprise += surprise;
        self.squares += surprise * surprise;
        self.count += 1;
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Perplexity and its standard error.
    pub(super) fn perplexity(&self) -> (f64, f64) {
        let (mean, error) = mean_and_error(self.surprise, self.squares, self.count);
        (mean.exp(), error * mean.exp())
    }
}

/// A mean and its standard error, from the sums of the values and of their squares.
pub(super) fn mean_and_error(sum: f64, squares: f64, count: usize) -> (f64, f64) {
    let count = count.max(1) as f64;
    let mean = sum / count;
    let variance = (squares / count - mean * mean).max(0.0);
    (mean, (variance / (count - 1.0).max(1.0)).sqrt())
}

/// What logits say of the next token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Distribution<'a> {
    logits: &'a [f32],
    /// What a logit is more than the logarithm of its probability.
    total: f64,
    /// The most probable token, the first of equals.
    pub(super) top: usize,
}

impl<'a> Distribution<'a> {
    pub(super) fn of(logits: &'a [f32]) -> Self {
        let (mut top, mut most) = (0, f32::NEG_INFINITY);
        for (index, logit) in logits.iter().enumerate() {
            if *logit > most {
                (top, most) = (index, *logit);
            }
        }
        let most = f64::from(most);
        let sum: f64 = logits.iter().map(|logit| (f64::from(*logit) - most).exp()).sum();
        Self { logits, total: most + sum.ln(), top }
    }

    /// Logarithms of the probabilities.
    pub(super) fn logs(&self) -> impl Iterator<Item = f64> + 'a {
        let total = self.total;
        self.logits.iter().map(move |logit| f64::from(*logit) - total)
    }

    /// -ln of the probability of a token.
    pub(super) fn surprise(&self, token: u32) -> f64 {
        let own = self.logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
        self.total - f64::from(own)
    }
}
