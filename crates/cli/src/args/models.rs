//! `textport models`.

use clap::{Args, Subcommand};

/// Models of this machine.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  textport models list
  textport models pull smollm2-135m
  textport models inspect ./model.gguf")]
pub(crate) struct ModelsArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: ModelsVerb,
}

/// What to do with models.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsVerb {
    /// List the models of the catalogue and which of them are on this machine
    #[command(visible_alias = "ls")]
    List,
    /// Fetch a model of the catalogue
    Pull {
        /// Its name
        name: String,
    },
    /// Show what a model file holds and what running it needs
    Inspect {
        /// A GGUF file, or the name of a model that is on this machine
        model: String,
    },
    /// Remove a fetched model from this machine
    Rm {
        /// Its name
        name: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}
