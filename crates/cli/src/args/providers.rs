//! `textport providers`.

use clap::{Args, Subcommand};

use super::SpaceArgs;
use super::duration;

/// Configured providers.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  textport providers
  textport providers test local
  textport providers inspect owner/name
  textport providers quota qwen3_zerogpu")]
pub(crate) struct ProvidersArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Option<ProvidersVerb>,
}

/// What to do with providers.
#[derive(Debug, Subcommand)]
pub(crate) enum ProvidersVerb {
    /// List the configured providers, the one that answers by default marked `*` (the default)
    #[command(visible_alias = "ls")]
    List,
    /// Let a provider generate one token
    Test {
        /// The provider's name; without it the default one is tested
        name: Option<String>,
        /// Give up after this long, loading included
        #[arg(long, value_name = "DURATION", value_parser = duration::seconds)]
        timeout: Option<f64>,
    },
    /// Show what a Space offers and how messages are put to it
    Inspect(SpaceArgs),
    /// Show how much ZeroGPU time is left
    Quota {
        /// The provider or route; without it the default one
        name: Option<String>,
    },
}
