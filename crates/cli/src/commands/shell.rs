//! `textport completions` and `textport man`: generated from the definition of the command line.

use std::fs;
use std::io::Write;
use std::path::Path;

use clap::{Command, CommandFactory};
use textport::{Error, ErrorKind};

use crate::args::{Cli, CompletionsArgs, ENVIRONMENT, FILES, ManArgs};
use crate::exit::{Exit, TABLE};
use crate::failure::Failure;
use crate::output::Output;

/// Prints a completion script.
///
/// # Errors
/// When stdout fails.
pub(crate) fn completions(args: &CompletionsArgs, output: &mut Output) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut with_the_default_verbs_flags(),
        "textport",
        &mut script,
    );
    output.write_bytes(&script)?;
    Ok(Exit::Ok)
}

/// The command line as it may be written: the flags of `ask` also stand where no verb does.
fn with_the_default_verbs_flags() -> Command {
    let command = Cli::command();
    let ask =
        command.find_subcommand("ask").map(|ask| ask.get_arguments().cloned().collect::<Vec<_>>());
    command.args(ask.unwrap_or_default())
}

/// Prints textport(1), or writes one page for each verb into a folder.
///
/// # Errors
/// When stdout or the folder fails.
pub(crate) fn man(args: &ManArgs, output: &mut Output) -> Result<Exit, Failure> {
    let mut command = Cli::command();
    command.build();
    let Some(folder) = &args.folder else {
        output.write_bytes(&page(&command)?)?;
        return Ok(Exit::Ok);
    };
    fs::create_dir_all(folder).map_err(|error| unwritable(folder, error))?;
    let count = write_pages(&command, folder)?;
    output.note(&format!("wrote {count} pages to {}", folder.display()));
    Ok(Exit::Ok)
}

fn write_pages(command: &Command, folder: &Path) -> Result<usize, Failure> {
    let path = folder.join(format!("{}.1", page_name(command)));
    fs::write(&path, page(command)?).map_err(|error| unwritable(&path, error))?;
    let verbs = command.get_subcommands().filter(|verb| verb.get_name() != "help");
    verbs.map(|verb| write_pages(verb, folder)).try_fold(1, |sum, count| Ok(sum + count?))
}

/// `textport-models-pull`, for clap builds display names that way.
fn page_name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(command: &Command) -> Result<Vec<u8>, Failure> {
    let is_root = command.get_name() == "textport";
    // The long help repeats what the page has sections for.
    let command = if is_root { command.clone().after_long_help(None) } else { command.clone() };
    let title = page_name(&command).to_uppercase();
    let man = clap_mangen::Man::new(command).title(title).manual("textport manual");
    let mut page = Vec::new();
    man.render(&mut page)?;
    if is_root {
        section(&mut page, "EXIT STATUS", &exit_codes())?;
        section(&mut page, "ENVIRONMENT", ENVIRONMENT)?;
        section(&mut page, "FILES", FILES)?;
    }
    Ok(page)
}

fn exit_codes() -> String {
    TABLE.iter().map(|(exit, words)| format!("  {:>3}  {words}\n", exit.code())).collect()
}

/// A section that keeps its lines as they are.
fn section(page: &mut Vec<u8>, title: &str, text: &str) -> std::io::Result<()> {
    writeln!(page, ".SH \"{title}\"\n.nf")?;
    for line in text.lines() {
        // A backslash, and a dot or quote that begins a line, mean something to roff.
        writeln!(page, "\\&{}", line.replace('\\', "\\e"))?;
    }
    writeln!(page, ".fi")
}

fn unwritable(path: &Path, error: std::io::Error) -> Failure {
    let message = format!("cannot write {}", path.display());
    Error::new(ErrorKind::InvalidRequest, message).with_source(error).into()
}
