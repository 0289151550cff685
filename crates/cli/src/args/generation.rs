//! How to generate: one flag for each option of the port.

use clap::{Args, ValueEnum};
use serde::Serialize;

/// `--think`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ThinkWord {
    On,
    Off,
    Auto,
}

/// Options of the generation; unset ones come from the configuration, then from the provider.
#[derive(Debug, Clone, Default, Args, Serialize)]
#[command(next_help_heading = "Generation options")]
pub(crate) struct GenerationArgs {
    /// Most tokens to generate
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_tokens: Option<u32>,
    /// 0 is greedy; higher is more random
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) temperature: Option<f32>,
    /// Sample from the most probable tokens that together have this probability
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) top_p: Option<f32>,
    /// Sample from this many of the most probable tokens; 0 is all
    #[arg(long, value_name = "K")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) top_k: Option<u32>,
    /// Drop tokens less probable than this share of the most probable one
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) min_p: Option<f32>,
    /// Weaken tokens that were seen already; 1 is off
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repeat_penalty: Option<f32>,
    /// Subtract this once from tokens that were generated already
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) presence_penalty: Option<f32>,
    /// Subtract this for every time that a token was generated
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) frequency_penalty: Option<f32>,
    /// The same seed and request give the same text
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seed: Option<u64>,
    /// End at this text, which is not printed; repeatable
    #[arg(long, value_name = "TEXT")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) stop: Vec<String>,
    /// Reason before answering: on, off or auto
    #[arg(long, value_name = "WHEN", hide_possible_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) think: Option<ThinkWord>,
    /// Most tokens of reasoning
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thinking_budget: Option<u32>,
    /// Set a generation option by its name in the configuration; repeatable
    #[arg(short = 'o', long = "option", value_name = "KEY=VALUE")]
    #[serde(skip)]
    pub(crate) options: Vec<String>,
}
