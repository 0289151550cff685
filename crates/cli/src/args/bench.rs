//! `textport bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// A benchmark of a model on this machine.
#[derive(Debug, Clone, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
pp512 is a prompt of 512 tokens taken in one call, tg128 are 128 tokens generated one by one. Each is
run once unmeasured and then --repetitions times; t/s is the median, with the slowest and fastest run.

Examples:
  textport bench
  textport bench -m ./model.gguf --threads 1,2,4
  textport bench perplexity book.txt -m ./model.gguf
  textport bench --prompt-lengths 128,2048 --decode-lengths 32 --depths 0,4096 --format jsonl"
)]
pub(crate) struct BenchArgs {
    /// What else to measure.
    #[command(subcommand)]
    pub(crate) verb: Option<BenchVerb>,
    /// The model: a name of the catalogue or a path; without it the one that `ask` would use
    #[arg(short, long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Lengths of prompts to measure, in tokens; 0 is none
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "512")]
    pub(crate) prompt_lengths: Vec<usize>,
    /// How many tokens to generate; 0 is none
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "128")]
    pub(crate) decode_lengths: Vec<usize>,
    /// Tokens already in the context
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "0")]
    pub(crate) depths: Vec<usize>,
    /// Threads that compute; without it the physical cores
    #[arg(short, long, value_name = "N,…", value_delimiter = ',')]
    pub(crate) threads: Vec<usize>,
    /// Measured runs of each
    #[arg(short, long, value_name = "N", default_value_t = 5)]
    pub(crate) repetitions: usize,
    /// Seed of the random tokens
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub(crate) seed: u64,
}

/// What else to measure than speed.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum BenchVerb {
    /// Measure how well a model foretells a text: lower is better, to judge a quantization
    ///
    /// The text is cut into windows; the second half of each counts, as in llama.cpp's
    /// llama-perplexity. Figures of models with different tokenizers cannot be compared.
    Perplexity(PerplexityArgs),
}

/// What is measured on which text.
#[derive(Debug, Clone, Args)]
pub(crate) struct PerplexityArgs {
    /// A text file; - is stdin
    pub(crate) file: PathBuf,
    /// The model: a name of the catalogue or a path; without it the one that `ask` would use
    #[arg(short, long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Tokens of a window
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub(crate) context: usize,
    /// Most windows; without it all
    #[arg(long, value_name = "N")]
    pub(crate) windows: Option<usize>,
    /// Threads that compute; without it the physical cores
    #[arg(short, long, value_name = "N")]
    pub(crate) threads: Option<usize>,
}
