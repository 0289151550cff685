//! How a command fails, and how that is told: one line of what happened, its causes, what to try.

use std::error::Error as StdError;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use textport::{Error, ErrorKind, RetryAdvice};

use crate::exit::Exit;
use crate::output::Output;

/// Why a command ended without success.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something went wrong.
    Error(Error),
    /// The words on the command line make no sense, or `--help` was asked for: clap's own words.
    Words(Box<clap::Error>),
    /// Whoever read our output went away: nothing to say and nobody to say it to.
    ClosedPipe,
    /// A signal ended it: `Exit::Interrupted` or `Exit::Terminated`.
    Signal(Exit),
}

impl Failure {
    /// Something about the command line or a prompt that the caller can put right.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Error(Error::new(ErrorKind::InvalidRequest, message))
    }

    /// Adds what to do next.
    #[must_use]
    pub(crate) fn try_this(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Error(error) => Self::Error(error.with_hint(hint)),
            other => other,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Only errors of writing the output come this way; a file's error gets its path where it happens.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::ClosedPipe;
        }
        Self::Error(Error::new(ErrorKind::Internal, "cannot write the output").with_source(error))
    }
}

/// Tells the failure, if there is one, and says how the process ends.
pub(crate) fn report(result: Result<Exit, Failure>, output: &mut Output) -> Exit {
    let exit = match result {
        Ok(exit) => exit,
        Err(Failure::ClosedPipe) => Exit::Ok,
        Err(Failure::Signal(exit)) => {
            let _ = output.end_line();
            let word = if exit == Exit::Interrupted { "interrupted" } else { "terminated" };
            tell(&Error::new(ErrorKind::Cancelled, word), exit, output);
            exit
        }
        Err(Failure::Error(error)) => {
            let _ = output.end_line();
            let exit = Exit::of(error.kind());
            tell(&error, exit, output);
            exit
        }
        Err(Failure::Words(words)) => tell_words(&words, output),
    };
    // The last buffered bytes may meet a closed pipe or a full disk.
    match output.flush().map_err(Failure::from) {
        Ok(()) | Err(Failure::ClosedPipe) => exit,
        Err(_) if exit != Exit::Ok => exit,
        Err(_) => {
            let error = Error::new(ErrorKind::Internal, "cannot write the output");
            tell(&error, Exit::Internal, output);
            Exit::Internal
        }
    }
}

fn tell(error: &Error, exit: Exit, output: &mut Output) {
    if output.json_errors() {
        output.tell(&format!("{}\n", as_json(error, exit)));
        return;
    }
    let mut text = format!("{} {error}\n", output.paint_error("error:"));
    let mut cause = error.source();
    let mut said = error.to_string();
    while let Some(source) = cause {
        let words = source.to_string();
        // Many sources repeat what wraps them; once is enough.
        if !said.contains(&words) {
            text.push_str(&format!("  cause: {words}\n"));
            said = words;
        }
        cause = source.source();
    }
    for attempt in error.attempts() {
        let why = attempt.error.as_deref().unwrap_or("answered");
        text.push_str(&format!("  tried: {}: {why}\n", attempt.provider));
    }
    if let Some(hint) = error.hint() {
        text.push_str(&format!("  try: {hint}\n"));
    }
    output.tell(&text);
}

/// The stable shape of an error under `--json`.
fn as_json(error: &Error, exit: Exit) -> Value {
    let (retry_after, resets_at) = match error.advice() {
        RetryAdvice::After(wait) => (Some(wait.as_secs_f64()), None),
        RetryAdvice::At(time) => (None, Some(timestamp(time))),
        _ => (None, None),
    };
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(source) = cause {
        causes.push(source.to_string());
        cause = source.source();
    }
    let mut inner = json!({
        "kind": error.kind().as_str(),
        "provider": error.provider(),
        "message": error.to_string(),
        "causes": causes,
        "hint": error.hint(),
        "retry_after_s": retry_after,
        "resets_at": resets_at,
        "attempts": error.attempts(),
        "exit_code": exit.code(),
    });
    if let (Some(partial), Some(inner)) = (error.partial(), inner.as_object_mut()) {
        inner.insert(
            "partial".into(),
            json!({ "text": partial.text, "reasoning": partial.reasoning }),
        );
    }
    json!({ "v": 1, "error": inner })
}

fn timestamp(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(
        |_| {
            let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            seconds.to_string()
        },
        |timestamp| timestamp.to_string(),
    )
}

fn tell_words(words: &clap::Error, output: &mut Output) -> Exit {
    use clap::error::ErrorKind as Kind;
    match words.kind() {
        Kind::DisplayHelp | Kind::DisplayVersion => {
            let text = output.styled(&words.render());
            match output.write(&text).map_err(Failure::from) {
                // A closed pipe here is `textport --help | head`: nothing to tell.
                Ok(()) | Err(Failure::ClosedPipe) => Exit::Ok,
                Err(Failure::Error(error)) => {
                    tell(&error, Exit::Internal, output);
                    Exit::Internal
                }
                Err(_) => Exit::Internal,
            }
        }
        _ if output.json_errors() => {
            let text = words.render().to_string();
            let message = text.lines().next().unwrap_or_default();
            let message = message.strip_prefix("error: ").unwrap_or(message);
            let error = Error::new(ErrorKind::InvalidRequest, message)
                .with_hint("textport --help shows the verbs and flags");
            tell(&error, Exit::Usage, output);
            Exit::Usage
        }
        _ => {
            let text = output.styled_err(&words.render());
            output.tell(&text);
            Exit::Usage
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_error_as_json_has_every_documented_field() {
        let error = Error::new(ErrorKind::QuotaExhausted, "used up")
            .with_advice(RetryAdvice::At(UNIX_EPOCH + Duration::from_secs(60)));
        let value = as_json(&error, Exit::Quota);
        let inner = &value["error"];
        for field in
            ["kind", "provider", "message", "hint", "retry_after_s", "resets_at", "attempts"]
        {
            assert!(inner.get(field).is_some(), "{field} is missing");
        }
        assert_eq!(inner["resets_at"], "1970-01-01T00:01:00Z");
        assert_eq!(inner["exit_code"], 4);
    }

    #[test]
    fn a_closed_pipe_is_no_error() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(matches!(failure, Failure::ClosedPipe));
    }
}
