//! How fast a model runs here: tokens per second of prefill and decode, and what that takes.

mod bandwidth;
mod facts;
mod measure;
mod peak;
mod report;
mod speculation;
mod subject;
mod told;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use ports::{BuildContext, Error, ErrorKind};
use serde::Serialize;

use crate::cpu::{cpu_features, default_threads};
use crate::device::{ChosenDevice, Device, choose_device};

pub use bandwidth::Bandwidth;
use bandwidth::read_bandwidth;
use measure::{Measurement, spread};
pub use peak::Peak;
use peak::peak;
pub use report::{BenchFacts, BenchKind, BenchReport, BenchRow, Spread, StoredAs};
pub use speculation::{SpeculationPlan, SpeculationReport, SpeculationRow, bench_speculation};
use subject::{Loaded, Subject};

/// What is measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BenchModel {
    /// The model in that file or folder.
    Path(PathBuf),
    /// The shape of that name, or of the `config.json` at that path, with random numbers: they take as
    /// long as true ones, and no file.
    RandomWeights(String),
}

/// What to measure: every combination of a length, a depth and a thread count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BenchPlan {
    /// Tokens of a prompt taken in one call.
    pub prefill: Vec<usize>,
    /// Tokens that every sequence generates one after the other.
    pub decode: Vec<usize>,
    /// Tokens already in the context when the clock starts.
    pub depths: Vec<usize>,
    /// Sequences that generate at once. Prompts are measured one at a time.
    pub batches: Vec<usize>,
    /// Thread counts; the physical cores where there are none. A GPU takes none.
    pub threads: Vec<usize>,
    /// Measured runs of each.
    pub repetitions: usize,
    /// Runs each once before it is measured.
    pub warm_up: bool,
    /// Measures how fast memory can be read too, and which share of it decoding reaches.
    pub bandwidth: bool,
    /// Measures how many products a second the processor can compute too, and which share of them
    /// prompts reach.
    pub peak: bool,
    /// Seed of the random tokens.
    pub seed: u64,
    /// Where it is computed: a value of the setting `device`.
    pub device: String,
    /// How matrices are kept: a value of the setting `dtype`. Without it as the files have them;
    /// random ones as bf16.
    pub dtype: Option<String>,
    /// Quantizes matrices when they are loaded: a value of the setting `quant`.
    pub quant: Option<String>,
    /// How keys and values are kept: a value of the setting `kv_cache`.
    pub kv_cache: Option<String>,
    /// On a GPU, launches decoding steps as CUDA graphs: the setting `cuda_graphs`.
    pub cuda_graphs: bool,
}

impl Default for BenchPlan {
    /// 512 tokens of prefill and 128 of decode from an empty context, five times after a warm-up, on
    /// the physical cores.
    fn default() -> Self {
        Self {
            prefill: vec![512],
            decode: vec![128],
            depths: vec![0],
            batches: vec![1],
            threads: Vec::new(),
            repetitions: 5,
            warm_up: true,
            bandwidth: false,
            peak: false,
            seed: 42,
            device: "cpu".to_owned(),
            dtype: None,
            quant: None,
            kv_cache: None,
            cuda_graphs: false,
        }
    }
}

/// Runs `plan` on a model, telling each row as soon as it is known, and to `context` how far the
/// making of numbers has come. Blocks; meant for a thread of its own.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] for a plan that measures nothing or does not fit the model's
/// context, and for an unknown shape; [`ErrorKind::OutOfMemory`] where numbers that have to be made
/// do not fit this machine; otherwise what loading or computing says.
pub fn bench(
    model: &BenchModel,
    plan: &BenchPlan,
    context: &BuildContext,
    report: &mut dyn FnMut(&BenchRow),
) -> Result<BenchReport, Error> {
    let chosen = choose_device(&plan.device)?;
    let threads = plan.threads_on(chosen.device)?;
    let (mut rows, mut loads, mut about) = (Vec::new(), Vec::new(), None);
    for threads in &threads {
        // Opened again each time: opening is a part of loading, and what was made goes before the
        // same is made again.
        let Loaded { mut decoder, seconds, facts, measurements } =
            Subject::open(model, plan)?.load(plan, chosen.device, *threads, context)?;
        loads.push(seconds);
        for measurement in &measurements {
            let row = measurement.run(decoder.as_mut(), plan, *threads)?;
            report(&row);
            rows.push(row);
        }
        about = Some(facts);
    }
    let facts = about.ok_or_else(nothing)?;
    // Before memory for the next measurement is taken.
    let peak_rss_bytes = crate::memory::peak_bytes();
    let read = match plan.bandwidth {
        true => threads.iter().copied().map(read_bandwidth).collect::<Result<_, _>>()?,
        false => vec![],
    };
    let peaks = match plan.peak {
        true => threads.iter().copied().map(peak).collect::<Result<_, _>>()?,
        false => vec![],
    };
    for row in &mut rows {
        row.share_of_bandwidth = share(row, &read, facts.bytes_per_step);
        row.share_of_peak = share_of_peak(row, &peaks, &facts);
    }
    let ChosenDevice { device, about: gpu, why_no_gpu: _ } = chosen;
    Ok(BenchReport {
        version: env!("CARGO_PKG_VERSION"),
        model: model.clone(),
        facts,
        device: device.to_string(),
        gpu,
        cpu: cpu_features(),
        load_s: spread(loads),
        peak_rss_bytes,
        read_bandwidth: read,
        peak: peaks,
        seed: plan.seed,
        rows,
    })
}

/// Which share of the bandwidth a row of decoding reads weights with.
fn share(row: &BenchRow, read: &[Bandwidth], bytes_per_step: u64) -> Option<f64> {
    let read = read.iter().find(|read| read.threads == row.threads)?;
    let steps_per_s = row.tokens_per_s.median / row.batch as f64;
    (row.kind == BenchKind::Decode)
        .then(|| steps_per_s * bytes_per_step as f64 / read.bytes_per_s.median)
}

/// Which share of its time a prompt would take if every product of weights were one of the peak's.
fn share_of_peak(row: &BenchRow, peaks: &[Peak], facts: &BenchFacts) -> Option<f64> {
    let peak = peaks.iter().find(|peak| peak.threads == row.threads)?;
    let (bytes, all) = (facts.byte_products_per_token as f64, facts.products_per_token as f64);
    let shortest = bytes / peak.bytes_per_s.median + (all - bytes) / peak.floats_per_s.median;
    (row.kind == BenchKind::Prefill).then_some(row.tokens_per_s.median * shortest)
}

fn nothing() -> Error {
    Error::new(ErrorKind::InvalidRequest, "the benchmark measures nothing")
}

impl BenchPlan {
    fn threads_on(&self, device: Device) -> Result<Vec<usize>, Error> {
        let unsupported = |message: String| Err(Error::new(ErrorKind::Unsupported, message));
        match device {
            Device::Cpu if self.threads.is_empty() => Ok(vec![default_threads()]),
            Device::Cpu if self.threads.contains(&0) => {
                let message = "threads must be at least 1";
                Err(Error::new(ErrorKind::InvalidRequest, message))
            }
            Device::Cpu => Ok(self.threads.clone()),
            Device::Cuda(_) if self.bandwidth => {
                unsupported(format!("the bandwidth of {device} is not measured"))
            }
            Device::Cuda(_) if self.peak => {
                unsupported(format!("the peak of {device} is not measured"))
            }
            // One thread tells the GPU what to do.
            Device::Cuda(_) if self.threads.is_empty() => Ok(vec![1]),
            Device::Cuda(_) => unsupported(format!("threads do not compute on {device}")),
        }
    }

    /// Everything to measure on one decoder.
    fn measurements(&self, context_length: usize) -> Result<Vec<Measurement>, Error> {
        let refuse = |message: String| Err(Error::new(ErrorKind::InvalidRequest, message));
        let mut all = Vec::new();
        for depth in &self.depths {
            let prefill = self.prefill.iter().map(|tokens| (BenchKind::Prefill, *tokens, 1));
            let decode = self.decode.iter().flat_map(|tokens| {
                self.batches.iter().map(|batch| (BenchKind::Decode, *tokens, *batch))
            });
            all.extend(prefill.chain(decode).map(|(kind, tokens, batch)| Measurement {
                kind,
                tokens,
                batch,
                depth: *depth,
            }));
        }
        if all.is_empty() || self.repetitions == 0 {
            return Err(nothing());
        }
        if all.iter().any(|each| each.tokens == 0 || each.batch == 0) {
            return refuse("lengths and batches must be at least 1".into());
        }
        match all.iter().map(Measurement::positions).max() {
            Some(most) if most > context_length => {
                refuse(format!("{most} tokens do not fit the model's context of {context_length}"))
            }
            _ => Ok(all),
        }
    }
}
