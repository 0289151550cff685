//! Who is asked, and for how long.

use clap::Args;

use super::{LoraArg, duration};

/// Who is asked, and for how long.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TargetArgs {
    /// Ask this provider of the configuration
    #[arg(short, long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    /// Use this model: the provider's `model` setting, e.g. a name of the catalogue, a path, or
    /// `hf:OWNER/REPO[@REV][/FILE]`
    #[arg(short, long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Compute a local model here: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Option<String>,
    /// Keep a local model's matrices in memory as f32, f16 or bf16
    #[arg(long, value_name = "TYPE")]
    pub(crate) dtype: Option<String>,
    /// Quantize a local model's matrices when it is loaded: q8_0, q4_k_m, …
    #[arg(long, value_name = "TYPE", conflicts_with = "dtype")]
    pub(crate) quant: Option<String>,
    /// Keep a local model's keys and values as f16 (the default), q8_0 (half the memory) or f32
    #[arg(long, value_name = "TYPE")]
    pub(crate) kv_cache: Option<String>,
    /// Merge a LoRA adapter into a local model: a folder, or `hf:OWNER/REPO[@REV]`; with =0.5 it
    /// counts half; repeatable
    #[arg(long, value_name = "ADAPTER[=SCALE]")]
    pub(crate) lora: Vec<LoraArg>,
    /// Let a local model compute several tokens at once where the text so far foretells them: auto
    /// (where it pays), off, or how many at most; the answer is the same
    #[arg(long, value_name = "MOST")]
    pub(crate) speculation: Option<String>,
    /// Give up after this long, loading included: 90, 30s, 2m, 1h30m
    #[arg(long, value_name = "DURATION", value_parser = duration::seconds)]
    pub(crate) timeout: Option<f64>,
}
