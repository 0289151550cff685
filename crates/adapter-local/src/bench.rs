//! How fast a model runs here: tokens per second of prefill and decode.

use std::path::{Path, PathBuf};
use std::time::Instant;

use ports::{Error, ErrorKind};
use serde::Serialize;

use crate::checkpoint::Checkpoint;
use crate::cpu::{CpuFeatures, cpu_features, default_threads};
use crate::decoder::{self, Decoder, LoadOptions, Part, SequenceId, Wanted};
use crate::error::DecodeError;
use crate::inspect::inspect;

/// What to measure: every combination of a length, a depth and a thread count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BenchPlan {
    /// Tokens of a prompt taken in one call.
    pub prefill: Vec<usize>,
    /// Tokens generated one after the other.
    pub decode: Vec<usize>,
    /// Tokens already in the context when the clock starts.
    pub depths: Vec<usize>,
    /// Thread counts.
    pub threads: Vec<usize>,
    /// Measured runs of each, after one that is not measured.
    pub repetitions: usize,
    /// Seed of the random tokens.
    pub seed: u64,
}

impl Default for BenchPlan {
    /// 512 tokens of prefill and 128 of decode from an empty context, five times, on the
    /// physical cores.
    fn default() -> Self {
        Self {
            prefill: vec![512],
            decode: vec![128],
            depths: vec![0],
            threads: vec![default_threads()],
            repetitions: 5,
            seed: 42,
        }
    }
}

/// What a row measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BenchKind {
    /// A prompt in one call.
    Prefill,
    /// One token per call.
    Decode,
}

/// Middle and ends of some figures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The middle one, or the mean of the two middle ones.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

/// One measurement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BenchRow {
    /// Prefill or decode.
    pub kind: BenchKind,
    /// Tokens taken or generated.
    pub tokens: usize,
    /// Tokens in the context before.
    pub depth: usize,
    /// Threads.
    pub threads: usize,
    /// Measured runs.
    pub repetitions: usize,
    /// Speed of these runs.
    pub tokens_per_s: Spread,
}

/// A whole benchmark.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BenchReport {
    /// Version of textport.
    pub version: &'static str,
    /// The model: a file or a folder.
    pub path: PathBuf,
    /// Its size.
    pub file_bytes: u64,
    /// The model's own name.
    pub name: Option<String>,
    /// Its architecture.
    pub architecture: Option<String>,
    /// How many numbers it holds.
    pub parameters: u64,
    /// Seconds from opening the file to a decoder, once per thread count.
    pub load_s: Spread,
    /// The processor.
    pub cpu: CpuFeatures,
    /// Seed of the random tokens.
    pub seed: u64,
    /// The measurements.
    pub rows: Vec<BenchRow>,
}

/// Runs `plan` on the model at `path`, telling each row as soon as it is known. Blocks; meant for
/// a thread of its own.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] for a plan that measures nothing or does not fit the model's
/// context; otherwise what loading or computing says.
pub fn bench(
    path: &Path,
    plan: &BenchPlan,
    report: &mut dyn FnMut(&BenchRow),
) -> Result<BenchReport, Error> {
    let about = inspect(path)?;
    let facts = decoder::check(&Checkpoint::open(path)?)?;
    let measurements = plan.measurements(facts.parameters.context_length)?;
    let mut rows = Vec::new();
    let mut loads = Vec::new();
    for threads in &plan.threads {
        let start = Instant::now();
        let opened = Checkpoint::open(path)?;
        let options = LoadOptions { threads: Some(*threads), ..LoadOptions::default() };
        let mut decoder = decoder::load(&opened, &options)?;
        loads.push(start.elapsed().as_secs_f64());
        for measurement in &measurements {
            let row = measurement.run(decoder.as_mut(), plan, *threads)?;
            report(&row);
            rows.push(row);
        }
    }
    Ok(BenchReport {
        version: env!("CARGO_PKG_VERSION"),
        path: path.to_owned(),
        file_bytes: about.file_bytes,
        name: about.name,
        architecture: about.architecture,
        parameters: about.parameters,
        load_s: spread(loads),
        cpu: cpu_features(),
        seed: plan.seed,
        rows,
    })
}

impl BenchPlan {
    fn measurements(&self, context_length: usize) -> Result<Vec<Measurement>, Error> {
        let refuse = |message: String| Err(Error::new(ErrorKind::InvalidRequest, message));
        let mut all = Vec::new();
        for (kind, lengths) in
            [(BenchKind::Prefill, &self.prefill), (BenchKind::Decode, &self.decode)]
        {
            for tokens in lengths {
                let each = |depth: &usize| Measurement { kind, tokens: *tokens, depth: *depth };
                all.extend(self.depths.iter().map(each));
            }
        }
        if all.is_empty() || self.threads.is_empty() || self.repetitions == 0 {
            return refuse("the benchmark measures nothing".into());
        }
        if self.threads.contains(&0) || all.iter().any(|each| each.tokens == 0) {
            return refuse("threads and lengths must be at least 1".into());
        }
        match all.iter().map(|each| each.depth.saturating_add(each.tokens)).max() {
            Some(most) if most > context_length => {
                refuse(format!("{most} tokens do not fit the model's context of {context_length}"))
            }
            _ => Ok(all),
        }
    }
}

/// One thing to measure.
struct Measurement {
    kind: BenchKind,
    tokens: usize,
    depth: usize,
}

impl Measurement {
    fn run(
        &self,
        decoder: &mut dyn Decoder,
        plan: &BenchPlan,
        threads: usize,
    ) -> Result<BenchRow, Error> {
        let mut tokens = RandomTokens { state: plan.seed, vocabulary: decoder.vocab_size() };
        let before = tokens.take(self.depth);
        let measured = tokens.take(self.tokens);
        let sequence = decoder.open()?;
        if !before.is_empty() {
            step(decoder, sequence, &before)?;
        }
        let mut speeds = Vec::new();
        for repetition in 0..=plan.repetitions {
            decoder.truncate(sequence, self.depth);
            let start = Instant::now();
            match self.kind {
                BenchKind::Prefill => step(decoder, sequence, &measured)?,
                BenchKind::Decode => {
                    for token in &measured {
                        step(decoder, sequence, std::slice::from_ref(token))?;
                    }
                }
            }
            if repetition > 0 {
                speeds.push(self.tokens as f64 / start.elapsed().as_secs_f64());
            }
        }
        decoder.close(sequence);
        Ok(BenchRow {
            kind: self.kind,
            tokens: self.tokens,
            depth: self.depth,
            threads,
            repetitions: plan.repetitions,
            tokens_per_s: spread(speeds),
        })
    }
}

fn step(
    decoder: &mut dyn Decoder,
    sequence: SequenceId,
    tokens: &[u32],
) -> Result<(), DecodeError> {
    decoder.forward(&[Part { sequence, tokens, wanted: Wanted::Last }])?;
    decoder.logits(0).map(drop)
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

fn spread(mut values: Vec<f64>) -> Spread {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny-llama-f32.gguf")
    }

    #[test]
    fn every_combination_is_measured_and_told() {
        let plan = BenchPlan {
            prefill: vec![8],
            decode: vec![2, 4],
            depths: vec![0, 16],
            threads: vec![1, 2],
            repetitions: 2,
            seed: 1,
        };
        let mut told = Vec::new();
        let report = bench(&tiny(), &plan, &mut |row| told.push(row.clone())).unwrap();
        assert_eq!(report.rows.len(), 12);
        assert_eq!(report.rows, told);
        assert!(told.iter().all(|row| row.tokens_per_s.min <= row.tokens_per_s.median));
        assert!(told.iter().all(|row| row.tokens_per_s.min > 0.0));
        assert!(serde_json::to_value(&report).unwrap()["rows"][0]["kind"] == "prefill");
    }

    #[test]
    fn a_plan_that_does_not_fit_is_refused() {
        let plan = BenchPlan { prefill: vec![513], ..BenchPlan::default() };
        let error = bench(&tiny(), &plan, &mut |_| {}).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.to_string().contains("context of 512"), "{error}");
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        let spread = spread(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!((spread.median, spread.min, spread.max), (2.5, 1.0, 4.0));
    }
}
