//! `textport chat`.

use clap::Args;

use super::{GenerationArgs, TargetArgs};

const MORE: &str = "\
Lines that begin with / are commands; /help lists them. A message of several lines is written
between \"\"\" and \"\"\", or with \\ at the end of each line but the last.

Ctrl-C stops an answer: what there is of it stays in the conversation, and /show marks it as
interrupted. At the prompt it clears the line; twice in a row, or Ctrl-D, leaves.

When stdin is no terminal every line is a message (or a command), no prompt is shown, and the first
failure ends the conversation with its exit code.

Examples:
  textport chat
  textport chat -c                          go on with the last conversation
  textport chat --cid 7Q2M -s \"Answer in French.\"
  printf 'My name is Ada.\\nWhat is my name?\\n' | textport chat";

/// A conversation.
#[derive(Debug, Clone, Args)]
#[command(after_help = MORE)]
pub(crate) struct ChatArgs {
    /// Who is asked.
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// System prompt
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// Which conversation.
    #[command(flatten)]
    pub(crate) conversation: ConversationArgs,
    /// Do not show reasoning
    #[arg(short = 'R', long)]
    pub(crate) hide_reasoning: bool,
    /// Do not write this to the log of conversations, nor lines to the history of the prompt
    #[arg(short = 'n', long)]
    pub(crate) no_log: bool,
    /// How to generate.
    #[command(flatten)]
    pub(crate) generation: GenerationArgs,
}

/// Which conversation goes on.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ConversationArgs {
    /// Go on with the last conversation
    #[arg(short = 'c', long = "continue")]
    pub(crate) go_on: bool,
    /// Go on with this conversation: its id, or the beginning or end of it
    #[arg(long, value_name = "ID", conflicts_with = "go_on")]
    pub(crate) cid: Option<String>,
}

impl ConversationArgs {
    /// Whether an earlier conversation is wanted at all.
    pub(crate) fn wanted(&self) -> bool {
        self.go_on || self.cid.is_some()
    }
}
