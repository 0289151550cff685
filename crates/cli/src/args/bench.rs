//! `textport bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::SpeculationArgs;

/// A benchmark of a model on this machine.
#[derive(Debug, Clone, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
pp512 is a prompt of 512 tokens taken in one call, tg128 are 128 tokens generated one by one, x8 by
eight sequences at once. Each is run once unmeasured and then --repetitions times; t/s is the median,
with the slowest and fastest run, of all sequences together.

--random-weights measures a model that is not here: its shape with random numbers, made in memory.
They take as long as true ones. Shapes: smollm2-135m, qwen3-0.6b, qwen3-1.7b, qwen3-4b, qwen3-8b,
qwen3-14b, qwen3-32b, qwen2.5-coder-1.5b, llama-3.2-1b, llama-3.2-3b, llama-3.1-8b, or the path of a
config.json.

Examples:
  textport bench
  textport bench -m ./model.gguf --threads 1,2,4
  textport bench --batch 1,2,4,8,16 --prompt-lengths 0 --depths 32 --decode-lengths 32
  textport bench --random-weights qwen3-8b --quant q4_k_m --bandwidth --peak
  textport bench --random-weights qwen3-8b --dtype f16 --device cuda
  textport bench perplexity book.txt -m ./model.gguf
  textport bench speculation edit.txt -m ./model.gguf
  textport bench --prompt-lengths 0 --depths 8192 --decode-lengths 32 --kv-cache q8_0
  textport bench --prompt-lengths 128,2048 --decode-lengths 32 --depths 0,4096 --format jsonl"
)]
pub(crate) struct BenchArgs {
    /// What else to measure.
    #[command(subcommand)]
    pub(crate) verb: Option<BenchVerb>,
    /// The model: a name of the catalogue or a path; without it the one that `ask` would use
    #[arg(short, long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Measure a shape with random numbers instead: a name (below) or a config.json
    #[arg(long, value_name = "SHAPE", conflicts_with = "model")]
    pub(crate) random_weights: Option<String>,
    /// Keep matrices as f32, f16 or bf16; without it as the file has them, random ones as bf16
    #[arg(long, value_name = "TYPE", conflicts_with = "quant")]
    pub(crate) dtype: Option<String>,
    /// Quantize matrices when they are loaded: q8_0, q4_k_m, …
    #[arg(long, value_name = "TYPE")]
    pub(crate) quant: Option<String>,
    /// Keep keys and values as f16, q8_0 or f32, like the setting `kv_cache`; without it as f16
    #[arg(long, value_name = "TYPE")]
    pub(crate) kv_cache: Option<String>,
    /// Where it is computed: auto (a GPU where this build and machine have one), cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: String,
    /// On a GPU, launch decoding steps as CUDA graphs: experimental, like the setting of that name
    #[arg(long)]
    pub(crate) cuda_graphs: bool,
    /// Lengths of prompts to measure, in tokens; 0 is none
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "512")]
    pub(crate) prompt_lengths: Vec<usize>,
    /// How many tokens each sequence generates; 0 is none
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "128")]
    pub(crate) decode_lengths: Vec<usize>,
    /// Tokens already in the context
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "0")]
    pub(crate) depths: Vec<usize>,
    /// Sequences that generate at once
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1")]
    pub(crate) batch: Vec<usize>,
    /// Threads that compute; without it the physical cores
    #[arg(short, long, value_name = "N,…", value_delimiter = ',')]
    pub(crate) threads: Vec<usize>,
    /// Measured runs of each
    #[arg(short, long, value_name = "N", default_value_t = 5)]
    pub(crate) repetitions: usize,
    /// Measure the first run too
    #[arg(long)]
    pub(crate) no_warmup: bool,
    /// Measure how fast memory is read too, and say which share of it decoding reaches
    #[arg(long)]
    pub(crate) bandwidth: bool,
    /// Measure how many products the processor computes too, and say which share of it prompts reach
    #[arg(long)]
    pub(crate) peak: bool,
    /// Seed of the random tokens
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub(crate) seed: u64,
}

/// What else to measure than speed.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum BenchVerb {
    /// Measure how well a model foretells a text: lower is better, to judge a quantization
    ///
    /// The text is cut into windows of --context tokens, each computed alone; the first half of a
    /// window is context only, every later token counts. Where the tokenizer begins texts with a
    /// token of its own, every window begins with it. llama.cpp's llama-perplexity with -c counts
    /// the same tokens. Figures of models with different tokenizers cannot be compared.
    ///
    /// With --reference the Kullback-Leibler divergence from another model is measured too, in nats:
    /// how far off the probabilities of all tokens are, not only of those that came. The reference
    /// is computed in full precision, quantized weights as the numbers that they stand for; so a
    /// quantized model beside itself shows what computing with it costs, and beside the file that
    /// it was made from, what quantizing cost as well.
    Perplexity(PerplexityArgs),
    /// Measure how fast a text is answered with speculation and without, and what came true of it
    ///
    /// The text is asked as `ask` would ask it, with the model's own settings and a seed, under each
    /// value of the setting `speculation` in turn. What an answer probably goes on with is copied
    /// from the text so far: that pays where an answer quotes, edits or repeats, and must cost
    /// nothing where it does not. Answers are the same, token for token.
    Speculation(SpeculationArgs),
}

/// What is measured on which text.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  textport bench perplexity book.txt -m ./model-q4_k_m.gguf
  textport bench perplexity book.txt -m ./model-q4_k_m.gguf --reference ./model-f16.gguf
  textport bench perplexity book.txt -m ./model.gguf --reference ./model.gguf --windows 8 --json")]
pub(crate) struct PerplexityArgs {
    /// A text file; - is stdin
    pub(crate) file: PathBuf,
    /// The model: a name of the catalogue or a path; without it the one that `ask` would use
    #[arg(short, long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Measure how far from this model it is too: a name or a path, of the same vocabulary
    #[arg(long, value_name = "MODEL")]
    pub(crate) reference: Option<String>,
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
