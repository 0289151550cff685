//! What is asked: the prompt, files, and whatever is piped in, parted by blank lines.

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use textport::{Error, ErrorKind};

use crate::args::AskArgs;
use crate::failure::Failure;

const HINT: &str =
    "ask something: textport \"your question\"; or pipe it in; or talk: textport chat";

/// Puts the prompt together.
///
/// # Errors
/// A usage error when there is nothing to ask, or when something that was read is not UTF-8.
pub(crate) fn gather(args: &AskArgs) -> Result<String, Failure> {
    let prompt = args.query.as_deref().or(args.prompt.as_deref());
    let mut parts = Parts::default();
    match prompt {
        Some("-") if args.query.is_none() => parts.stdin()?,
        Some(text) => parts.add(text),
        None => {}
    }
    for file in &args.file {
        if file.as_os_str() == "-" { parts.stdin()? } else { parts.add(&read(file)?) }
    }
    if !parts.stdin_read && !io::stdin().is_terminal() {
        parts.stdin()?;
    }
    let text = parts.texts.join("\n\n");
    if text.trim().is_empty() {
        let message = if prompt.is_some() || parts.stdin_read {
            "the prompt is empty"
        } else {
            "there is no prompt"
        };
        return Err(Failure::usage(message).try_this(HINT));
    }
    Ok(text)
}

#[derive(Default)]
struct Parts {
    texts: Vec<String>,
    stdin_read: bool,
}

impl Parts {
    /// Takes a part as it stands; only the newlines that end it go, for a blank line follows.
    fn add(&mut self, text: &str) {
        let text = text.trim_end_matches(['\n', '\r']);
        if !text.trim().is_empty() {
            self.texts.push(text.to_owned());
        }
    }

    fn stdin(&mut self) -> Result<(), Failure> {
        if std::mem::replace(&mut self.stdin_read, true) {
            return Err(Failure::usage("stdin can be read only once: `-` stands twice"));
        }
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map_err(|error| {
            Error::new(ErrorKind::InvalidRequest, "cannot read stdin").with_source(error)
        })?;
        self.add(&utf8(bytes, "stdin")?);
        Ok(())
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let bytes = fs::read(path).map_err(|error| {
        let message = format!("cannot read {}", path.display());
        Error::new(ErrorKind::InvalidRequest, message)
            .with_source(error)
            .with_hint("-f takes a text file that you may read, or `-` for stdin")
    })?;
    utf8(bytes, &path.display().to_string())
}

fn utf8(bytes: Vec<u8>, source: &str) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::usage(format!("{source} is not UTF-8: the byte at offset {at} is wrong"))
            .try_this("convert it first, e.g. iconv -f LATIN1 -t UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_joined_by_a_blank_line() {
        let mut parts = Parts::default();
        parts.add("Summarize:");
        parts.add("  line\nline \n\n");
        parts.add("\n");
        assert_eq!(parts.texts.join("\n\n"), "Summarize:\n\n  line\nline ");
    }

    #[test]
    fn the_wrong_byte_is_named() {
        let Err(Failure::Error(error)) = utf8(b"ab\xffc".to_vec(), "stdin") else {
            panic!("accepted")
        };
        assert_eq!(error.to_string(), "stdin is not UTF-8: the byte at offset 2 is wrong");
    }
}
