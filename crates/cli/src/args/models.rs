//! `textport models`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Models of this machine.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  textport models list
  textport models pull smollm2-135m
  textport models pull hf:Qwen/Qwen3-0.6B
  textport models pull hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf
  textport models inspect ./model.gguf
  textport models quantize model-f16.gguf model-q4_k_m.gguf --quant q4_k_m")]
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
    /// Write a GGUF file with its matrices in fewer bits
    ///
    /// q8_0 loses nearly nothing and halves an F16 file; q4_k_m is the usual one for small memory.
    Quantize {
        /// A GGUF file in full or half precision (F32, F16, BF16)
        input: PathBuf,
        /// The file to write; none is replaced
        output: PathBuf,
        /// f16, bf16, q8_0, q6_k, q5_k_m, q5_k_s, q4_k_m, q4_k_s, q5_1, q5_0, q4_1, q4_0
        #[arg(long, value_name = "TYPE", default_value = "q4_k_m")]
        quant: String,
    },
    /// Remove a fetched model from this machine
    Rm {
        /// Its name; hf:OWNER/REPO removes a repository from the Hub's cache
        name: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}
