//! Where output goes: the answer to stdout, all talk to stderr. Every write can meet a closed pipe,
//! so nothing here prints behind the caller's back.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};

use clap::ColorChoice;

use crate::args::Global;
use crate::format::Format;

/// Both streams, and how they may be decorated.
pub(crate) struct Output {
    stdout: Box<dyn Write>,
    stderr: Box<dyn Write>,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    color: ColorChoice,
    format: Format,
    verbose: u8,
    mid_line: bool,
}

impl Output {
    /// The process's own streams.
    pub(crate) fn standard() -> Self {
        Self {
            stdout: Box::new(io::stdout()),
            stderr: Box::new(io::stderr()),
            stdout_is_terminal: io::stdout().is_terminal(),
            stderr_is_terminal: io::stderr().is_terminal(),
            color: ColorChoice::Auto,
            format: Format::Text,
            verbose: 0,
            mid_line: false,
        }
    }

    /// Takes over what the flags say.
    pub(crate) fn configure(&mut self, global: &Global) {
        self.format = global.format();
        self.verbose = global.verbose;
        self.color = global.color;
    }

    /// Finds out, when the words could not be parsed, whether errors are wanted as JSON.
    pub(crate) fn configure_from_words(&mut self, words: &[OsString]) {
        let mut before = None;
        for word in words.iter().filter_map(|word| word.to_str()) {
            let wants = match (before, word) {
                (_, "--") => break,
                (_, "--json" | "--format=json" | "--format=jsonl") => true,
                (Some("--format"), "json" | "jsonl") => true,
                _ => false,
            };
            if wants {
                self.format = Format::Json;
            }
            before = Some(word);
        }
    }

    /// The format that was asked for.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Whether errors are told as JSON.
    pub(crate) fn json_errors(&self) -> bool {
        self.format.is_json()
    }

    /// How many times `-v` was given.
    pub(crate) fn verbose(&self) -> u8 {
        self.verbose
    }

    /// Whether stdout is a terminal.
    pub(crate) fn to_terminal(&self) -> bool {
        self.stdout_is_terminal
    }

    /// Whether progress may be drawn: a terminal is there and quiet was not asked for.
    pub(crate) fn may_draw(&self) -> bool {
        self.stderr_is_terminal && self.may_talk()
    }

    /// Whether anything but errors belongs on stderr.
    pub(crate) fn may_talk(&self) -> bool {
        self.format != Format::Quiet
    }

    /// Writes to stdout.
    ///
    /// # Errors
    /// Whatever the stream says, also `BrokenPipe`.
    pub(crate) fn write(&mut self, text: &str) -> io::Result<()> {
        if let Some(last) = text.chars().last() {
            self.mid_line = last != '\n';
        }
        self.stdout.write_all(text.as_bytes())
    }

    /// Writes bytes to stdout, for things that are files by nature.
    ///
    /// # Errors
    /// Whatever the stream says, also `BrokenPipe`.
    pub(crate) fn write_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stdout.write_all(bytes)
    }

    /// Writes a line to stdout.
    ///
    /// # Errors
    /// Whatever the stream says, also `BrokenPipe`.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        self.write(text)?;
        self.write("\n")
    }

    /// Writes a value as JSON: on one line for `jsonl` and pipes, indented on a terminal.
    ///
    /// # Errors
    /// Whatever the stream says, also `BrokenPipe`.
    pub(crate) fn json(&mut self, value: &impl serde::Serialize) -> io::Result<()> {
        let text = if self.stdout_is_terminal && self.format != Format::Jsonl {
            serde_json::to_string_pretty(value)
        } else {
            serde_json::to_string(value)
        };
        self.line(&text.map_err(io::Error::other)?)
    }

    /// Model text for a terminal must not move its cursor or set its title; a pipe gets every byte.
    ///
    /// # Errors
    /// Whatever the stream says, also `BrokenPipe`.
    pub(crate) fn write_foreign(&mut self, text: &str) -> io::Result<()> {
        if self.stdout_is_terminal { self.write(&printable(text)) } else { self.write(text) }
    }

    /// Ends a line that was begun on stdout.
    ///
    /// # Errors
    /// Whatever the stream says, also `BrokenPipe`.
    pub(crate) fn end_line(&mut self) -> io::Result<()> {
        if self.mid_line {
            self.write("\n")?;
        }
        self.flush()
    }

    /// Makes sure that what was written has left.
    ///
    /// # Errors
    /// Whatever the stream says, also `BrokenPipe`.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }

    /// Says something on stderr. When even that fails there is nobody left to tell.
    pub(crate) fn tell(&mut self, text: &str) {
        let _ = self.stderr.write_all(text.as_bytes()).and_then(|()| self.stderr.flush());
    }

    /// Says something on stderr unless quiet was asked for.
    pub(crate) fn note(&mut self, text: &str) {
        if self.may_talk() {
            self.tell(&format!("{text}\n"));
        }
    }

    /// Says something on stderr in dim letters, unless quiet was asked for; no newline is added.
    pub(crate) fn dim(&mut self, text: &str) {
        if !self.may_talk() {
            return;
        }
        let text = if self.stderr_is_terminal { printable(text) } else { text.to_owned() };
        let text = if self.color_err() { format!("\x1b[2m{text}\x1b[0m") } else { text };
        self.tell(&text);
    }

    /// A word in the colour of errors.
    pub(crate) fn paint_error(&self, word: &str) -> String {
        if self.color_err() { format!("\x1b[1;31m{word}\x1b[0m") } else { word.to_owned() }
    }

    /// Clap's text for stdout.
    pub(crate) fn styled(&self, text: &clap::builder::StyledStr) -> String {
        if self.color_out() { text.ansi().to_string() } else { text.to_string() }
    }

    /// Clap's text for stderr.
    pub(crate) fn styled_err(&self, text: &clap::builder::StyledStr) -> String {
        if self.color_err() { text.ansi().to_string() } else { text.to_string() }
    }

    fn color_out(&self) -> bool {
        wants_color(self.color, self.stdout_is_terminal)
    }

    fn color_err(&self) -> bool {
        wants_color(self.color, self.stderr_is_terminal)
    }
}

/// Flags win over `NO_COLOR`, that over `CLICOLOR_FORCE`, that over what the stream is.
fn wants_color(choice: ColorChoice, terminal: bool) -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto if set("NO_COLOR") => false,
        ColorChoice::Auto if set("CLICOLOR_FORCE") => true,
        ColorChoice::Auto => terminal,
    }
}

/// Control characters other than newline and tab, made visible.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_text_cannot_drive_a_terminal() {
        assert_eq!(printable("a\x1b[2Jb\r\n\tc"), "a\u{fffd}[2Jb\u{fffd}\n\tc");
    }

    #[test]
    fn unparsable_words_still_tell_whether_errors_are_json() {
        let find = |words: &[&str]| {
            let mut output = Output::standard();
            let words: Vec<OsString> = words.iter().map(Into::into).collect();
            output.configure_from_words(&words);
            output.json_errors()
        };
        assert!(find(&["textport", "--json", "--bad"]));
        assert!(find(&["textport", "--format", "jsonl"]));
        assert!(!find(&["textport", "--", "--json"]));
    }
}
