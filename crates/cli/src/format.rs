//! The shape of what is written to stdout.

use clap::ValueEnum;

use crate::failure::Failure;

/// `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Text for people; the same as `text`
    Auto,
    /// Text, always ending with a newline
    Text,
    /// One JSON object, stable: its "v" is 1
    Json,
    /// One JSON object a line, as things happen
    Jsonl,
    /// Only the answer, and nothing on stderr but errors
    Quiet,
}

impl Format {
    /// Whether output is for programs.
    pub(crate) fn is_json(self) -> bool {
        matches!(self, Self::Json | Self::Jsonl)
    }

    /// Refuses `jsonl` for a verb that has no lines to give.
    ///
    /// # Errors
    /// A usage error that names the verb.
    pub(crate) fn no_lines(self, verb: &str) -> Result<Self, Failure> {
        match self {
            Self::Jsonl => Err(Failure::usage(format!("{verb} has no --format jsonl"))
                .try_this("use --format json")),
            other => Ok(other),
        }
    }
}
