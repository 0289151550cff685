//! A call's events as output: values to stdout, the rest to stderr.

use std::time::Duration;

use serde_json::{Value, json};
use textport::zerogpu::{Call, CallEvent, Endpoint, ProgressUnit};

use crate::commands::talk::Talk;
use crate::failure::Failure;
use crate::format::Format;
use crate::output::Output;

/// What of a call is printed already, and what is to be printed at its end.
pub(super) struct Shown<'a> {
    output: &'a mut Output,
    talk: Talk,
    /// The text that is on stdout.
    text: String,
    /// The app took back what is on stdout: only the last value counts.
    rewritten: bool,
    values: Vec<Value>,
    logs: Vec<Value>,
}

impl<'a> Shown<'a> {
    pub(super) fn new(output: &'a mut Output) -> Self {
        let talk = Talk::new(output, false);
        let (values, logs) = (Vec::new(), Vec::new());
        Self { output, talk, text: String::new(), rewritten: false, values, logs }
    }

    /// Shows one event.
    ///
    /// # Errors
    /// When stdout fails.
    pub(super) fn event(
        &mut self,
        event: &CallEvent,
        endpoint: &Endpoint,
        call: &Call,
    ) -> Result<(), Failure> {
        let brings_values = matches!(event, CallEvent::Partial | CallEvent::Finished);
        let values = if brings_values { endpoint.visible(call.outputs()) } else { Vec::new() };
        if self.output.format() == Format::Jsonl {
            return self.json_line(event, brings_values.then_some(&values));
        }
        match event {
            CallEvent::Queued { position, eta, .. } => {
                let eta = eta.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                self.talk.queued(*position, eta, self.output);
            }
            CallEvent::Started { .. } => self.talk.started(self.output),
            CallEvent::Progress { units } => {
                let words: Vec<String> = units.iter().map(ProgressUnit::to_string).collect();
                self.talk.progress(&words.join(", "), self.output);
            }
            CallEvent::Log { level, title, message } => {
                self.logs.push(json!({ "level": level, "title": title, "message": message }));
                Talk::log(level, title.as_deref(), message, self.output);
            }
            CallEvent::Partial if !call.lost_track() => self.grow(&values)?,
            CallEvent::Finished => self.values = values.into_iter().cloned().collect(),
            _ => {}
        }
        Ok(())
    }

    /// Prints what is left at the end.
    ///
    /// # Errors
    /// When stdout fails.
    pub(super) fn finish(mut self, address: &str, endpoint: &str) -> Result<(), Failure> {
        match self.output.format() {
            Format::Jsonl => {}
            Format::Json => self.output.json(&json!({
                "v": 1, "address": address, "endpoint": endpoint,
                "outputs": self.values, "logs": self.logs,
            }))?,
            _ => self.rest()?,
        }
        self.output.flush()?;
        Ok(())
    }

    /// Prints what a text has grown by. Other values are printed when they are whole.
    fn grow(&mut self, values: &[&Value]) -> Result<(), Failure> {
        let [Value::String(text)] = values else { return Ok(()) };
        if self.output.format() == Format::Json || self.rewritten {
            return Ok(());
        }
        match text.strip_prefix(self.text.as_str()) {
            Some(more) => {
                self.output.write_foreign(more)?;
                self.output.flush()?;
                self.text.clone_from(text);
            }
            None => self.rewritten = true,
        }
        Ok(())
    }

    fn rest(&mut self) -> Result<(), Failure> {
        let values = std::mem::take(&mut self.values);
        if let [Value::String(text)] = &values[..]
            && let Some(more) = text.strip_prefix(self.text.as_str())
        {
            self.output.write_foreign(more)?;
            return Ok(self.output.end_line()?);
        }
        if !self.text.is_empty() {
            self.output.end_line()?;
            self.output.note("the app changed its text meanwhile: what follows is the whole of it");
        }
        for value in &values {
            match value {
                Value::String(text) => self.output.write_foreign(text)?,
                other => self.output.json(other)?,
            }
            self.output.end_line()?;
        }
        Ok(())
    }

    /// The event with the values that came with it.
    fn json_line(
        &mut self,
        event: &CallEvent,
        values: Option<&Vec<&Value>>,
    ) -> Result<(), Failure> {
        let mut line = serde_json::to_value(event).map_err(std::io::Error::other)?;
        if let Value::Object(object) = &mut line {
            // As in the lines of `ask`, the word that tells them apart is `type`.
            let kind = object.remove("event").unwrap_or_default();
            object.insert("type".to_owned(), kind);
            object.insert("v".to_owned(), json!(1));
            if let Some(values) = values {
                object.insert("outputs".to_owned(), json!(values));
            }
        }
        self.output.json(&line)?;
        self.output.flush()?;
        Ok(())
    }
}
