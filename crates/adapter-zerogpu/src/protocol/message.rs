//! Messages of `{prefix}/queue/data`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The answer to `{prefix}/queue/join`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Joined {
    pub(crate) event_id: String,
}

/// One message; kinds that a later version adds are [`Message::Unknown`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    Estimation {
        rank: Option<u32>,
        queue_size: Option<u32>,
        eta: Option<f64>,
    },
    Started {
        eta: Option<f64>,
    },
    Progress(Vec<ProgressUnit>),
    Log(LogLine),
    Generating(Vec<Value>),
    /// The last message of a call that went well.
    Completed(Vec<Value>),
    /// The last message of a call that was cancelled on the server.
    Cancelled,
    /// The last message of a call that failed.
    Failed(Failure),
    Heartbeat,
    CloseStream,
    /// The server gave up on the whole stream.
    Unexpected {
        message: String,
        session_not_found: bool,
    },
    Unknown,
}

/// A message and the call that it is about, where it is about one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Addressed {
    pub(crate) event_id: Option<String>,
    pub(crate) message: Message,
}

/// One line of a progress report.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ProgressUnit {
    /// Steps done; may be a fraction.
    pub index: Option<f64>,
    /// Steps in all.
    pub length: Option<f64>,
    /// What a step is.
    pub unit: Option<String>,
    /// Share done, where the app counts no steps.
    pub progress: Option<f64>,
    /// What is done.
    pub desc: Option<String>,
}

/// One line of the app's log.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LogLine {
    /// `info`, `warning`, `success` or `error`.
    pub(crate) level: String,
    pub(crate) title: Option<String>,
    pub(crate) text: String,
}

/// Why a call failed, in the app's words.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Failure {
    pub(crate) title: Option<String>,
    /// Absent when the app hides its errors.
    pub(crate) text: Option<String>,
}

impl Addressed {
    /// Reads one `data:` line; `None` when it is no JSON object.
    pub(crate) fn parse(data: &str) -> Option<Self> {
        let Ok(Value::Object(mut fields)) = serde_json::from_str(data) else { return None };
        let event_id = text(&fields, "event_id");
        let message = match fields.get("msg").and_then(Value::as_str).unwrap_or_default() {
            "estimation" => Message::Estimation {
                rank: count(&fields, "rank"),
                queue_size: count(&fields, "queue_size"),
                eta: number(&fields, "rank_eta"),
            },
            "process_starts" => Message::Started { eta: number(&fields, "eta") },
            "progress" => Message::Progress(progress(&fields)),
            "log" => Message::Log(LogLine {
                level: text(&fields, "level").unwrap_or_default(),
                title: text(&fields, "title"),
                text: text(&fields, "log").unwrap_or_default(),
            }),
            "process_generating" if succeeded(&fields) => {
                Message::Generating(data_of(&mut fields).unwrap_or_default())
            }
            // A failed chunk is no end by itself; the completed message that follows tells why.
            "process_generating" => Message::Unknown,
            "process_completed" => completed(&mut fields),
            "heartbeat" => Message::Heartbeat,
            "close_stream" => Message::CloseStream,
            // Early forms of a failed queue.
            "unexpected_error" | "broken_connection" => Message::Unexpected {
                message: text(&fields, "message").unwrap_or_default(),
                session_not_found: fields.get("session_not_found") == Some(&Value::Bool(true)),
            },
            "queue_full" => Message::Unexpected {
                message: "Queue is full.".to_owned(),
                session_not_found: false,
            },
            _ => Message::Unknown,
        };
        Some(Self { event_id, message })
    }
}

fn completed(fields: &mut Map<String, Value>) -> Message {
    if succeeded(fields) {
        return data_of(fields).map_or(Message::Cancelled, Message::Completed);
    }
    let empty = Map::new();
    let output = fields.get("output").and_then(Value::as_object).unwrap_or(&empty);
    let title = text(output, "title").or_else(|| text(fields, "title"));
    Message::Failed(Failure { title, text: text(output, "error") })
}

fn succeeded(fields: &Map<String, Value>) -> bool {
    fields.get("success") != Some(&Value::Bool(false))
}

fn data_of(fields: &mut Map<String, Value>) -> Option<Vec<Value>> {
    match fields.get_mut("output")?.get_mut("data")?.take() {
        Value::Array(data) => Some(data),
        _ => None,
    }
}

fn progress(fields: &Map<String, Value>) -> Vec<ProgressUnit> {
    let units = fields.get("progress_data").and_then(Value::as_array);
    let units = units.into_iter().flatten().filter_map(Value::as_object);
    units
        .map(|unit| ProgressUnit {
            index: number(unit, "index"),
            length: number(unit, "length"),
            unit: text(unit, "unit"),
            progress: number(unit, "progress"),
            desc: text(unit, "desc"),
        })
        .collect()
}

fn text(fields: &Map<String, Value>, key: &str) -> Option<String> {
    fields.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn number(fields: &Map<String, Value>, key: &str) -> Option<f64> {
    fields.get(key).and_then(Value::as_f64).filter(|number| number.is_finite())
}

fn count(fields: &Map<String, Value>, key: &str) -> Option<u32> {
    // Some versions send whole numbers as 2.0.
    number(fields, key).filter(|n| (0.0..=f64::from(u32::MAX)).contains(n)).map(|n| n as u32)
}
