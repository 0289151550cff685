//! `textport logs`.

use clap::{Args, Subcommand};

use super::duration;

/// The log of conversations.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  textport logs                             the last conversations
  textport logs show                        the last one, whole
  textport logs search hedgehog leaves*     every word, in questions and answers
  textport logs prune --older-than 30d
  textport logs off                         log nothing from now on

The configuration can switch it off too (log.enabled = false), or keep counts and timings without
any text (log.prompts = false).")]
pub(crate) struct LogsArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Option<LogsVerb>,
}

/// What to do with the log.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum LogsVerb {
    /// List the last conversations (the default)
    #[command(visible_alias = "ls")]
    List {
        /// How many; 0 is all
        #[arg(short = 'n', long, value_name = "N", default_value_t = DEFAULT_COUNT)]
        count: u32,
    },
    /// Print a conversation
    Show {
        /// Its id, or the beginning or end of it; without it the last one
        id: Option<String>,
    },
    /// Find turns whose question or answer has every word; `word*` is any ending
    Search {
        /// The words
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
        /// How many; 0 is all
        #[arg(short = 'n', long, value_name = "N", default_value_t = DEFAULT_COUNT)]
        count: u32,
    },
    /// Print where the log is
    Path,
    /// Delete old conversations
    Prune {
        /// Those whose last turn is older than this, e.g. 30d or 12h
        #[arg(long, value_name = "DURATION", value_parser = duration::seconds)]
        older_than: f64,
    },
    /// Log conversations again
    On,
    /// Log nothing from now on, whatever the configuration says
    Off,
    /// Say whether conversations are logged, and how many there are
    Status,
}

/// How many rows a list has unless another number is asked for.
pub(crate) const DEFAULT_COUNT: u32 = 20;
