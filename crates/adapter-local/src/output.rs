//! Generated tokens to events: characters made whole, reasoning parted, stop sequences kept out.

use std::collections::VecDeque;
use std::sync::Arc;

use domain::{Event, ReasoningSplitter, Segment, StopMatcher, Stopped};

use crate::detokenizer::Detokenizer;
use crate::prompt::Prompter;

/// The text of one generation on its way out. Stop sequences are looked for in the answer only:
/// reasoning is not part of it.
#[derive(Debug)]
pub(crate) struct Output {
    prompter: Arc<Prompter>,
    detokenizer: Detokenizer,
    reasoning: Option<ReasoningSplitter>,
    stop: StopMatcher,
    segments: Vec<Segment>,
    reasoning_tokens: u64,
}

impl Output {
    /// `thinking` says that the prompt already opened the model's reasoning.
    pub(crate) fn new(prompter: Arc<Prompter>, stop: Vec<String>, thinking: bool) -> Self {
        let reasoning = prompter.knows_thinking().then(|| ReasoningSplitter::new(thinking));
        Self {
            prompter,
            detokenizer: Detokenizer::default(),
            reasoning,
            stop: StopMatcher::new(stop),
            segments: Vec::new(),
            reasoning_tokens: 0,
        }
    }

    /// Whether the model is thinking.
    pub(crate) fn thinking(&self) -> bool {
        self.reasoning.as_ref().is_some_and(ReasoningSplitter::thinking)
    }

    /// Tokens of reasoning so far, the marks included; absent for models that do not think.
    pub(crate) fn reasoning_tokens(&self) -> Option<u64> {
        self.reasoning.is_some().then_some(self.reasoning_tokens)
    }

    /// Takes in a token.
    pub(crate) fn push(&mut self, id: u32, events: &mut VecDeque<Event>) -> Stopped {
        let before = self.thinking();
        let mut text = String::new();
        if self.prompter.is_visible(id) {
            self.detokenizer.push(self.prompter.tokenizer().vocabulary().bytes(id), &mut text);
        }
        let stopped = self.part(&text, events);
        self.reasoning_tokens += u64::from(before || self.thinking());
        stopped
    }

    /// The generation ended without a stop sequence: gives out what was held back.
    pub(crate) fn finish(&mut self, events: &mut VecDeque<Event>) -> Stopped {
        let mut text = String::new();
        self.detokenizer.finish(&mut text);
        if self.part(&text, events) == Stopped::Yes {
            return Stopped::Yes;
        }
        if let Some(reasoning) = &mut self.reasoning {
            reasoning.finish(&mut self.segments);
        }
        if self.give(events) == Stopped::Yes {
            return Stopped::Yes;
        }
        let mut rest = String::new();
        self.stop.finish(&mut rest);
        push_text(rest, events);
        Stopped::No
    }

    fn part(&mut self, text: &str, events: &mut VecDeque<Event>) -> Stopped {
        match &mut self.reasoning {
            Some(reasoning) => reasoning.push(text, &mut self.segments),
            None => self.segments.push(Segment::Text(text.to_owned())),
        }
        self.give(events)
    }

    fn give(&mut self, events: &mut VecDeque<Event>) -> Stopped {
        for segment in self.segments.drain(..) {
            match segment {
                Segment::Reasoning(delta) => events.push_back(Event::Reasoning(delta)),
                Segment::Text(delta) => {
                    let mut certain = String::new();
                    let stopped = self.stop.push(&delta, &mut certain);
                    push_text(certain, events);
                    if stopped == Stopped::Yes {
                        return Stopped::Yes;
                    }
                }
            }
        }
        Stopped::No
    }
}

fn push_text(text: String, events: &mut VecDeque<Event>) {
    if !text.is_empty() {
        events.push_back(Event::Text(text));
    }
}
