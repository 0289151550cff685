//! An answer that is given instead of the server's.

use serde_json::Value;

use super::End;

/// A whole HTTP answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// After how many bytes of the body it ends, and how.
    pub(crate) breaks: Option<(usize, End)>,
    /// Whether only its head is sent, as to `HEAD`.
    pub(crate) head_only: bool,
}

impl Answer {
    /// An answer with no body.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), breaks: None, head_only: false }
    }

    /// A JSON answer.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::status(status).with_body("application/json", body.to_string())
    }

    /// What a proxy in front of a Space says while the Space cannot.
    pub fn html(status: u16, title: &str) -> Self {
        let page = format!("<!DOCTYPE html><html><head><title>{title}</title></head></html>");
        Self::status(status).with_body("text/html; charset=utf-8", page)
    }

    /// A whole event stream: each value is the `data` of one event.
    pub fn events(events: &[Value]) -> Self {
        let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        Self::status(200).with_body("text/event-stream", body)
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Promises the whole body, and ends in this way after so many bytes of it.
    #[must_use]
    pub fn breaking_after(mut self, bytes: usize, end: End) -> Self {
        self.breaks = Some((bytes, end));
        self
    }

    /// Sets the body and its type.
    #[must_use]
    pub fn with_body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self.with_header("content-type", content_type) }
    }
}
