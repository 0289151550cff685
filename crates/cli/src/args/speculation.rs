//! `textport bench speculation`.

use std::path::PathBuf;

use clap::Args;

/// What is answered, and how.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  textport bench speculation edit.txt
  textport bench speculation edit.txt -m ./model.gguf --speculation off,auto,4,8,16
  textport bench speculation essay.txt -m ./model.gguf --batch 4 --temperature 0.7 --json")]
pub(crate) struct SpeculationArgs {
    /// A text file that is asked as it stands; - is stdin
    pub(crate) file: PathBuf,
    /// The model: a name of the catalogue or a path; without it the one that `ask` would use
    #[arg(short, long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Values of the setting to compare: off, auto, or how many tokens are drafted at most
    #[arg(long, value_name = "MOST,…", value_delimiter = ',', default_value = "off,auto")]
    pub(crate) speculation: Vec<String>,
    /// Most tokens of an answer
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(crate) max_tokens: u32,
    /// Answers at once, each with a seed of its own
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) batch: usize,
    /// Measured rounds; in each every value has its turn
    #[arg(short, long, value_name = "N", default_value_t = 5)]
    pub(crate) repetitions: usize,
    /// 0 is greedy; without it the model's own
    #[arg(long, value_name = "T")]
    pub(crate) temperature: Option<f32>,
    /// Seed of the first answer
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub(crate) seed: u64,
    /// Threads that compute; without it the physical cores
    #[arg(short, long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Where it is computed: auto (a GPU where this build and machine have one), cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: String,
    /// Quantize matrices when they are loaded: q8_0, q4_k_m, …
    #[arg(long, value_name = "TYPE")]
    pub(crate) quant: Option<String>,
}
