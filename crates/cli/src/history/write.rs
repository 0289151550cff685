//! Writing the log.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use textport::{Error, ErrorKind};

use super::{Log, Turn, error, id, turn};

/// Where a turn was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// The conversation.
    pub(crate) conversation: String,
    /// The turn's number in it, counted from 1.
    pub(crate) seq: i64,
}

impl Log {
    /// Records a turn, in a conversation that exists or, with `None`, in a new one. `texts` says
    /// whether what was asked and answered is kept, or only counts and timings.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub(crate) fn record(
        &mut self,
        conversation: Option<&str>,
        turn: &Turn<'_>,
        texts: bool,
    ) -> Result<Recorded, Error> {
        let now = jiff::Timestamp::now().as_millisecond();
        let path = &self.path;
        let named = |source| error::sqlite(path, source);
        // Taking the lock at once means that waiting for it cannot fail half-way.
        let transaction = immediate(&mut self.connection).map_err(named)?;
        let conversation = match conversation {
            Some(id) => continued(&transaction, id, now).map_err(named)?,
            None => None,
        };
        let conversation = match conversation {
            Some(id) => id,
            None => begun(&transaction, turn, texts, now).map_err(named)?,
        };
        let seq = insert(&transaction, &conversation, turn, texts, now).map_err(named)??;
        transaction.commit().map_err(named)?;
        Ok(Recorded { conversation, seq })
    }

    /// Takes a turn out of its conversation; it stays in the log.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub(crate) fn undo(&mut self, recorded: &Recorded) -> Result<(), Error> {
        let sql = "UPDATE turns SET undone = 1 WHERE conversation = ?1 AND seq = ?2";
        let done = self.connection.execute(sql, params![recorded.conversation, recorded.seq]);
        done.map(drop).map_err(|source| self.named(source))
    }

    /// Deletes conversations that ended before `millis` after the epoch, and says how many. Their
    /// texts are overwritten on the disk.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub(crate) fn prune(&mut self, millis: i64) -> Result<usize, Error> {
        let path = &self.path;
        let named = |source| error::sqlite(path, source);
        let transaction = immediate(&mut self.connection).map_err(named)?;
        let sql = "DELETE FROM turns WHERE conversation IN \
                   (SELECT id FROM conversations WHERE updated < ?1)";
        transaction.execute(sql, [millis]).map_err(named)?;
        let deleted = transaction
            .execute("DELETE FROM conversations WHERE updated < ?1", [millis])
            .map_err(named)?;
        transaction.commit().map_err(named)?;
        if deleted > 0 {
            // The old pages also live in the write-ahead log until it is folded back.
            self.connection
                .execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")
                .map_err(|source| self.named(source))?;
        }
        Ok(deleted)
    }
}

fn immediate(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// Marks a conversation as just used. `None` when it was pruned meanwhile: the turn then begins a
/// new one.
fn continued(to: &Transaction<'_>, id: &str, now: i64) -> rusqlite::Result<Option<String>> {
    let sql = "UPDATE conversations SET updated = max(updated, ?2) WHERE id = ?1 RETURNING id";
    to.query_row(sql, params![id, now], |row| row.get(0)).optional()
}

fn begun(to: &Transaction<'_>, turn: &Turn<'_>, texts: bool, now: i64) -> rusqlite::Result<String> {
    let id = id::new(now);
    let title = texts.then(|| turn::title(turn.texts().1));
    to.execute(
        "INSERT INTO conversations (id, created, updated, provider, model, title) \
         VALUES (?1, ?2, ?2, ?3, ?4, ?5)",
        params![id, now, turn.provider.as_str(), turn.model().map(|model| model.as_str()), title],
    )?;
    Ok(id)
}

/// Adds the turn as the conversation's next one.
fn insert(
    to: &Transaction<'_>,
    conversation: &str,
    turn: &Turn<'_>,
    texts: bool,
    now: i64,
) -> rusqlite::Result<Result<i64, Error>> {
    let (system, prompt) = turn.texts();
    let response = turn.response();
    let (usage, timings) = response.map(|r| (r.usage, r.timings)).unwrap_or_default();
    let json = serde_json::to_string(&turn.options(texts))
        .and_then(|options| serde_json::to_string(&timings).map(|timings| (options, timings)));
    let (options, timings) = match json {
        Ok(both) => both,
        Err(source) => {
            let message = "a turn's options are no JSON";
            return Ok(Err(Error::new(ErrorKind::Internal, message).with_source(source)));
        }
    };
    let answer = response.map_or("", |r| r.text.as_str());
    let reasoning = response.map(|r| r.reasoning.as_str()).filter(|text| !text.is_empty());
    let finish = response.and_then(|r| r.finish_reason.as_ref());
    let count = |tokens: Option<u64>| tokens.and_then(|n| i64::try_from(n).ok());
    to.query_row(
        "INSERT INTO turns (conversation, seq, created, provider, served_by, model, raw, system, \
         prompt, options, response, reasoning, prompt_chars, response_chars, finish_reason, \
         error_kind, input_tokens, output_tokens, reasoning_tokens, cached_tokens, timings) \
         VALUES (?1, 1 + (SELECT coalesce(max(seq), 0) FROM turns WHERE conversation = ?1), ?2, ?3, \
         ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20) \
         RETURNING seq",
        params![
            conversation,
            now,
            turn.provider.as_str(),
            response.and_then(|r| r.served_by.as_ref()).map(|id| id.as_str()),
            turn.model().map(|model| model.as_str()),
            turn.is_raw(),
            system.filter(|_| texts),
            texts.then_some(prompt),
            options,
            texts.then_some(answer),
            reasoning.filter(|_| texts),
            prompt.chars().count() as i64,
            answer.chars().count() as i64,
            finish.map(textport::FinishReason::as_str),
            turn.error_kind().map(ErrorKind::as_str),
            count(usage.input_tokens),
            count(usage.output_tokens),
            count(usage.reasoning_tokens),
            count(usage.cached_tokens),
            timings,
        ],
        |row| row.get(0),
    )
    .map(Ok)
}
