//! The layout of the log, and how an older one becomes today's.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use textport::Error;

use super::error;

/// Marks the file as ours in SQLite's header: "TXPT".
const APPLICATION_ID: i64 = 0x5458_5054;
/// How long to wait for another process that writes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Step `n` leads from layout `n` to layout `n + 1`. A step that was released never changes.
const STEPS: &[&str] = &[include_str!("layout-1.sql")];

/// Opens the database and brings it to today's layout.
pub(super) fn open(path: &Path) -> Result<Connection, Error> {
    let named = |source| error::sqlite(path, source);
    let mut connection = Connection::open(path).map_err(named)?;
    connection.busy_timeout(PATIENCE).map_err(named)?;
    ours(&connection, path)?;
    write_ahead(&connection).map_err(named)?;
    // A crash of textport loses nothing in this mode; a power cut may lose the last turns, but
    // never damages the file.
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(named)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(named)?;
    // What is pruned is to be gone from the disk, not only from the tables.
    connection.pragma_update(None, "secure_delete", true).map_err(named)?;
    migrate(&mut connection, STEPS, path)?;
    Ok(connection)
}

/// Refuses other programs' databases, and newer layouts, before anything is written.
fn ours(connection: &Connection, path: &Path) -> Result<(), Error> {
    let named = |source| error::sqlite(path, source);
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application = number("application_id").map_err(named)?;
    let version = number("user_version").map_err(named)?;
    let empty = connection
        .query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
        .map_err(named)?;
    if application != APPLICATION_ID && !(application == 0 && version == 0 && empty) {
        return Err(error::damaged(path, "another program's database"));
    }
    check_version(version, STEPS, path)
}

fn check_version(found: i64, steps: &[&str], path: &Path) -> Result<(), Error> {
    let known = steps.len() as i64;
    if found > known {
        return Err(error::newer(path, found, known));
    }
    Ok(())
}

/// Switches to the write-ahead log, once per file: readers and a writer do not stop each other, and
/// a killed process leaves a whole database. SQLite does not wait for a lock here by itself.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let attempts = PATIENCE.as_millis() / 20;
    for attempt in 0.. {
        let mode: rusqlite::Result<String> =
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0));
        match mode {
            Err(error) if busy(&error) && attempt < attempts => {
                std::thread::sleep(Duration::from_millis(20));
            }
            other => return other.map(drop),
        }
    }
    Ok(())
}

fn busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Takes the steps that are missing, all in one transaction: a process that dies half-way leaves
/// the old layout, and one that comes second finds the work done.
fn migrate(connection: &mut Connection, steps: &[&str], path: &Path) -> Result<(), Error> {
    let named = |source| error::sqlite(path, source);
    let version = |connection: &Connection| {
        connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
    };
    if version(connection).map_err(named)? == steps.len() as i64 {
        return Ok(());
    }
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(named)?;
    let from = version(&transaction).map_err(named)?;
    check_version(from, steps, path)?;
    for step in steps.iter().skip(usize::try_from(from).unwrap_or_default()) {
        transaction.execute_batch(step).map_err(named)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(named)?;
    transaction.pragma_update(None, "user_version", steps.len() as i64).map_err(named)?;
    transaction.commit().map_err(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_layout_is_brought_forward_and_keeps_its_rows() {
        let path = Path::new("test");
        let mut connection = Connection::open_in_memory().unwrap();
        let first = ["CREATE TABLE t (a); INSERT INTO t VALUES (7);"];
        migrate(&mut connection, &first, path).unwrap();
        let both = [first[0], "ALTER TABLE t ADD COLUMN b DEFAULT 8;"];
        migrate(&mut connection, &both, path).unwrap();
        migrate(&mut connection, &both, path).unwrap();
        let row: (i64, i64) = connection
            .query_row("SELECT a, b FROM t", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        assert_eq!(row, (7, 8));
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let path = Path::new("test");
        let mut connection = Connection::open_in_memory().unwrap();
        let steps = ["CREATE TABLE t (a);", "CREATE TABLE t (b);"];
        assert!(migrate(&mut connection, &steps, path).is_err());
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 0);
    }

    #[test]
    fn a_newer_layout_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "user_version", 9).unwrap();
        let refused = migrate(&mut connection, &[""], Path::new("test")).unwrap_err();
        assert!(refused.to_string().contains("layout 9; this one knows 1"), "{refused}");
    }
}
