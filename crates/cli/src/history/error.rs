//! Why the log could not be read or written, and what to do about it.

use std::io;
use std::path::Path;

use rusqlite::ErrorCode;
use textport::{Error, ErrorKind, Unavailability};

/// A folder or file could not be made or opened.
pub(super) fn unusable(path: &Path, source: io::Error) -> Error {
    let message = format!("cannot open the log {}", path.display());
    Error::new(ErrorKind::ConfigInvalid, message).with_source(source).with_hint(
        "check its permissions, or set TEXTPORT_LOG_DB to another file, \
         or turn the log off: textport logs off",
    )
}

/// It is damaged, or no log of ours at all.
pub(super) fn damaged(path: &Path, detail: &str) -> Error {
    let message = format!("the log {} is damaged or not a log ({detail})", path.display());
    Error::new(ErrorKind::ConfigInvalid, message).with_hint(format!(
        "move it away and a new one is made: mv '{0}' '{0}.bad'",
        path.display()
    ))
}

/// A later textport wrote it.
pub(super) fn newer(path: &Path, found: i64, known: i64) -> Error {
    let message = format!(
        "the log {} was written by a newer textport (layout {found}; this one knows {known})",
        path.display()
    );
    Error::new(ErrorKind::ConfigInvalid, message)
        .with_hint("update textport, or set TEXTPORT_LOG_DB to another file")
}

/// What SQLite says, in our words.
pub(super) fn sqlite(path: &Path, source: rusqlite::Error) -> Error {
    let log = path.display();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            let message = format!("the log {log} is locked by another process");
            Error::new(ErrorKind::Unavailable(Unavailability::Down), message)
                .with_hint("wait for the other process, or end it")
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            damaged(path, &source.to_string())
        }
        Some(ErrorCode::DiskFull) => {
            Error::new(ErrorKind::ConfigInvalid, format!("there is no space for the log {log}"))
                .with_hint("free some, or prune it: textport logs prune --older-than 30d")
        }
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            unusable(path, io::Error::other(source))
        }
        _ => Error::new(ErrorKind::Internal, format!("the log {log} failed")).with_source(source),
    }
}

/// There is no such conversation.
pub(super) fn no_conversation(id: &str) -> Error {
    wrong_name(format!("there is no conversation {id:?} in the log"))
}

/// The abbreviation fits several.
pub(super) fn ambiguous(id: &str, count: usize) -> Error {
    wrong_name(format!("{id:?} fits {count} conversations"))
}

fn wrong_name(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message).with_hint("textport logs list shows their ids")
}

/// There is nothing to continue.
pub(super) fn nothing() -> Error {
    Error::new(ErrorKind::InvalidRequest, "there is no conversation to continue")
        .with_hint("begin one without --continue")
}

/// A conversation of which there is nothing to go on from.
pub(super) fn not_continuable(id: &str, why: &str) -> Error {
    let message = format!("conversation {id} cannot be continued: {why}");
    Error::new(ErrorKind::InvalidRequest, message).with_hint("begin a new one")
}
