//! The log of conversations: one SQLite file that several processes may write at once.
//!
//! A *conversation* is a row and its *turns*: what was asked, what came back, what it cost. A turn
//! that failed is kept, but it is no part of the conversation; neither is one that was undone. An
//! answer that the user cut short stays in it, marked as interrupted.
//!
//! Losing the log never loses an answer: whoever records a turn tells a failure as a warning and
//! goes on.

mod error;
mod id;
mod journal;
mod place;
mod query;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod turn;
mod write;

use std::path::PathBuf;

use rusqlite::Connection;
use textport::Error;

pub(crate) use journal::Journal;
pub(crate) use place::{Place, private_file, private_parent};
pub(crate) use read::{ConversationRow, Exchange, Hit, Loaded, TurnRow};
pub(crate) use turn::Turn;
pub(crate) use write::Recorded;

/// An open log.
#[derive(Debug)]
pub(crate) struct Log {
    connection: Connection,
    path: PathBuf,
}

impl Log {
    /// Opens the log, and makes it if it is not there.
    ///
    /// # Errors
    /// When the file cannot be opened, is damaged, or is a newer textport's.
    pub(crate) fn open(place: &Place) -> Result<Self, Error> {
        place.prepare()?;
        let connection = schema::open(place.database())?;
        Ok(Self { connection, path: place.database().to_owned() })
    }

    /// Opens the log only if it exists: reading must not make one.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub(crate) fn open_existing(place: &Place) -> Result<Option<Self>, Error> {
        if !place.database().exists() {
            return Ok(None);
        }
        Self::open(place).map(Some)
    }

    /// Names the file in an error of SQLite's.
    fn named(&self, source: rusqlite::Error) -> Error {
        error::sqlite(&self.path, source)
    }
}
