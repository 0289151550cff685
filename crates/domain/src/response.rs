//! A whole answer, made by folding the events of a stream: buffered and streamed answers cannot
//! drift apart because there is one way to make both.

use serde::{Deserialize, Serialize};

use crate::{Event, FinishReason, ModelId, Notice, ProviderId, Timings};

/// Token counts. Absent means unknown; it is never zero for unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub input_tokens: Option<u64>,
    /// Tokens generated, reasoning included.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub output_tokens: Option<u64>,
    /// Tokens of reasoning among those generated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reasoning_tokens: Option<u64>,
    /// Tokens of the prompt that needed no new computation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cached_tokens: Option<u64>,
}

impl Usage {
    /// Input and output together, when both are known.
    pub fn total_tokens(&self) -> Option<u64> {
        Some(self.input_tokens? + self.output_tokens?)
    }
}

/// A token that was among the most probable at its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopLogprob {
    /// Its number in the model's vocabulary.
    pub id: u32,
    /// Its bytes as text; incomplete characters show as U+FFFD.
    pub text: String,
    /// Natural logarithm of its probability, before any filter or temperature.
    pub logprob: f32,
}

/// A generated token and its alternatives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// Its number in the model's vocabulary.
    pub id: u32,
    /// Its bytes as text; incomplete characters show as U+FFFD.
    pub text: String,
    /// Natural logarithm of its probability, before any filter or temperature.
    pub logprob: f32,
    /// The most probable tokens at this place, best first.
    pub top: Vec<TopLogprob>,
}

/// One try at a provider, successful or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Who was asked.
    pub provider: ProviderId,
    /// Why it failed, in one line; absent for the one that answered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
}

/// A whole answer, or as much of it as there was.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// The answer.
    pub text: String,
    /// What the model thought before it; empty when it did not.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub reasoning: String,
    /// Why it ended; absent while it has not.
    pub finish_reason: Option<FinishReason>,
    /// Token counts.
    #[serde(default)]
    pub usage: Usage,
    /// Where the time went.
    #[serde(default)]
    pub timings: Timings,
    /// Who really answered.
    pub served_by: Option<ProviderId>,
    /// With what.
    pub model: Option<ModelId>,
    /// Generated tokens, when log-probabilities were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub tokens: Vec<TokenLogprob>,
    /// What a person may want to know.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notices: Vec<Notice>,
    /// Tries that were made, the last one last; empty when there was only one.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub attempts: Vec<Attempt>,
}

impl Response {
    /// Takes in the next event of a stream.
    pub fn absorb(&mut self, event: Event) {
        match event {
            Event::Queued { .. } => {}
            Event::Started { provider, model } => {
                self.served_by = Some(provider);
                self.model = model;
            }
            Event::Reasoning(delta) => self.reasoning.push_str(&delta),
            Event::Text(delta) => self.text.push_str(&delta),
            Event::Token(token) => self.tokens.push(token),
            Event::Notice(notice) => {
                self.attempts.extend(notice.attempt.clone());
                self.notices.push(notice);
            }
            Event::Usage(usage) => self.usage = usage,
            Event::Finish(finish) => {
                self.finish_reason = Some(finish.reason);
                self.timings = finish.timings;
                self.close_attempts();
            }
        }
    }

    /// After failed attempts the one that answered is listed too.
    fn close_attempts(&mut self) {
        if let (false, Some(provider)) = (self.attempts.is_empty(), &self.served_by) {
            self.attempts.push(Attempt { provider: provider.clone(), error: None });
        }
    }

    /// Whether anything was generated.
    pub fn has_content(&self) -> bool {
        !(self.text.is_empty() && self.reasoning.is_empty() && self.tokens.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Finish, NoticeKind};

    #[test]
    fn folding_keeps_text_and_reasoning_apart() {
        let mut response = Response::default();
        for event in [
            Event::Reasoning("hm".into()),
            Event::Text("a".into()),
            Event::Text("b".into()),
            Event::Finish(Finish::new(FinishReason::Length)),
        ] {
            response.absorb(event);
        }
        assert_eq!((response.text.as_str(), response.reasoning.as_str()), ("ab", "hm"));
        assert_eq!(response.finish_reason, Some(FinishReason::Length));
    }

    #[test]
    fn a_fallback_leaves_its_trace() {
        let [first, second] = ["first", "second"].map(|name| ProviderId::new(name).unwrap());
        let failed = Attempt { provider: first.clone(), error: Some("quota".into()) };
        let mut response = Response::default();
        for event in [
            Event::Started { provider: first, model: None },
            Event::Notice(Notice::failed(NoticeKind::Fallback, "next", failed.clone())),
            Event::Started { provider: second.clone(), model: None },
            Event::Finish(Finish::new(FinishReason::Stop)),
        ] {
            response.absorb(event);
        }
        assert_eq!(response.served_by.as_ref(), Some(&second));
        assert_eq!(response.attempts, [failed, Attempt { provider: second, error: None }]);
    }

    #[test]
    fn a_total_of_unknown_parts_is_unknown() {
        let usage = Usage { input_tokens: Some(3), ..Default::default() };
        assert_eq!(usage.total_tokens(), None);
    }
}
