//! Everything that one stream said.

use domain::{Event, FinishReason, Response, Usage};
use ports::Error;

/// Everything that one stream said.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    pub(super) events: Vec<Event>,
    pub(super) error: Option<Error>,
}

impl Transcript {
    pub(super) fn take(&mut self, item: Result<Event, Error>) {
        match item {
            Ok(event) => self.events.push(event),
            Err(error) => self.error = Some(error),
        }
    }

    /// What the events fold to.
    pub(super) fn response(&self) -> Response {
        let mut response = Response::default();
        self.events.iter().cloned().for_each(|event| response.absorb(event));
        response
    }

    pub(super) fn text(&self) -> String {
        self.deltas().concat()
    }

    /// The pieces of the answer.
    pub(super) fn deltas(&self) -> Vec<&str> {
        let text = self.events.iter().filter_map(|event| match event {
            Event::Text(delta) => Some(delta.as_str()),
            _ => None,
        });
        text.collect()
    }

    /// The pieces of answer and reasoning.
    pub(super) fn all_deltas(&self) -> impl Iterator<Item = &str> {
        self.events.iter().filter_map(|event| match event {
            Event::Text(delta) | Event::Reasoning(delta) => Some(delta.as_str()),
            _ => None,
        })
    }

    pub(super) fn reason(&self) -> Option<FinishReason> {
        self.response().finish_reason
    }

    /// The token counts, where there were any.
    pub(super) fn usage(&self) -> Option<Usage> {
        let usage = |event: &Event| match event {
            Event::Usage(usage) => Some(*usage),
            _ => None,
        };
        self.events.iter().rev().find_map(usage)
    }

    pub(super) fn output_tokens(&self) -> Option<u64> {
        self.usage()?.output_tokens
    }

    pub(super) fn input_tokens(&self) -> Option<u64> {
        self.usage()?.input_tokens
    }
}
