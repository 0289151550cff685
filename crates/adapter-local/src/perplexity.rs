//! How well a model foretells a text, and how far it is from another one: to judge what a
//! quantization costs, and what computing with it does.
//!
//! As llama.cpp's `llama-perplexity` computes it, so that figures can be compared: the text is cut
//! into windows of `context` tokens, each computed alone, its first token replaced by the one that
//! begins a text where the tokenizer puts one there; the first half of a window is context only,
//! every later token counts.

mod divergence;
mod reader;
mod score;
mod subject;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use ports::{Error, ErrorKind};
use serde::Serialize;

pub use divergence::Divergence;
use divergence::Divergences;
use reader::Reader;
use score::{Distribution, Score};
use subject::Subject;

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
    /// A model with the same vocabulary, to measure how far from it this one is. It is computed in
    /// full precision: quantized matrices as the f32 numbers that they stand for, keys and values
    /// in f32. So a quantized model beside itself shows what computing with quantized numbers
    /// costs.
    pub reference: Option<PathBuf>,
}

impl Default for PerplexityPlan {
    /// Windows of 512 tokens, all of them, and no reference.
    fn default() -> Self {
        Self { context: 512, threads: None, windows: None, reference: None }
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
    /// How far from the reference it is, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub divergence: Option<Divergence>,
}

/// Measures the model at `path` (a file or a folder) on a text, telling the figures so far after
/// each window. Blocks; meant for a thread of its own.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] for a text shorter than a window, for a window that does not fit
/// the model's context and for a reference with another vocabulary; [`ErrorKind::OutOfMemory`]
/// where the reference's numbers do not fit this machine; otherwise what loading or computing says.
pub fn perplexity(
    path: &Path,
    text: &str,
    plan: &PerplexityPlan,
    report: &mut dyn FnMut(&Perplexity),
) -> Result<Perplexity, Error> {
    let model = Subject::open(path, text)?;
    let reference = plan.reference.as_deref().map(|path| Subject::open(path, text)).transpose()?;
    check(plan, &model)?;
    if let Some(reference) = &reference {
        check(plan, reference)?;
        model.check_same_vocabulary(reference)?;
    }
    // The reference first: it needs more memory, so where there is too little, that is soon known.
    let reference = reference.map(|reference| reference.load_exactly(plan.threads)).transpose()?;
    let bos = model.begins();
    let (ids, decoder) = model.load(plan.threads)?;
    let mut compared = Compared {
        model: Reader::new(decoder),
        reference: reference.map(|decoder| (Reader::new(decoder), Divergences::default())),
        score: Score::default(),
        tokens: ids.len(),
    };
    let all = ids.len() / plan.context;
    let windows = plan.windows.map_or(all, |most| most.min(all));
    let mut latest = compared.figures(0);
    for (index, window) in ids.chunks_exact(plan.context).take(windows).enumerate() {
        let mut window = window.to_vec();
        // Every window begins as a text does.
        if let (Some(bos), Some(first)) = (bos, window.first_mut()) {
            *first = bos;
        }
        compared.read(&window)?;
        latest = compared.figures(index + 1);
        report(&latest);
    }
    Ok(latest)
}

fn check(plan: &PerplexityPlan, subject: &Subject) -> Result<(), Error> {
    let refuse = |message: String, hint: &str| {
        Err(Error::new(ErrorKind::InvalidRequest, message).with_hint(hint))
    };
    let (context, context_length, tokens) =
        (plan.context, subject.context_length(), subject.tokens());
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

/// A model that reads a text, beside the one that it is compared with.
struct Compared {
    model: Reader,
    reference: Option<(Reader, Divergences)>,
    score: Score,
    tokens: usize,
}

impl Compared {
    /// Counts the second half of a window. Both models take the same few tokens after each other,
    /// so that no more than these tokens' logits are ever held.
    fn read(&mut self, window: &[u32]) -> Result<(), Error> {
        let half = window.len() / 2;
        let (context, counted) = (&window[..half], &window[half..window.len() - 1]);
        self.model.begin(context)?;
        if let Some((reader, _)) = &mut self.reference {
            reader.begin(context)?;
        }
        for (index, tokens) in counted.chunks(ROWS).enumerate() {
            let next = &window[half + index * ROWS + 1..][..tokens.len()];
            let own = self.model.read(tokens)?.map(Distribution::of).zip(next);
            match &mut self.reference {
                None => own.for_each(|(own, next)| self.score.add(own, *next)),
                Some((reader, divergences)) => {
                    let theirs = reader.read(tokens)?.map(Distribution::of);
                    for (theirs, (own, next)) in theirs.zip(own) {
                        self.score.add(own, *next);
                        divergences.add(theirs, own, *next);
                    }
                }
            }
        }
        self.model.end();
        if let Some((reader, _)) = &mut self.reference {
            reader.end();
        }
        Ok(())
    }

    fn figures(&self, windows: usize) -> Perplexity {
        let (perplexity, error) = self.score.perplexity();
        let divergence = self.reference.as_ref().map(|(_, divergences)| divergences.figures());
        let (tokens, scored) = (self.tokens, self.score.count());
        Perplexity { perplexity, error, tokens, scored, windows, divergence }
    }
}
