//! The port for evaluations that run where the model is.

use std::fmt::Debug;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use domain::{Notice, ProviderInfo};
use futures_core::Stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;

/// The events of one evaluation; dropping it ends the work.
pub type EvaluationStream = Pin<Box<dyn Stream<Item = Result<EvaluationEvent, Error>> + Send>>;

/// What to evaluate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationRequest {
    /// The samples, one JSON object a line, as the runner takes them.
    pub samples: String,
    /// Samples at once; absent is the runner's own default. Out of its range is refused.
    pub batch_size: Option<u32>,
}

/// One step of an evaluation: any of these, then one `Finished` or one error, then nothing.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum EvaluationEvent {
    /// Waiting for a place to run.
    Queued {
        /// Evaluations and other calls ahead of this one, where known.
        position: Option<u32>,
        /// Time until the result, where known.
        eta: Option<Duration>,
    },
    /// Work has begun.
    Started,
    /// How far it has come.
    Progress {
        /// Samples done, where the runner counts them.
        done: Option<u64>,
        /// Samples in all, where known.
        total: Option<u64>,
        /// What it does, in a few words; may be empty.
        message: String,
    },
    /// Something a person may want to know.
    Notice(Notice),
    /// The end.
    Finished(EvaluationResult),
}

/// What came out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EvaluationResult {
    /// What was evaluated, where the runner says.
    pub model: Option<String>,
    /// On what it ran, where the runner says.
    pub hardware: Option<String>,
    /// Samples in all.
    pub total: u64,
    /// Samples that passed.
    pub successful: u64,
    /// Samples that did not.
    pub failed: u64,
    /// Passed samples in percent.
    pub success_rate: f64,
    /// Mean seconds a sample.
    pub mean_latency_s: Option<f64>,
    /// Sample by sample, in the runner's order; empty when it tells only sums.
    pub samples: Vec<SampleResult>,
    /// The runner's own summary for people, e.g. Markdown.
    pub summary: Option<String>,
    /// The runner's result as it came, nothing left out.
    pub raw: Value,
}

/// What became of one sample. Absent fields were not told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SampleResult {
    /// The sample's id.
    pub task_id: Option<String>,
    /// Whose task it was.
    pub agent: Option<String>,
    /// Whether it passed.
    pub success: bool,
    /// Seconds it took.
    pub latency_s: Option<f64>,
    /// Characters generated.
    pub generated_length: Option<u64>,
    /// Characters expected.
    pub expected_length: Option<u64>,
    /// Why it failed.
    pub error: Option<String>,
}

/// Evaluates a model where it runs, many samples in one call, as against asking a
/// [`TextGenerator`](crate::TextGenerator) sample by sample from here.
#[async_trait]
pub trait Evaluator: Debug + Send + Sync + 'static {
    /// Who this is.
    fn info(&self) -> &ProviderInfo;

    /// Starts an evaluation.
    ///
    /// # Errors
    /// Before the first event: [`InvalidRequest`](crate::ErrorKind::InvalidRequest) for samples that
    /// are no JSON lines, [`Unsupported`](crate::ErrorKind::Unsupported) for a batch size out of
    /// range. Later errors are the stream's last item.
    async fn evaluate(&self, request: EvaluationRequest) -> Result<EvaluationStream, Error>;
}
