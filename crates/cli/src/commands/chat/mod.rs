//! `textport chat`: a conversation, turn by turn.

mod answer;
mod assemble;
mod command;
mod conversation;
mod input;
mod obey;
mod save;
mod session;
mod terminal;

use textport::{Error, ErrorKind};

use crate::args::{ChatArgs, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use command::Command;
use input::{Input, Read};
use session::Session;

/// What one turn of the loop leads to.
enum Next {
    Go,
    Leave(Exit),
}

/// Talks until the user leaves.
///
/// # Errors
/// When the provider cannot be built. On a terminal a turn that fails is told and the conversation
/// goes on; from a pipe the first failure ends it.
pub(crate) fn run(args: &ChatArgs, global: &Global, output: &mut Output) -> Result<Exit, Failure> {
    if output.format().is_json() {
        return Err(Failure::usage("chat prints text and no JSON").try_this(
            "turn by turn: textport ask --json --cid ID \"…\"; ID is `conversation` in its answer",
        ));
    }
    let mut session = Session::open(args, global, output)?;
    let mut input = Input::open(&session, output)?;
    if input.is_terminal() {
        session.leave_ctrl_c_to_the_editor();
        output.note(&session.greeting());
    }
    loop {
        let next = match input.read(output)? {
            Read::Text(text) => turn(&text, &mut session, output),
            Read::End => return Ok(Exit::Ok),
        };
        match next {
            Ok(Next::Go) => {}
            Ok(Next::Leave(exit)) => return Ok(exit),
            Err(Failure::Signal(Exit::Interrupted)) if input.is_terminal() => {
                output.note("(interrupted; what there is of the answer stays in the conversation)");
            }
            Err(Failure::Error(error)) if input.is_terminal() => tell(&error, output),
            Err(failure) => return Err(failure),
        }
    }
}

fn turn(text: &str, session: &mut Session<'_>, output: &mut Output) -> Result<Next, Failure> {
    match Command::parse(text)? {
        Some(Command::Quit) => Ok(Next::Leave(Exit::Ok)),
        Some(command) => obey::obey(&command, session, output).map(|()| Next::Go),
        None => session.ask(text.to_owned(), output).map(|()| Next::Go),
    }
}

/// A failure that does not end the conversation, in the words that would have ended it.
fn tell(error: &Error, output: &mut Output) {
    let mut text = format!("{} {error}\n", output.paint_error("error:"));
    if let Some(source) = std::error::Error::source(error) {
        text.push_str(&format!("  cause: {source}\n"));
    }
    if let Some(hint) = error.hint() {
        text.push_str(&format!("  try: {hint}\n"));
    }
    if error.kind() == ErrorKind::ContextLengthExceeded {
        text.push_str("  here: /undo takes back the last turn, /new begins a new conversation\n");
    }
    output.tell(&text);
}
