//! `textport eval`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::duration;

/// Evaluations.
#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: EvalVerb,
}

/// What to do about evaluations.
#[derive(Debug, Subcommand)]
pub(crate) enum EvalVerb {
    /// Let a provider evaluate its own model, where it runs
    Run(Box<EvalRunArgs>),
}

/// One evaluation.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  textport eval run --provider qwen3_zerogpu_eval samples.jsonl
  textport eval run --provider qwen3_zerogpu_eval samples.jsonl --batch-size 8 -o result.json
  head -20 samples.jsonl | textport eval run -p qwen3_zerogpu_eval - --json | jq .result.success_rate")]
pub(crate) struct EvalRunArgs {
    /// The samples, one JSON object a line; `-` is stdin
    #[arg(value_name = "FILE")]
    pub(crate) samples: PathBuf,
    /// The provider that evaluates
    #[arg(short, long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    /// Samples at once; without it the runner's own default
    #[arg(short, long, value_name = "N")]
    pub(crate) batch_size: Option<u32>,
    /// Write the result to this file too, as JSON
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Overwrite the file
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
    /// Give up after this long: 90, 30s, 2m, 1h30m
    #[arg(long, value_name = "DURATION", value_parser = duration::seconds)]
    pub(crate) timeout: Option<f64>,
}
