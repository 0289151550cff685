//! `textport gradio`, and how every verb names a Space.

use clap::{Args, Subcommand};

use super::duration;

/// Gradio apps, on the Hub or anywhere else.
#[derive(Debug, Args)]
pub(crate) struct GradioArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: GradioVerb,
}

/// What to do with a Gradio app.
#[derive(Debug, Subcommand)]
pub(crate) enum GradioVerb {
    /// Call an endpoint and print what it gives
    Call(Box<CallArgs>),
    /// Show the endpoints, their parameters, and how messages would be put to them
    Inspect(SpaceArgs),
}

/// Which Space, and how to get in.
#[derive(Debug, Clone, Args)]
pub(crate) struct SpaceArgs {
    /// owner/name, the address of any Gradio app, or a provider of the configuration
    pub(crate) space: String,
    /// A Hugging Face token by reference: hf (the tools' own), env:NAME or file:PATH
    #[arg(long, value_name = "REF")]
    pub(crate) token: Option<String>,
    /// The user, for apps that ask for a login
    #[arg(long, value_name = "NAME", requires = "password")]
    pub(crate) user: Option<String>,
    /// The password by reference: env:NAME or file:PATH
    #[arg(long, value_name = "REF", requires = "user")]
    pub(crate) password: Option<String>,
    /// Give up after this long, waking the Space included: 90, 30s, 2m
    #[arg(long, value_name = "DURATION", value_parser = duration::seconds)]
    pub(crate) timeout: Option<f64>,
}

/// A call of one endpoint.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
A value is JSON where it reads as JSON, otherwise text: 5 is a number, '\"5\"' is text. What is
not given takes the Space's default. The text of a generator is printed as it grows.

Examples:
  textport gradio call owner/name /predict \"a cat\" 42
  textport gradio call owner/name /predict --arg prompt=\"a cat\" --arg seed=42
  textport gradio call http://127.0.0.1:7860 /predict --data '[\"a cat\"]' --json
  textport gradio call owner/private /predict --token env:HF_TOKEN --format jsonl
  textport gradio inspect owner/name                what it takes")]
pub(crate) struct CallArgs {
    /// Which Space.
    #[command(flatten)]
    pub(crate) space: SpaceArgs,
    /// The endpoint, e.g. /predict; the slash may be left out
    #[arg(value_name = "ENDPOINT")]
    pub(crate) endpoint: String,
    /// Values in the endpoint's order
    #[arg(value_name = "VALUE", allow_negative_numbers = true)]
    pub(crate) values: Vec<String>,
    /// A value by the parameter's name or label; repeatable
    #[arg(short = 'a', long = "arg", value_name = "NAME=VALUE", conflicts_with = "values")]
    pub(crate) named: Vec<String>,
    /// All values as one JSON array or object; @FILE reads a file, `-` stdin
    #[arg(short, long, value_name = "JSON", conflicts_with_all = ["values", "named"])]
    pub(crate) data: Option<String>,
}
