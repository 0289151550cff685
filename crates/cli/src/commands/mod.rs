//! What each verb does.

mod ask;
mod bench;
mod chat;
mod config;
mod doctor;
mod eval;
mod gradio;
mod limit;
mod logs;
mod models;
mod providers;
mod shell;
mod space;
mod table;
mod talk;

use crate::args::{Cli, Command};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// Does what the command line asks for.
///
/// # Errors
/// Whatever keeps the verb from it.
pub(crate) fn run(cli: &Cli, output: &mut Output) -> Result<Exit, Failure> {
    let global = &cli.global;
    match &cli.command {
        Command::Ask(args) => ask::run(args, global, output),
        Command::Chat(args) => chat::run(args, global, output),
        Command::Providers(args) => providers::run(args, global, output),
        Command::Models(args) => models::run(args, global, output),
        Command::Gradio(args) => gradio::run(args, global, output),
        Command::Eval(args) => eval::run(args, global, output),
        Command::Config(args) => config::run(args, global, output),
        Command::Logs(args) => logs::run(args, global, output),
        Command::Bench(args) => bench::run(args, global, output),
        Command::Doctor(args) => doctor::run(args, global, output),
        Command::Completions(args) => shell::completions(args, output),
        Command::Man(args) => shell::man(args, output),
    }
}
