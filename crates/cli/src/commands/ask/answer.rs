//! The answer as one JSON object, and the clock behind its timings.

use std::time::{Duration, Instant};

use serde::Serialize;
use textport::{Attempt, ModelId, Notice, ProviderId, Response, Timings, TokenLogprob, Usage};

/// The stable object of `--json`. Fields are only ever added while `v` is 1.
#[derive(Debug, Serialize)]
pub(crate) struct Answer<'a> {
    v: u8,
    text: &'a str,
    /// The first fenced code block, under `--extract`.
    #[serde(skip_serializing_if = "Option::is_none")]
    extracted: Option<&'a str>,
    reasoning: &'a str,
    finish_reason: Option<&'a str>,
    usage: Counts,
    timings: Timings,
    /// Who was asked, and who really answered.
    provider: &'a ProviderId,
    served_by: Option<&'a ProviderId>,
    model: Option<&'a ModelId>,
    profile: Option<&'a str>,
    /// Where it was logged, for `--cid`; null when nothing is.
    conversation: Option<&'a str>,
    attempts: &'a [Attempt],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notices: &'a [Notice],
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<&'a [TokenLogprob]>,
}

#[derive(Debug, Serialize)]
struct Counts {
    #[serde(flatten)]
    usage: Usage,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_tokens: Option<u64>,
}

impl<'a> Answer<'a> {
    /// What `--json` prints of a response.
    pub(crate) fn new(response: &'a Response, asked: &'a ProviderId) -> Self {
        let total_tokens = response.usage.total_tokens();
        Self {
            v: 1,
            text: &response.text,
            extracted: None,
            reasoning: &response.reasoning,
            finish_reason: response.finish_reason.as_ref().map(textport::FinishReason::as_str),
            usage: Counts { usage: response.usage, total_tokens },
            timings: response.timings,
            provider: asked,
            served_by: response.served_by.as_ref(),
            model: response.model.as_ref(),
            profile: None,
            conversation: None,
            attempts: &response.attempts,
            notices: &response.notices,
            tokens: None,
        }
    }

    pub(crate) fn with_profile(mut self, profile: Option<&'a str>) -> Self {
        self.profile = profile;
        self
    }

    pub(crate) fn with_conversation(mut self, conversation: Option<&'a str>) -> Self {
        self.conversation = conversation;
        self
    }

    pub(crate) fn with_extracted(mut self, extracted: Option<&'a str>) -> Self {
        self.extracted = extracted;
        self
    }

    /// Lists the tokens, also when there are none: they were asked for.
    pub(crate) fn with_tokens(mut self, tokens: Option<&'a [TokenLogprob]>) -> Self {
        self.tokens = tokens;
        self
    }
}

/// Measures the call from outside; what a provider measured itself wins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    begun: Instant,
    loaded: Option<Instant>,
    first: Option<Instant>,
    end: Option<Instant>,
}

impl Clock {
    /// Starts now.
    pub(crate) fn start() -> Self {
        Self { begun: Instant::now(), loaded: None, first: None, end: None }
    }

    /// The provider is ready; the request goes out.
    pub(crate) fn loaded(&mut self) {
        self.loaded = Some(Instant::now());
    }

    /// Content has come, the first time or again.
    pub(crate) fn first_content(&mut self) {
        self.first.get_or_insert_with(Instant::now);
    }

    /// All is over.
    pub(crate) fn end(&mut self) {
        self.end = Some(Instant::now());
    }

    /// How long the provider took to get ready.
    pub(crate) fn load_time(&self) -> Option<Duration> {
        Some(self.loaded? - self.begun)
    }

    /// Fills what the provider left open.
    pub(crate) fn complete(&self, timings: &mut Timings) {
        let Some(sent) = self.loaded else { return };
        timings.first_token = timings.first_token.or(self.first.map(|first| first - sent));
        timings.total = timings.total.or(self.end.map(|end| end - sent));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use textport::{Event, Finish, FinishReason};

    #[test]
    fn the_object_is_stable() {
        let mut response = Response::default();
        response.absorb(Event::Text("hi".into()));
        response.absorb(Event::Finish(Finish::new(FinishReason::Other("odd".into()))));
        let asked = ProviderId::new("local").unwrap();
        let answer = Answer::new(&response, &asked).with_tokens(Some(&[]));
        let json = serde_json::to_string(&answer).unwrap();
        assert_eq!(
            json,
            "{\"v\":1,\"text\":\"hi\",\"reasoning\":\"\",\"finish_reason\":\"odd\",\"usage\":{},\
             \"timings\":{},\"provider\":\"local\",\"served_by\":null,\"model\":null,\
             \"profile\":null,\"conversation\":null,\"attempts\":[],\"tokens\":[]}"
        );
    }

    #[test]
    fn what_the_provider_measured_wins() {
        let mut clock = Clock::start();
        clock.loaded();
        clock.first_content();
        clock.end();
        let measured = Some(Duration::from_secs(9));
        let mut timings = Timings { total: measured, ..Timings::default() };
        clock.complete(&mut timings);
        assert_eq!(timings.total, measured);
        assert!(timings.first_token.is_some());
    }
}
