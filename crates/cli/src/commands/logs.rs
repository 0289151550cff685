//! `textport logs`: reading and managing the log of conversations.

mod transcript;

use std::time::Duration;

use indicatif::HumanBytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::json;
use textport::Error;

use super::table;
use crate::args::{DEFAULT_COUNT, Global, LogsArgs, LogsVerb};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::format::Format;
use crate::history::{ConversationRow, Hit, Log, Place};
use crate::output::Output;
use crate::settings::{Overrides, Settings};

/// Lists, shows, searches and prunes conversations, and switches logging on and off.
///
/// # Errors
/// When the log cannot be read or written, there is no such conversation, or stdout fails.
pub(crate) fn run(args: &LogsArgs, global: &Global, output: &mut Output) -> Result<Exit, Failure> {
    let settings = Settings::load(&Overrides::new(global)?)?;
    let place = Place::of(&settings);
    match args.verb.as_ref().unwrap_or(&LogsVerb::List { count: DEFAULT_COUNT }) {
        LogsVerb::List { count } => list(&place, *count, output),
        LogsVerb::Show { id } => transcript::run(&place, id.as_deref(), output),
        LogsVerb::Search { words, count } => search(&place, &words.join(" "), *count, output),
        LogsVerb::Path => {
            output.line(&place.database().display().to_string())?;
            Ok(Exit::Ok)
        }
        LogsVerb::Prune { older_than } => prune(&place, *older_than, output),
        LogsVerb::On => switch(&settings, &place, true, output),
        LogsVerb::Off => switch(&settings, &place, false, output),
        LogsVerb::Status => status(&settings, &place, output),
    }
}

fn list(place: &Place, count: u32, output: &mut Output) -> Result<Exit, Failure> {
    let rows = match Log::open_existing(place)? {
        Some(log) => log.list(count)?,
        None => Vec::new(),
    };
    let cells = |row: &ConversationRow| {
        [
            row.id.clone(),
            local(row.updated),
            row.turns.to_string(),
            row.model.clone().unwrap_or_else(|| row.provider.clone()),
            row.title.clone().unwrap_or_else(|| "(text not kept)".to_owned()),
        ]
    };
    print(&rows, "conversations", ["ID", "LAST", "TURNS", "MODEL", "TITLE"], cells, output)?;
    if rows.is_empty() {
        output.note("the log is empty");
    }
    Ok(Exit::Ok)
}

fn search(place: &Place, words: &str, count: u32, output: &mut Output) -> Result<Exit, Failure> {
    let hits = match Log::open_existing(place)? {
        Some(log) => log.search(words, count)?,
        None => Vec::new(),
    };
    let cells = |hit: &Hit| {
        let excerpt = hit.excerpt.split_whitespace().collect::<Vec<_>>().join(" ");
        [hit.conversation.clone(), hit.seq.to_string(), local(hit.created), excerpt]
    };
    print(&hits, "hits", ["ID", "TURN", "WHEN", "TEXT"], cells, output)?;
    if hits.is_empty() {
        output.note("nothing was found");
    }
    Ok(Exit::Ok)
}

/// Rows in the format that was asked for: columns on a terminal, tabs between cells in a pipe.
fn print<T: Serialize, const N: usize>(
    rows: &[T],
    name: &str,
    headings: [&str; N],
    cells: impl Fn(&T) -> [String; N],
    output: &mut Output,
) -> Result<(), Failure> {
    match output.format() {
        Format::Json => {
            let mut object = serde_json::Map::new();
            object.insert("v".to_owned(), json!(1));
            object.insert(
                name.to_owned(),
                serde_json::to_value(rows).map_err(std::io::Error::other)?,
            );
            output.json(&object)?;
        }
        Format::Jsonl => rows.iter().try_for_each(|row| output.json(row))?,
        Format::Quiet => {
            for row in rows {
                output.line(cells(row).first().map_or("", String::as_str))?;
            }
        }
        _ if output.to_terminal() && !rows.is_empty() => {
            output.write_foreign(&table::text(headings, rows.iter().map(cells)))?;
        }
        _ => rows.iter().try_for_each(|row| output.line(&cells(row).join("\t")))?,
    }
    Ok(())
}

fn prune(place: &Place, older_than: f64, output: &mut Output) -> Result<Exit, Failure> {
    let format = output.format().no_lines("logs prune")?;
    let before = Timestamp::now()
        .checked_sub(Duration::from_secs_f64(older_than))
        .map_err(|_| Failure::usage("there was no time so long ago"))?;
    let pruned = match Log::open_existing(place)? {
        Some(mut log) => log.prune(before.as_millisecond())?,
        None => 0,
    };
    if format.is_json() {
        output.json(&json!({ "v": 1, "pruned": pruned, "before": before.to_string() }))?;
    } else {
        output.line(&format!("{pruned} pruned, older than {}", local(before)))?;
    }
    Ok(Exit::Ok)
}

fn switch(
    settings: &Settings,
    place: &Place,
    on: bool,
    output: &mut Output,
) -> Result<Exit, Failure> {
    place.switch(on)?;
    status(settings, place, output)
}

/// Why nothing is logged, if so.
fn reason(settings: &Settings, place: &Place) -> Option<&'static str> {
    if place.switched_off() {
        Some("switched off; `textport logs on` switches it on")
    } else if !settings.config.log.enabled {
        Some("log.enabled is false; `textport config explain log.enabled` says where")
    } else {
        None
    }
}

fn status(settings: &Settings, place: &Place, output: &mut Output) -> Result<Exit, Failure> {
    let format = output.format().no_lines("logs status")?;
    let off = reason(settings, place);
    let log = Log::open_existing(place)?;
    let (conversations, turns) = log.as_ref().map_or(Ok((0, 0)), Log::counts)?;
    let bytes = std::fs::metadata(place.database()).map_or(0, |metadata| metadata.len());
    if format.is_json() {
        output.json(&json!({
            "v": 1,
            "on": off.is_none(),
            "off_because": off,
            "prompts": settings.config.log.prompts,
            "path": place.database(),
            "exists": log.is_some(),
            "conversations": conversations,
            "turns": turns,
            "bytes": bytes,
        }))?;
        return Ok(Exit::Ok);
    }
    let texts = if settings.config.log.prompts {
        "questions and answers are kept"
    } else {
        "only counts and timings are kept"
    };
    match off {
        Some(why) => output.line(&format!("logging is off: {why}"))?,
        None => output.line(&format!("logging is on: {texts}"))?,
    }
    let size = HumanBytes(bytes);
    let path = place.database().display();
    match log {
        Some(_) => output
            .line(&format!("conversations: {conversations}, turns: {turns}, {size} in {path}"))?,
        None => output.line(&format!("nothing is logged yet; it goes to {path}"))?,
    }
    Ok(Exit::Ok)
}

/// A time as the reader's clock shows it.
pub(super) fn local(time: Timestamp) -> String {
    time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// A warning about the log: it costs no answer.
pub(super) fn warn(error: &Error, output: &mut Output) {
    let hint = error.hint().map(|hint| format!("\n  try: {hint}")).unwrap_or_default();
    output.note(&format!("warning: this is not in the log: {error}{hint}"));
}
