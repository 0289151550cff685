//! `textport completions` and `textport man`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// A completion script.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  textport completions bash > ~/.local/share/bash-completion/completions/textport
  textport completions zsh > \"${fpath[1]}/_textport\"
  textport completions fish > ~/.config/fish/completions/textport.fish")]
pub(crate) struct CompletionsArgs {
    /// Which shell
    pub(crate) shell: Shell,
}

/// The manual.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write one page for each verb into this folder; without it textport(1) is printed
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
}
