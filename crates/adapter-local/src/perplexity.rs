//! How well a model foretells a text: perplexity, to judge what a quantization costs.
//!
//! As llama.cpp's `llama-perplexity` computes it, so that figures can be compared: the text is cut
//! into windows of `context` tokens, each computed alone; the first half of a window is context
//! only, every later token counts.

use std::path::Path;

use ports::{Error, ErrorKind};
use serde::Serialize;

use crate::checkpoint::Checkpoint;
use crate::decoder::{self, Decoder, LoadOptions, Part, SequenceId, Wanted};
use crate::error::DecodeError;

/// Tokens whose logits are held at once.
const ROWS: usize = 32;
/// Half of it must leave something to count.
const SHORTEST_CONTEXT: usize = 4;

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PerplexityPlan {
    /// Tokens of a window.
    pub context: usize,
    /// Threads that compute; the physical cores when absent.
    pub threads: Option<usize>,
    /// Most windows; all when absent.
    pub windows: Option<usize>,
}

impl Default for PerplexityPlan {
    /// Windows of 512 tokens, all of them.
    fn default() -> Self {
        Self { context: 512, threads: None, windows: None }
    }
}

/// How well the text was foretold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Perplexity {
    /// e to the mean surprise: 1 is foreseen, the vocabulary's size is a blind guess.
    pub perplexity: f64,
    /// Its standard error.
    pub error: f64,
    /// Tokens of the text.
    pub tokens: usize,
    /// Tokens that count.
    pub scored: usize,
    /// Windows computed.
    pub windows: usize,
}

/// Sums over the tokens that count.
#[derive(Debug, Default)]
struct Score {
    surprise: f64,
    squares: f64,
    count: usize,
}

/// Measures the model at `path` (a file or a folder) on a text, telling the figures so far after
/// each window. Blocks; meant for a thread of its own.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] for a text shorter than a window and for a window that does not
/// fit the model's context; otherwise what loading or computing says.
pub fn perplexity(
    path: &Path,
    text: &str,
    plan: &PerplexityPlan,
    report: &mut dyn FnMut(&Perplexity),
) -> Result<Perplexity, Error> {
    let checkpoint = Checkpoint::open(path)?;
    let prompter = checkpoint.prompter()?;
    let ids = prompter.plain_ids(text)?;
    let options = LoadOptions { threads: plan.threads, ..LoadOptions::default() };
    let mut decoder = decoder::load(&checkpoint, &options)?;
    prompter.check_known(&ids, decoder.vocab_size())?;
    check(plan, ids.len(), decoder.context_length())?;
    let bos =
        ids.first().copied().filter(|id| Some(*id) == prompter.tokenizer().vocabulary().bos());
    let all = ids.len() / plan.context;
    let windows = plan.windows.map_or(all, |most| most.min(all));
    let mut score = Score::default();
    let mut latest = score.perplexity(ids.len(), 0);
    for (index, window) in ids.chunks_exact(plan.context).take(windows).enumerate() {
        let mut window = window.to_vec();
        // Every window begins as a text does.
        if let (Some(bos), Some(first)) = (bos, window.first_mut()) {
            *first = bos;
        }
        let sequence = decoder.open()?;
        score.add(decoder.as_mut(), sequence, &window)?;
        decoder.close(sequence);
        latest = score.perplexity(ids.len(), index + 1);
        report(&latest);
    }
    Ok(latest)
}

fn check(plan: &PerplexityPlan, tokens: usize, context_length: usize) -> Result<(), Error> {
    let refuse = |message: String, hint: &str| {
        Err(Error::new(ErrorKind::InvalidRequest, message).with_hint(hint))
    };
    let context = plan.context;
    if context < SHORTEST_CONTEXT || plan.windows == Some(0) {
        let message = format!("windows of {context} tokens leave nothing to count");
        return refuse(message, "512 is usual");
    }
    if context > context_length {
        let message =
            format!("{context} tokens do not fit the model's context of {context_length}");
        return refuse(message, "use shorter windows");
    }
    if tokens < context {
        let message = format!("the text has {tokens} tokens, but a window needs {context}");
        return refuse(message, "use a longer text, or shorter windows");
    }
    Ok(())
}

impl Score {
    /// Adds the second half of a window.
    fn add(
        &mut self,
        decoder: &mut dyn Decoder,
        sequence: SequenceId,
        window: &[u32],
    ) -> Result<(), DecodeError> {
        let half = window.len() / 2;
        let (context, counted) = (&window[..half], &window[half..window.len() - 1]);
        for tokens in context.chunks(256) {
            decoder.forward(&[Part { sequence, tokens, wanted: Wanted::None }])?;
        }
        let vocabulary = decoder.vocab_size();
        for (index, tokens) in counted.chunks(ROWS).enumerate() {
            decoder.forward(&[Part { sequence, tokens, wanted: Wanted::All }])?;
            let next = window[half + index * ROWS + 1..].iter();
            for (logits, next) in decoder.logits(0)?.chunks_exact(vocabulary).zip(next) {
                let surprise = surprise(logits, *next);
                self.surprise += surprise;
                self.squares += surprise * surprise;
                self.count += 1;
            }
        }
        Ok(())
    }

    fn perplexity(&self, tokens: usize, windows: usize) -> Perplexity {
        let count = self.count.max(1) as f64;
        let mean = self.surprise / count;
        let variance = (self.squares / count - mean * mean).max(0.0);
        let error = (variance / (count - 1.0).max(1.0)).sqrt();
        let perplexity = mean.exp();
        Perplexity { perplexity, error: error * perplexity, tokens, scored: self.count, windows }
    }
}

/// -ln of the probability of `token`.
fn surprise(logits: &[f32], token: u32) -> f64 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits.iter().map(|x| f64::from(x - most).exp()).sum();
    let own = logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
    total.ln() - f64::from(own - most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
    }

    fn text() -> String {
        (0..400).map(|i| format!("line {} of {}\n", i * 7919 % 101, i % 13)).collect()
    }

    #[test]
    fn the_figure_is_that_of_single_steps() {
        let plan = PerplexityPlan { context: 100, threads: Some(2), windows: Some(2) };
        let path = tiny("tiny-llama-f32.gguf");
        let mut told = Vec::new();
        let found = perplexity(&path, &text(), &plan, &mut |so_far| told.push(*so_far)).unwrap();
        assert_eq!((found.windows, found.scored, told.len()), (2, 98, 2));
        assert_eq!(told[1], found);
        let checkpoint = Checkpoint::open(&path).unwrap();
        let prompter = checkpoint.prompter().unwrap();
        let ids = prompter.plain_ids(&text()).unwrap();
        assert_ne!(
            Some(ids[0]),
            prompter.tokenizer().vocabulary().bos(),
            "windows are as they are"
        );
        let mut decoder = decoder::load(&checkpoint, &LoadOptions::default()).unwrap();
        let mut sum = 0.0;
        for start in [0, 100] {
            let sequence = decoder.open().unwrap();
            let window = &ids[start..start + 100];
            for at in 0..99 {
                let tokens = &window[at..=at];
                decoder.forward(&[Part { sequence, tokens, wanted: Wanted::Last }]).unwrap();
                if at >= 50 {
                    sum += surprise(decoder.logits(0).unwrap(), window[at + 1]);
                }
            }
        }
        assert!((found.perplexity.ln() - sum / 98.0).abs() < 1e-9, "{found:?}");
        assert!(found.error > 0.0 && found.error < found.perplexity);
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let path = tiny("tiny-llama-f32.gguf");
        let measure = |text: &str, context| {
            let plan = PerplexityPlan { context, ..PerplexityPlan::default() };
            perplexity(&path, text, &plan, &mut |_| {}).unwrap_err()
        };
        assert!(measure("short", 64).to_string().contains("a window needs 64"));
        assert!(measure(&text(), 513).to_string().contains("context of 512"));
        assert!(measure(&text(), 3).to_string().contains("nothing to count"));
    }
}
