//! Where messages come from: an editor on a terminal, or lines from a pipe.

use std::io::{self, BufRead, IsTerminal};

use textport::{Error, ErrorKind};

use super::assemble::Assembler;
use super::session::Session;
use super::terminal::{Line, Terminal};
use crate::failure::Failure;
use crate::output::Output;

/// What was read.
pub(super) enum Read {
    /// A whole message or command.
    Text(String),
    /// There is no more.
    End,
}

/// Where messages come from.
pub(super) struct Input {
    source: Source,
    assembler: Assembler,
}

enum Source {
    Terminal(Box<Terminal>),
    Lines,
}

impl Input {
    /// An editor if people are on both ends, else lines.
    ///
    /// # Errors
    /// When the terminal cannot be used.
    pub(super) fn open(session: &Session<'_>, output: &mut Output) -> Result<Self, Failure> {
        let source = if io::stdin().is_terminal() && output.to_terminal() {
            Source::Terminal(Box::new(Terminal::open(session.line_history(), output)?))
        } else {
            Source::Lines
        };
        Ok(Self { source, assembler: Assembler::default() })
    }

    /// Whether a person types.
    pub(super) fn is_terminal(&self) -> bool {
        matches!(self.source, Source::Terminal(_))
    }

    /// Waits for the next message; blank lines are none.
    ///
    /// # Errors
    /// When reading fails.
    pub(super) fn read(&mut self, output: &mut Output) -> Result<Read, Failure> {
        let mut clears = 0;
        loop {
            let open = self.assembler.is_open();
            let line = match &mut self.source {
                Source::Terminal(terminal) => terminal.read(open)?,
                Source::Lines => line()?,
            };
            match line {
                Line::Text(line) => {
                    clears = 0;
                    match self.assembler.take(&line) {
                        Some(text) if !text.trim().is_empty() => {
                            self.remember(&text, output);
                            return Ok(Read::Text(text));
                        }
                        _ => {}
                    }
                }
                Line::Cleared => {
                    clears += 1;
                    let dropped = !self.assembler.finish().is_empty();
                    if clears > 1 && !dropped {
                        return Ok(Read::End);
                    }
                    output.note("(Ctrl-C again or Ctrl-D leaves)");
                }
                // A message whose last line has no end is still one.
                Line::End if open => {
                    let text = self.assembler.finish();
                    if !text.trim().is_empty() {
                        return Ok(Read::Text(text));
                    }
                }
                Line::End => return Ok(Read::End),
            }
        }
    }

    fn remember(&mut self, text: &str, output: &mut Output) {
        if let Source::Terminal(terminal) = &mut self.source
            && let Err(error) = terminal.remember(text)
        {
            output.note(&format!("warning: the line is not in the history: {error}"));
        }
    }
}

/// The next line of stdin.
fn line() -> Result<Line, Failure> {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().read_until(b'\n', &mut bytes).map_err(|error| {
        let message = "cannot read stdin";
        Failure::Error(Error::new(ErrorKind::InvalidRequest, message).with_source(error))
    })?;
    if read == 0 {
        return Ok(Line::End);
    }
    String::from_utf8(bytes).map(Line::Text).map_err(|_| {
        Failure::usage("stdin is not UTF-8")
            .try_this("convert it first, e.g. iconv -f LATIN1 -t UTF-8")
    })
}
