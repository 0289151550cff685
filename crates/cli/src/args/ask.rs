//! `textport ask`.

use std::path::PathBuf;

use clap::Args;

use super::{ConversationArgs, GenerationArgs, TargetArgs};

const EXAMPLES: &str = "\
Examples:
  textport \"What is a port?\"                       the verb may be left out
  cat notes.txt | textport \"Summarize:\"             prompt, blank line, stdin
  textport ask - < prompt.txt                       only stdin
  textport -s \"Answer in French.\" -f letter.txt \"Reply to this.\"
  textport --json --logprobs 5 --max-tokens 20 \"1 2 3\"
  textport -x \"A shell one-liner that counts lines\" | sh
  textport --dry-run --profile prod \"Hello\"         who would be asked what";

/// One generation.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AskArgs {
    /// What to ask; `-` is stdin. Text piped to stdin follows it after a blank line
    #[arg(value_name = "PROMPT")]
    pub(crate) prompt: Option<String>,
    /// The prompt as a flag, for scripts
    #[arg(long, value_name = "TEXT", conflicts_with = "prompt", allow_hyphen_values = true)]
    pub(crate) query: Option<String>,
    /// Who is asked.
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// System prompt
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// Which conversation.
    #[command(flatten)]
    pub(crate) conversation: ConversationArgs,
    /// Add a file to the prompt, `-` is stdin; repeatable
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Vec<PathBuf>,
    /// Send the prompt as it stands, without the model's chat template
    #[arg(long, conflicts_with_all = ["go_on", "cid"])]
    pub(crate) raw: bool,
    /// With --json: each generated token with the N most probable ones at its place
    #[arg(long, value_name = "N")]
    pub(crate) logprobs: Option<u32>,
    /// Do not show reasoning
    #[arg(short = 'R', long)]
    pub(crate) hide_reasoning: bool,
    /// Print the answer when it is complete
    #[arg(long)]
    pub(crate) no_stream: bool,
    /// Print token counts and timings on stderr
    #[arg(short, long)]
    pub(crate) usage: bool,
    /// Print only the first fenced code block of the answer
    #[arg(short = 'x', long)]
    pub(crate) extract: bool,
    /// Do not write this to the log of conversations
    #[arg(short = 'n', long)]
    pub(crate) no_log: bool,
    /// Print what would be sent to whom, and send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How to generate.
    #[command(flatten)]
    pub(crate) generation: GenerationArgs,
}
