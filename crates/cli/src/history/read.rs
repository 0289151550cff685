//! Reading the log.

use rusqlite::{OptionalExtension, Row, params};
use serde::{Serialize, Serializer};
use textport::{Error, ErrorKind, Message};

use super::{Log, Place, Recorded, error, query};

/// A conversation in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ConversationRow {
    /// Its name.
    pub(crate) id: String,
    /// When it began.
    #[serde(serialize_with = "as_text")]
    pub(crate) created: jiff::Timestamp,
    /// When its last turn was recorded.
    #[serde(serialize_with = "as_text")]
    pub(crate) updated: jiff::Timestamp,
    /// Who was asked first.
    pub(crate) provider: String,
    /// With which model, where known.
    pub(crate) model: Option<String>,
    /// The beginning of the first prompt; absent when only counts are kept.
    pub(crate) title: Option<String>,
    /// How many turns are recorded.
    pub(crate) turns: i64,
}

/// A turn as it was recorded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct TurnRow {
    pub(crate) seq: i64,
    #[serde(serialize_with = "as_text")]
    pub(crate) created: jiff::Timestamp,
    pub(crate) provider: String,
    pub(crate) served_by: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) raw: bool,
    pub(crate) system: Option<String>,
    pub(crate) prompt: Option<String>,
    pub(crate) options: serde_json::Value,
    pub(crate) response: Option<String>,
    pub(crate) reasoning: Option<String>,
    pub(crate) prompt_chars: i64,
    pub(crate) response_chars: i64,
    pub(crate) finish_reason: Option<String>,
    pub(crate) error_kind: Option<String>,
    pub(crate) usage: textport::Usage,
    pub(crate) timings: serde_json::Value,
    pub(crate) undone: bool,
}

/// A place where a search succeeded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Hit {
    pub(crate) conversation: String,
    pub(crate) seq: i64,
    #[serde(serialize_with = "as_text")]
    pub(crate) created: jiff::Timestamp,
    pub(crate) title: Option<String>,
    /// The words around, with `[` and `]` at what was found.
    pub(crate) excerpt: String,
}

/// One question of a conversation and its answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Exchange {
    /// What the user said.
    pub(crate) user: Message,
    /// What the model said, or as much as there was.
    pub(crate) assistant: Message,
    /// Whether the user cut the answer short.
    pub(crate) interrupted: bool,
    /// Where it is in the log; absent when it is not logged.
    pub(crate) recorded: Option<Recorded>,
}

/// A conversation to go on with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Loaded {
    /// Its name.
    pub(crate) id: String,
    /// The system prompt of its last turn.
    pub(crate) system: Option<String>,
    /// Its turns, without those that failed or were undone.
    pub(crate) exchanges: Vec<Exchange>,
}

impl Loaded {
    /// The turns as messages, the system prompt apart.
    pub(crate) fn messages(&self) -> impl Iterator<Item = Message> {
        self.exchanges
            .iter()
            .flat_map(|exchange| [exchange.user.clone(), exchange.assistant.clone()])
    }
}

/// A turn is part of its conversation unless it failed or was undone; an answer that the user cut
/// short is, if there is any text of it.
fn in_conversation(turn: &TurnRow) -> bool {
    let cut_short = turn.error_kind.as_deref() == Some(ErrorKind::Cancelled.as_str());
    !turn.undone && (turn.error_kind.is_none() || (cut_short && turn.response_chars > 0))
}

impl Log {
    /// The conversations used last, newest first; 0 asks for all.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn list(&self, count: u32) -> Result<Vec<ConversationRow>, Error> {
        self.rows(
            "SELECT id, created, updated, provider, model, title, \
             (SELECT count(*) FROM turns WHERE turns.conversation = conversations.id) FROM conversations \
             ORDER BY updated DESC, id DESC LIMIT ?1",
            params![limit(count)],
            |row| {
                Ok(ConversationRow {
                    id: row.get(0)?,
                    created: time(row, 1)?,
                    updated: time(row, 2)?,
                    provider: row.get(3)?,
                    model: row.get(4)?,
                    title: row.get(5)?,
                    turns: row.get(6)?,
                })
            },
        )
    }

    /// The name of the conversation used last, if there is any.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn last_conversation(&self) -> Result<Option<String>, Error> {
        Ok(self.list(1)?.pop().map(|row| row.id))
    }

    /// The whole name of a conversation of which `part` is the beginning or the end.
    ///
    /// # Errors
    /// When none or several fit, or the log cannot be read.
    pub(crate) fn find(&self, part: &str) -> Result<String, Error> {
        let part = part.trim().to_ascii_uppercase();
        let plain = !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric());
        if !plain {
            return Err(error::no_conversation(&part));
        }
        let mut fitting: Vec<String> = self.rows(
            "SELECT id FROM conversations WHERE id GLOB ?1 || '*' OR id GLOB '*' || ?1 LIMIT 50",
            params![part],
            |row| row.get(0),
        )?;
        match fitting.len() {
            0 => Err(error::no_conversation(&part)),
            1 => Ok(fitting.swap_remove(0)),
            count => Err(error::ambiguous(&part, count)),
        }
    }

    /// The conversation to go on with, from the log at `place`; see [`Log::load`].
    ///
    /// # Errors
    /// As [`Log::load`], also when there is no log.
    pub(crate) fn resume(place: &Place, part: Option<&str>) -> Result<Loaded, Error> {
        match (Self::open_existing(place)?, part) {
            (Some(log), _) => log.load(part),
            (None, Some(part)) => Err(error::no_conversation(part)),
            (None, None) => Err(error::nothing()),
        }
    }

    /// Every turn of a conversation, in order.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn turns(&self, conversation: &str) -> Result<Vec<TurnRow>, Error> {
        self.rows(
            "SELECT seq, created, provider, served_by, model, raw, system, prompt, options, \
             response, reasoning, prompt_chars, response_chars, finish_reason, error_kind, \
             input_tokens, output_tokens, reasoning_tokens, cached_tokens, timings, undone \
             FROM turns WHERE conversation = ?1 ORDER BY seq",
            params![conversation],
            turn,
        )
    }

    /// The conversation to go on with: the one that `part` names, or the one used last.
    ///
    /// # Errors
    /// When there is none, when its texts were not kept, or when the log cannot be read.
    pub(crate) fn load(&self, part: Option<&str>) -> Result<Loaded, Error> {
        let id = match part {
            Some(part) => self.find(part)?,
            None => self.last_conversation()?.ok_or_else(error::nothing)?,
        };
        let turns = self.turns(&id)?;
        if turns.iter().any(|turn| turn.raw) {
            return Err(error::not_continuable(&id, "it was a raw prompt"));
        }
        let system = turns.last().and_then(|turn| turn.system.clone());
        let mut exchanges = Vec::new();
        for turn in turns.into_iter().filter(in_conversation) {
            let (Some(prompt), Some(answer)) = (turn.prompt, turn.response) else {
                return Err(error::not_continuable(&id, "its texts were not kept"));
            };
            let mut assistant = Message::assistant(answer);
            assistant.reasoning = turn.reasoning;
            exchanges.push(Exchange {
                user: Message::user(prompt),
                assistant,
                interrupted: turn.error_kind.is_some(),
                recorded: Some(Recorded { conversation: id.clone(), seq: turn.seq }),
            });
        }
        Ok(Loaded { id, system, exchanges })
    }

    /// Turns whose prompt or answer has every word of `words`, the best first; a `count` of 0 asks
    /// for all.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn search(&self, words: &str, count: u32) -> Result<Vec<Hit>, Error> {
        let Some(words) = query::fts(words) else { return Ok(Vec::new()) };
        self.rows(
            "SELECT t.conversation, t.seq, t.created, c.title, \
             snippet(turns_text, -1, '[', ']', '…', 16) \
             FROM turns_text JOIN turns t ON t.id = turns_text.rowid \
             JOIN conversations c ON c.id = t.conversation \
             WHERE turns_text MATCH ?1 ORDER BY rank, t.id DESC LIMIT ?2",
            params![words, limit(count)],
            |row| {
                Ok(Hit {
                    conversation: row.get(0)?,
                    seq: row.get(1)?,
                    created: time(row, 2)?,
                    title: row.get(3)?,
                    excerpt: row.get(4)?,
                })
            },
        )
    }

    /// How many conversations and turns there are.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn counts(&self) -> Result<(i64, i64), Error> {
        let sql = "SELECT (SELECT count(*) FROM conversations), (SELECT count(*) FROM turns)";
        let row = self.connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
        row.map_err(|source| self.named(source))
    }

    /// What SQLite's own check says; `None` when all is well.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn fault(&self) -> Result<Option<String>, Error> {
        let found = self
            .connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
            .optional()
            .map_err(|source| self.named(source))?;
        Ok(found.filter(|words| words != "ok"))
    }

    fn rows<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let rows = self
            .connection
            .prepare(sql)
            .and_then(|mut statement| statement.query_map(values, read)?.collect());
        rows.map_err(|source| self.named(source))
    }
}

/// To SQLite, a negative limit is none.
fn limit(count: u32) -> i64 {
    if count == 0 { -1 } else { i64::from(count) }
}

fn turn(row: &Row<'_>) -> rusqlite::Result<TurnRow> {
    Ok(TurnRow {
        seq: row.get(0)?,
        created: time(row, 1)?,
        provider: row.get(2)?,
        served_by: row.get(3)?,
        model: row.get(4)?,
        raw: row.get(5)?,
        system: row.get(6)?,
        prompt: row.get(7)?,
        options: json(row, 8)?,
        response: row.get(9)?,
        reasoning: row.get(10)?,
        prompt_chars: row.get(11)?,
        response_chars: row.get(12)?,
        finish_reason: row.get(13)?,
        error_kind: row.get(14)?,
        usage: textport::Usage {
            input_tokens: tokens(row, 15)?,
            output_tokens: tokens(row, 16)?,
            reasoning_tokens: tokens(row, 17)?,
            cached_tokens: tokens(row, 18)?,
        },
        timings: json(row, 19)?,
        undone: row.get(20)?,
    })
}

fn tokens(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(at)?.and_then(|n| u64::try_from(n).ok()))
}

fn time(row: &Row<'_>, at: usize) -> rusqlite::Result<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(row.get(at)?).map_err(|error| unreadable(at, error))
}

fn json(row: &Row<'_>, at: usize) -> rusqlite::Result<serde_json::Value> {
    serde_json::from_str(&row.get::<_, String>(at)?).map_err(|error| unreadable(at, error))
}

/// RFC 3339, in UTC.
fn as_text<S: Serializer>(time: &jiff::Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(time)
}

fn unreadable(at: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, Box::new(error))
}
