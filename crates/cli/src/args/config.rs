//! `textport config`.

use clap::{Args, Subcommand};

/// The configuration.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  textport config show --profile prod
  textport config explain providers.local.model
  textport config check && echo fine")]
pub(crate) struct ConfigArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: ConfigVerb,
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Print the configuration in effect as TOML, or as JSON with --json
    Show,
    /// Say where a key's value comes from and what it overrides
    Explain {
        /// The key, e.g. generation.temperature; without it every key that is set
        key: Option<String>,
    },
    /// Check all of it: keys, values, providers, models and every profile
    Check,
    /// List the files and folders that are used, and whether they exist
    Path,
    /// Write a commented starter file for this user, or textport.toml in this folder
    Init {
        /// Write ./textport.toml
        #[arg(long)]
        project: bool,
    },
}
