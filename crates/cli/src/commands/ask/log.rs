//! The turn in the log of conversations.

use textport::{Error, ErrorKind, Request, Response};

use crate::args::AskArgs;
use crate::commands::logs;
use crate::failure::Failure;
use crate::history::{Journal, Loaded, Log, Place, Turn};
use crate::output::Output;
use crate::settings::Settings;

/// The conversation that `--continue` or `--cid` goes on with.
///
/// # Errors
/// When there is none, or it cannot be read.
pub(super) fn earlier(args: &AskArgs, settings: &Settings) -> Result<Option<Loaded>, Failure> {
    if !args.conversation.wanted() {
        return Ok(None);
    }
    let id = args.conversation.cid.as_deref();
    Ok(Some(Log::resume(&Place::of(settings), id)?))
}

/// Writes the turn down, unless the configuration, `logs off` or `--no-log` say otherwise. A log
/// that cannot be written costs a warning, never the answer. Gives the conversation that it is in.
pub(super) fn record(
    args: &AskArgs,
    settings: &Settings,
    request: &Request,
    earlier: Option<&str>,
    (response, result): (&Response, &Result<(), Failure>),
    output: &mut Output,
) -> Option<String> {
    let cut_short = || {
        Error::new(ErrorKind::Cancelled, "the answer was cut short").with_partial(response.clone())
    };
    let cut;
    let outcome = match result {
        Ok(()) => Ok(response),
        Err(Failure::Error(error)) => Err(error),
        Err(_) => {
            cut = cut_short();
            Err(&cut)
        }
    };
    let turn = Turn { provider: &settings.config.provider, model: None, request, outcome };
    let mut journal = Journal::new(settings, args.no_log);
    journal.go_on_with(earlier.map(str::to_owned));
    match journal.record(&turn) {
        Ok(recorded) => recorded.map(|recorded| recorded.conversation),
        Err(error) => {
            logs::warn(&error, output);
            None
        }
    }
}
