//! The words of the command line as types. What they mean is decided elsewhere.

mod ask;
mod bench;
mod chat;
mod config;
mod default_verb;
mod doctor;
mod duration;
mod eval;
mod generation;
mod global;
mod gradio;
mod logs;
mod lora;
mod models;
mod providers;
mod shell;
mod speculation;
mod target;

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use crate::exit;
use crate::failure::Failure;

pub(crate) use ask::AskArgs;
pub(crate) use bench::{BenchArgs, BenchVerb, PerplexityArgs};
pub(crate) use chat::{ChatArgs, ConversationArgs};
pub(crate) use config::{ConfigArgs, ConfigVerb};
pub(crate) use doctor::DoctorArgs;
pub(crate) use duration::seconds as parse_seconds;
pub(crate) use eval::{EvalArgs, EvalRunArgs, EvalVerb};
pub(crate) use generation::GenerationArgs;
pub(crate) use global::Global;
pub(crate) use gradio::{CallArgs, GradioArgs, GradioVerb, SpaceArgs};
pub(crate) use logs::{DEFAULT_COUNT, LogsArgs, LogsVerb};
pub(crate) use lora::LoraArg;
pub(crate) use models::{MergeLoraArgs, ModelsArgs, ModelsVerb, QuantizeArgs};
pub(crate) use providers::{ProvidersArgs, ProvidersVerb};
pub(crate) use shell::{CompletionsArgs, ManArgs};
pub(crate) use speculation::SpeculationArgs;
pub(crate) use target::TargetArgs;

const ABOUT: &str = "Generate text from the terminal: one port, and providers that swap behind it";

const EXAMPLES: &str = "\
Examples:
  textport \"Explain the Single Responsibility Principle in one sentence.\"
  git diff | textport \"Write a commit message for this change.\"
  textport -f src/main.rs \"What does this do?\"
  textport --profile staging --json \"Hello\" | jq -r .text
  textport chat
  textport config explain provider

Flags for the generation: textport ask --help.
A prompt needs no verb: anything that is not one is asked. A prompt that is itself the name of a
verb needs `textport ask chat` or `textport -- chat`.";

/// Everything on the command line.
#[derive(Debug, Parser)]
#[command(
    name = "textport",
    bin_name = "textport",
    version,
    about = ABOUT,
    override_usage = "textport [ask] [OPTIONS] [PROMPT]\n       textport [OPTIONS] <COMMAND>",
    after_help = EXAMPLES,
    after_long_help = after_long_help(),
    arg_required_else_help = false,
    disable_help_subcommand = false,
    propagate_version = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    /// Flags that every verb takes.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ask once and print the answer (the default verb)
    Ask(Box<AskArgs>),
    /// Talk with a model, turn by turn
    Chat(Box<ChatArgs>),
    /// List, test and inspect the configured providers
    Providers(ProvidersArgs),
    /// List, fetch, inspect and remove models of this machine
    Models(ModelsArgs),
    /// Call and inspect Hugging Face Spaces and other Gradio apps
    Gradio(GradioArgs),
    /// Let a provider evaluate its model
    Eval(EvalArgs),
    /// Show and explain the configuration
    Config(ConfigArgs),
    /// Read and manage the log of conversations
    Logs(LogsArgs),
    /// Measure how fast a provider generates
    Bench(Box<BenchArgs>),
    /// Check this installation and machine
    Doctor(DoctorArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write all of them into a folder
    Man(ManArgs),
}

/// Reads the command line. Words without a verb are a question.
///
/// # Errors
/// [`Failure::Words`] with clap's explanation, also for `--help` and `--version`.
pub(crate) fn parse(words: Vec<OsString>) -> Result<Cli, Failure> {
    let words = default_verb::insert(words)?;
    Cli::try_parse_from(words).map_err(|error| Failure::Words(Box::new(error)))
}

fn after_long_help() -> String {
    format!(
        "{EXAMPLES}\n\nExit codes:\n{}\nEnvironment:\n{ENVIRONMENT}\n\nFiles, later ones win:\n{FILES}",
        exit::table()
    )
}

/// Variables that the program reads, for the help and the manual page.
pub(crate) const ENVIRONMENT: &str = "  TEXTPORT_PROFILE   the profile, like --profile
  TEXTPORT_CONFIG    further configuration files, like --config
  TEXTPORT_PROVIDER  the provider, like --provider
  TEXTPORT_MODEL     the model, like --model
  TEXTPORT_HOME      one folder for configuration, cache and state
  TEXTPORT_LOG_DB    the file of the log of conversations
  TEXTPORT_CPU       kernels of the processor: scalar, avx2, avxvnni, avx512, amx,
                     neon or neon-dotprod
  TEXTPORT_<KEY>     any other key; `__` goes one level down: TEXTPORT_GENERATION__SEED=7
  NO_COLOR, CLICOLOR_FORCE, XDG_CONFIG_HOME, XDG_CACHE_HOME, XDG_STATE_HOME,
  HF_TOKEN, HF_TOKEN_PATH, HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE, HF_ENDPOINT";

/// Files that the program reads, for the help and the manual page.
pub(crate) const FILES: &str = "  /etc/textport/config.toml
  $XDG_CONFIG_HOME/textport/config.toml (~/.config/textport/config.toml)
  textport.toml in this folder or the nearest one above it
  files named by TEXTPORT_CONFIG and --config (TOML, JSON or YAML)
Then the [profiles.NAME] table that is chosen, TEXTPORT_* variables, --set and the other flags.
`textport config path` lists them, `textport config explain KEY` says which one decided.";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_words_of_the_origin_are_a_question() {
        let words =
            ["textport", "--provider", "local", "--query", "Hello", "--config", "config.json"];
        let cli = parse(words.iter().map(Into::into).collect()).unwrap();
        let Command::Ask(ask) = cli.command else { panic!("not a question") };
        assert_eq!(ask.query.as_deref(), Some("Hello"));
        assert_eq!(ask.target.provider.as_deref(), Some("local"));
        assert_eq!(cli.global.config, [std::path::PathBuf::from("config.json")]);
    }
}
