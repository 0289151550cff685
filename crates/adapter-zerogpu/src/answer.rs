//! The growing values of a call as events of the port: deltas, reasoning apart, stop sequences out.

use std::collections::VecDeque;

use domain::{Event, ReasoningSplitter, Response, Segment, StopMatcher, Stopped};
use serde_json::Value;

use crate::delta::{Deltas, Rewritten};
use crate::reply::{self, Reply};
use crate::settings::Reasoning;

/// Follows the output that holds the answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// How long the history was that went with the call.
    sent: usize,
    text: Deltas,
    thoughts: Deltas,
    splitter: Option<ReasoningSplitter>,
    stop: StopMatcher,
    stopped: bool,
    /// The reply as it was last seen, for apps that clear their output at the end.
    seen: Option<Reply>,
    /// The answer as it was given out.
    given: String,
}

impl Answer {
    pub(crate) fn new(
        sent: usize,
        final_only: bool,
        reasoning: Reasoning,
        stop: Vec<String>,
    ) -> Self {
        let splitter = match reasoning {
            Reasoning::Off => None,
            Reasoning::Tags => Some(ReasoningSplitter::new(false)),
            Reasoning::Open => Some(ReasoningSplitter::new(true)),
        };
        Self {
            sent,
            text: Deltas::new(final_only),
            thoughts: Deltas::new(final_only),
            splitter,
            stop: StopMatcher::new(stop),
            stopped: false,
            seen: None,
            given: String::new(),
        }
    }

    /// Takes an intermediate value.
    pub(crate) fn grow(&mut self, value: &Value, events: &mut VecDeque<Event>) {
        let Some(reply) = reply::read(value, self.sent, false) else { return };
        if let Some(delta) = self.thoughts.observe(&reply.reasoning) {
            events.push_back(Event::Reasoning(delta));
        }
        if let Some(delta) = self.text.observe(&reply.text) {
            self.split(&delta, events);
        }
        self.seen = Some(reply);
    }

    /// Takes the final value, which wins.
    pub(crate) fn end(
        &mut self,
        value: &Value,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Rewritten> {
        let reply =
            reply::read(value, self.sent, true).or_else(|| self.seen.take()).unwrap_or_default();
        if let Some(delta) = self.thoughts.finish(&reply.reasoning)? {
            events.push_back(Event::Reasoning(delta));
        }
        if let Some(delta) = self.text.finish(&reply.text)? {
            self.split(&delta, events);
        }
        if let Some(splitter) = &mut self.splitter {
            let mut segments = Vec::new();
            splitter.finish(&mut segments);
            self.give(segments, events);
        }
        if !self.stopped {
            let mut rest = String::new();
            self.stop.finish(&mut rest);
            self.push(rest, events);
        }
        Ok(())
    }

    /// What there is of an answer that never got its final value.
    pub(crate) fn partial(mut self) -> Response {
        let (mut response, mut events) = (Response::default(), VecDeque::new());
        // Without a final value the last one seen ends the answer; if it does not even continue
        // what was given out, that stays all there is.
        let _ = self.end(&Value::Null, &mut events);
        events.into_iter().for_each(|event| response.absorb(event));
        response
    }

    /// Whether a stop sequence has ended the answer.
    pub(crate) fn stopped(&self) -> bool {
        self.stopped
    }

    /// The answer as it was given out.
    pub(crate) fn given(&self) -> &str {
        &self.given
    }

    fn split(&mut self, delta: &str, events: &mut VecDeque<Event>) {
        let mut segments = Vec::new();
        match &mut self.splitter {
            Some(splitter) => splitter.push(delta, &mut segments),
            None => segments.push(Segment::Text(delta.to_owned())),
        }
        self.give(segments, events);
    }

    fn give(&mut self, segments: Vec<Segment>, events: &mut VecDeque<Event>) {
        for segment in segments {
            match segment {
                _ if self.stopped => return,
                Segment::Reasoning(delta) => events.push_back(Event::Reasoning(delta)),
                Segment::Text(delta) => {
                    let mut text = String::new();
                    self.stopped = self.stop.push(&delta, &mut text) == Stopped::Yes;
                    self.push(text, events);
                }
            }
        }
    }

    fn push(&mut self, text: String, events: &mut VecDeque<Event>) {
        if !text.is_empty() {
            self.given.push_str(&text);
            events.push_back(Event::Text(text));
        }
    }
}

#[cfg(test)]
mod tests;
