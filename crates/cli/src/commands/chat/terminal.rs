//! The line editor: history, completion of commands.

use std::io;
use std::path::PathBuf;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, Helper};
use textport::{Error, ErrorKind};

use super::command;
use crate::failure::Failure;
use crate::history::{private_file, private_parent};
use crate::output::Output;

/// Lines kept of earlier conversations.
const HISTORY_LINES: usize = 1000;

/// What became of one line.
pub(super) enum Line {
    Text(String),
    /// Ctrl-C.
    Cleared,
    /// Ctrl-D, or the end of the file.
    End,
}

/// The line editor.
pub(super) struct Terminal {
    editor: Editor<Commands, FileHistory>,
    history: Option<PathBuf>,
}

impl Terminal {
    /// Opens the editor, with the lines in `history` unless none are to be kept.
    ///
    /// # Errors
    /// When the terminal cannot be used. A history that cannot be used is only told.
    pub(super) fn open(history: Option<PathBuf>, output: &mut Output) -> Result<Self, Failure> {
        let unusable = |error: ReadlineError| {
            Failure::Error(
                Error::new(ErrorKind::Internal, "cannot use the terminal").with_source(error),
            )
        };
        let config = Config::builder().max_history_size(HISTORY_LINES).map_err(unusable)?.build();
        let mut editor = Editor::with_config(config).map_err(unusable)?;
        editor.set_helper(Some(Commands));
        let mut terminal = Self { editor, history };
        if let Err(error) = terminal.load() {
            output.note(&format!("warning: earlier lines are not at hand: {error}"));
            terminal.history = None;
        }
        Ok(terminal)
    }

    fn load(&mut self) -> Result<(), ReadlineError> {
        let Some(file) = &self.history else { return Ok(()) };
        // Made here, so that nobody else can ever read it.
        private_parent(file).and_then(|()| private_file(file)).map_err(ReadlineError::Io)?;
        self.editor.load_history(file)
    }

    /// Reads a line; the prompt says whether it goes on with a message.
    ///
    /// # Errors
    /// When the terminal fails.
    pub(super) fn read(&mut self, goes_on: bool) -> Result<Line, Failure> {
        match self.editor.readline(if goes_on { "... " } else { ">>> " }) {
            Ok(line) => Ok(Line::Text(line)),
            Err(ReadlineError::Interrupted) => Ok(Line::Cleared),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                Err(Failure::ClosedPipe)
            }
            Err(error) => {
                let message = "cannot read from the terminal";
                Err(Error::new(ErrorKind::Internal, message).with_source(error).into())
            }
        }
    }

    /// Keeps a message or command for the arrow keys, also of later conversations.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn remember(&mut self, text: &str) -> Result<(), ReadlineError> {
        self.editor.add_history_entry(text)?;
        match &self.history {
            Some(file) => self.editor.append_history(file),
            None => Ok(()),
        }
    }
}

/// Completes the names of commands.
struct Commands;

impl Completer for Commands {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let begun = line.get(..position).unwrap_or(line);
        let fits = |(name, rest, _): &&(&str, &str, &str)| {
            begun.starts_with('/')
                && name.starts_with(begun)
                && !(rest.is_empty() && *name == begun)
        };
        let name = |(name, rest, _): &(&str, &str, &str)| {
            if rest.is_empty() { (*name).to_owned() } else { format!("{name} ") }
        };
        Ok((0, command::ALL.iter().filter(fits).map(name).collect()))
    }
}

impl Hinter for Commands {
    type Hint = String;
}
impl Highlighter for Commands {}
impl Validator for Commands {}
impl Helper for Commands {}
