//! Bytes of a `text/event-stream` to frames; pure, so that any split of the bytes can be tested.
//!
//! Lines end at `\n` or `\r\n` and nowhere else: Gradio sends values with U+0085 and U+2028 inside,
//! which are line breaks to Unicode but not to this format. Text is decoded once per whole frame, so
//! a character may be cut anywhere by the network.

use thiserror::Error;

/// One event: what stood between two blank lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The `event:` line; Gradio's queue sends none.
    pub event: Option<String>,
    /// The `data:` lines, joined by line feeds.
    pub data: String,
}

/// Why a stream cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SseError {
    /// One event is larger than allowed.
    #[error("one event is larger than {limit} bytes")]
    TooLong {
        /// The bound that it passed.
        limit: usize,
    },
    /// An event is not UTF-8.
    #[error("an event is not UTF-8")]
    NotText,
}

/// Collects bytes and gives out whole frames.
#[derive(Debug)]
pub struct SseDecoder {
    limit: usize,
    buffer: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Up to where `buffer` holds no line end; spares a second look at the bytes of a long line.
    seen: usize,
    first_line: bool,
    event: Option<Vec<u8>>,
    data: Vec<u8>,
    has_data: bool,
    failed: bool,
}

impl SseDecoder {
    /// A decoder that refuses events of more than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            buffer: Vec::new(),
            start: 0,
            seen: 0,
            first_line: true,
            event: None,
            data: Vec::new(),
            has_data: false,
            failed: false,
        }
    }

    /// Takes the next bytes from the network, however they are cut.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.seen -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame; `None` when more bytes are needed. Nothing follows an error.
    pub fn next_frame(&mut self) -> Option<Result<Frame, SseError>> {
        while !self.failed {
            let from = self.start;
            let Some(line) = self.next_line() else {
                return self.too_long(self.buffer.len() - from);
            };
            if let Some(error) = self.too_long(self.start - 1 - from) {
                return Some(error);
            }
            let line = &self.buffer[line];
            if line.is_empty() {
                match self.dispatch() {
                    Some(frame) => return Some(frame.inspect_err(|_| self.failed = true)),
                    None => continue,
                }
            }
            match field(line) {
                (b"data", value) => {
                    if self.has_data {
                        self.data.push(b'\n');
                    }
                    self.has_data = true;
                    self.data.extend_from_slice(value);
                }
                (b"event", value) => self.event = Some(value.to_vec()),
                _ => {}
            }
        }
        None
    }

    /// The bytes of the next whole line, without its end.
    fn next_line(&mut self) -> Option<std::ops::Range<usize>> {
        let Some(length) = self.buffer[self.seen..].iter().position(|b| *b == b'\n') else {
            self.seen = self.buffer.len();
            return None;
        };
        let (mut begin, newline) = (self.start, self.seen + length);
        (self.start, self.seen) = (newline + 1, newline + 1);
        if std::mem::take(&mut self.first_line) && self.buffer[begin..].starts_with(b"\xef\xbb\xbf")
        {
            begin += 3;
        }
        let end = if self.buffer[begin..newline].ends_with(b"\r") { newline - 1 } else { newline };
        Some(begin..end)
    }

    /// Refuses a frame that is too large together with the `length` of its present line.
    fn too_long(&mut self, length: usize) -> Option<Result<Frame, SseError>> {
        if self.data.len() + length <= self.limit {
            return None;
        }
        self.failed = true;
        self.buffer = Vec::new();
        self.data = Vec::new();
        (self.start, self.seen) = (0, 0);
        Some(Err(SseError::TooLong { limit: self.limit }))
    }

    /// The frame that a blank line ends; none where there was no data, as the format wants.
    fn dispatch(&mut self) -> Option<Result<Frame, SseError>> {
        let event = self.event.take();
        if !std::mem::take(&mut self.has_data) {
            return None;
        }
        let data = String::from_utf8(std::mem::take(&mut self.data));
        let event = event.map(String::from_utf8).transpose();
        Some(match (event, data) {
            (Ok(event), Ok(data)) => Ok(Frame { event, data }),
            _ => Err(SseError::NotText),
        })
    }
}

/// A line's name and value; one space after the colon belongs to neither.
fn field(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|b| *b == b':') {
        Some(colon) => {
            let value = &line[colon + 1..];
            (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
        }
        None => (line, b""),
    }
}

#[cfg(test)]
mod tests;
