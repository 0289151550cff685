//! `textport doctor`.

use clap::Args;

/// A check of this installation and machine.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Nothing is sent over the network. It exits with 0 when the configured provider could be asked, and
with 1 when something that it needs fails.")]
pub(crate) struct DoctorArgs {
    /// Print the exit codes of all verbs and end
    #[arg(long)]
    pub(crate) exit_codes: bool,
}
