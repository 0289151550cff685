//! `textport models`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::LoraArg;

/// Models of this machine.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  textport models list
  textport models pull smollm2-135m
  textport models pull hf:Qwen/Qwen3-0.6B
  textport models pull hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf
  textport models inspect ./model.gguf
  textport models quantize ./qwen3-8b qwen3-8b-q4_k_m.gguf
  textport models merge-lora ./qwen3-8b ./qwen3-8b-tuned --lora ./my-adapter")]
pub(crate) struct ModelsArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Option<ModelsVerb>,
}

/// What to do with models.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsVerb {
    /// List the models of the catalogue and of the Hub's cache, and which are here (the default)
    #[command(visible_alias = "ls")]
    List,
    /// Fetch a model of the catalogue or of the Hub, or bring it up to date
    Pull {
        /// Its name, or `hf:OWNER/REPO[@REV][/FILE]`
        name: String,
    },
    /// Show what a model file holds and what running it needs
    Inspect {
        /// A file or folder, or the name or hf: address of a model that is on this machine
        model: String,
    },
    /// Write a model as a GGUF file, its matrices in fewer bits or only in another form
    ///
    /// q8_0 loses nearly nothing and halves an F16 model; q4_k_m is the usual one for small memory;
    /// f32, f16 and bf16 convert without quantizing. Tokenizer, chat template and sampling defaults
    /// go along. llama.cpp reads the file too.
    Quantize(QuantizeArgs),
    /// Write a model with LoRA adapters merged into it, as a folder of safetensors
    ///
    /// transformers loads the folder without PEFT, and so does textport. Everything that belongs to
    /// the model beside its weights is copied from the base.
    MergeLora(MergeLoraArgs),
    /// Remove a fetched model from this machine
    Rm {
        /// Its name; hf:OWNER/REPO removes a repository from the Hub's cache
        name: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// What to write as a GGUF file, and how.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  textport models quantize ./qwen3-8b qwen3-8b-q4_k_m.gguf
  textport models quantize hf:Qwen/Qwen3-0.6B qwen3-0.6b-q8_0.gguf --quant q8_0
  textport models quantize model-f16.gguf model-q4_k_m.gguf
  textport models quantize ./qwen3-8b tuned.gguf --lora ./my-adapter --lora hf:me/style=0.5
  textport models quantize ./qwen3-8b qwen3-8b-bf16.gguf --quant bf16")]
pub(crate) struct QuantizeArgs {
    /// A folder of safetensors or a GGUF file in full or half precision (F32, F16, BF16): its path,
    /// or `hf:OWNER/REPO[@REV][/FILE]`, which is fetched if it is not here
    pub(crate) input: String,
    /// The file to write; none is replaced
    pub(crate) output: PathBuf,
    /// f32, f16, bf16, q8_0, q6_k, q5_k_m, q5_k_s, q4_k_m, q4_k_s, q5_1, q5_0, q4_1, q4_0
    #[arg(long, value_name = "TYPE", default_value = "q4_k_m")]
    pub(crate) quant: String,
    /// Merge a LoRA adapter first: a folder, or `hf:OWNER/REPO[@REV]`; with =0.5 it counts half;
    /// repeatable
    #[arg(long, value_name = "ADAPTER[=SCALE]")]
    pub(crate) lora: Vec<LoraArg>,
}

/// What to merge, and where to.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  textport models merge-lora ./qwen3-8b ./qwen3-8b-tuned --lora ./my-adapter
  textport models merge-lora hf:Qwen/Qwen3-8B ./tuned --lora hf:me/facts --lora hf:me/style=0.5
  textport models merge-lora ./qwen3-8b ./tuned --lora ./my-adapter --dtype bf16")]
pub(crate) struct MergeLoraArgs {
    /// A folder of safetensors: its path, or `hf:OWNER/REPO[@REV]`, which is fetched if it is not
    /// here
    pub(crate) base: String,
    /// The folder to write; none is replaced
    pub(crate) output: PathBuf,
    /// An adapter: a folder that PEFT has written, or `hf:OWNER/REPO[@REV]`; with =0.5 it counts half;
    /// repeatable
    #[arg(long, value_name = "ADAPTER[=SCALE]", required = true)]
    pub(crate) lora: Vec<LoraArg>,
    /// Store all numbers as f32, f16 or bf16 instead of as the base has them
    #[arg(long, value_name = "TYPE")]
    pub(crate) dtype: Option<String>,
}
