//! One thing measured, several times.

use std::ops::Range;
use std::time::Instant;

use ports::{Error, ErrorKind};

use super::{BenchKind, BenchPlan, BenchRow, Spread};
use crate::decoder::{Decoder, Part, SequenceId, Wanted};
use crate::error::DecodeError;

/// One thing to measure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measurement {
    pub(super) kind: BenchKind,
    pub(super) tokens: usize,
    pub(super) batch: usize,
    pub(super) depth: usize,
}

impl Measurement {
    /// Positions that a sequence reaches.
    pub(super) fn positions(&self) -> usize {
        self.depth.saturating_add(self.tokens)
    }

    pub(super) fn run(
        &self,
        decoder: &mut dyn Decoder,
        plan: &BenchPlan,
        threads: usize,
    ) -> Result<BenchRow, Error> {
        let most = decoder.most_sequences();
        if self.batch > most {
            let message = format!("this model computes at most {most} sequences at once");
            return Err(
                Error::new(ErrorKind::Unsupported, message).with_hint("measure smaller batches")
            );
        }
        let mut tokens = RandomTokens { state: plan.seed, vocabulary: decoder.vocab_size() };
        let mut sequences = Vec::new();
        for _ in 0..self.batch {
            let sequence = decoder.open()?;
            let before = tokens.take(self.depth);
            if !before.is_empty() {
                step(decoder, &[(sequence, before.as_slice())])?;
            }
            sequences.push((sequence, tokens.take(self.tokens)));
        }
        let mut speeds = Vec::new();
        for repetition in 0..plan.repetitions + usize::from(plan.warm_up) {
            sequences.iter().for_each(|(sequence, _)| decoder.truncate(*sequence, self.depth));
            let start = Instant::now();
            self.once(decoder, &sequences)?;
            if repetition > 0 || !plan.warm_up {
                let tokens = (self.tokens * self.batch) as f64;
                speeds.push(tokens / start.elapsed().as_secs_f64());
            }
        }
        sequences.iter().for_each(|(sequence, _)| decoder.close(*sequence));
        Ok(BenchRow {
            kind: self.kind,
            tokens: self.tokens,
            depth: self.depth,
            batch: self.batch,
            threads,
            repetitions: plan.repetitions,
            tokens_per_s: spread(speeds),
            share_of_bandwidth: None,
            share_of_peak: None,
        })
    }

    fn once(
        &self,
        decoder: &mut dyn Decoder,
        sequences: &[(SequenceId, Vec<u32>)],
    ) -> Result<(), DecodeError> {
        let parts = |range: Range<usize>| -> Vec<(SequenceId, &[u32])> {
            sequences.iter().map(|(id, tokens)| (*id, &tokens[range.clone()])).collect()
        };
        match self.kind {
            BenchKind::Prefill => step(decoder, &parts(0..self.tokens)),
            BenchKind::Decode => {
                (0..self.tokens).try_for_each(|at| step(decoder, &parts(at..at + 1)))
            }
        }
    }
}

/// Takes some tokens of every sequence through the model, up to the logits after the last of each.
fn step(decoder: &mut dyn Decoder, parts: &[(SequenceId, &[u32])]) -> Result<(), DecodeError> {
    let part = |(sequence, tokens)| Part { sequence, tokens, wanted: Wanted::Last };
    decoder.forward(&parts.iter().copied().map(part).collect::<Vec<_>>())?;
    (0..parts.len()).try_for_each(|part| decoder.logits(part).map(drop))
}

/// Tokens of the vocabulary in an order that a seed fixes (SplitMix64).
struct RandomTokens {
    state: u64,
    vocabulary: usize,
}

impl RandomTokens {
    fn take(&mut self, count: usize) -> Vec<u32> {
        let next = |_| {
            self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) % self.vocabulary.max(1) as u64) as u32
        };
        (0..count).map(next).collect()
    }
}

/// Middle and ends of some figures.
pub(super) fn spread(mut values: Vec<f64>) -> Spread {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    let median = if values.len().is_multiple_of(2) {
        f64::midpoint(at(middle.wrapping_sub(1)), at(middle))
    } else {
        at(middle)
    };
    Spread { median, min: at(0), max: at(values.len().wrapping_sub(1)) }
}
