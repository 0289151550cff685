//! Flags that every verb takes.

use std::path::PathBuf;

use clap::{ArgAction, Args, ColorChoice};

use crate::format::Format;

/// Flags that every verb takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Use the [profiles.NAME] table of the configuration
    #[arg(long, visible_alias = "env", value_name = "NAME", global = true)]
    pub(crate) profile: Option<String>,
    /// Read this configuration file too (TOML, JSON or YAML); repeatable, later files win
    #[arg(short = 'C', long, value_name = "FILE", global = true)]
    pub(crate) config: Vec<PathBuf>,
    /// Set one configuration key, e.g. generation.seed=7; repeatable
    #[arg(long, value_name = "KEY=VALUE", global = true)]
    pub(crate) set: Vec<String>,
    /// Shape of the output
    #[arg(
        long = "format",
        value_name = "FORMAT",
        global = true,
        value_enum,
        hide_possible_values = true,
        help = "Shape of the output: auto, text, json, jsonl or quiet"
    )]
    pub(crate) chosen_format: Option<Format>,
    /// Same as --format json
    #[arg(long, global = true, conflicts_with_all = ["chosen_format", "quiet"])]
    pub(crate) json: bool,
    /// Same as --format quiet
    #[arg(short, long, global = true, conflicts_with = "chosen_format")]
    pub(crate) quiet: bool,
    /// Colours: auto, always or never
    #[arg(
        long,
        value_name = "WHEN",
        global = true,
        default_value = "auto",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) color: ColorChoice,
    /// Say more on stderr; repeat for still more
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// Never use the network
    #[arg(long, global = true)]
    pub(crate) offline: bool,
}

impl Global {
    /// The format, whichever way it was asked for; `auto` is text.
    pub(crate) fn format(&self) -> Format {
        match self.chosen_format {
            _ if self.json => Format::Json,
            _ if self.quiet => Format::Quiet,
            Some(Format::Auto) | None => Format::Text,
            Some(format) => format,
        }
    }
}
