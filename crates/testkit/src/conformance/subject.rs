//! The generator under test, with the questions that cases put to it.

use std::sync::Arc;

use domain::{Capability, GenerationOptions, Message, Request, Think};
use futures_util::StreamExt;
use ports::{Error, TextGenerator};

use super::transcript::Transcript;
use super::{Fixture, Skip};

/// Why a case did not pass.
#[derive(Debug)]
pub(super) enum Unmet {
    Skip(Skip),
    Fail(String),
}

pub(super) type Check = Result<(), Unmet>;

/// Fails with the message that `why` makes unless `holds`.
pub(super) fn ensure(holds: bool, why: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(Unmet::Fail(why())) }
}

pub(super) struct Subject {
    pub(super) generator: Arc<dyn TextGenerator>,
    pub(super) fixture: Fixture,
}

impl Subject {
    pub(super) async fn new(fixture: Fixture) -> Self {
        Self { generator: fixture.make().await, fixture }
    }

    pub(super) fn can(&self, capability: Capability) -> bool {
        self.generator.capabilities().has(capability)
    }

    /// Skips the case where the capability is not declared.
    pub(super) fn require(&self, capability: Capability) -> Check {
        if self.can(capability) { Ok(()) } else { Err(Unmet::Skip(Skip::Lacks(capability))) }
    }

    /// Skips the case where no way of asking gives the same answer twice.
    pub(super) fn require_repeats(&self) -> Check {
        if self.can(Capability::Seed) { Ok(()) } else { self.require(Capability::GreedyRepeats) }
    }

    /// The fixture's question, answered the same way each time where that can be had.
    pub(super) fn request(&self) -> Request {
        self.request_for(self.fixture.tokens())
    }

    /// The same with fewer tokens. The answer to fewer is the beginning of the answer to more.
    pub(super) fn request_for(&self, tokens: u32) -> Request {
        self.asking(vec![Message::user(self.fixture.prompt())], tokens)
    }

    /// Other messages, asked in the same way.
    pub(super) fn asking(&self, messages: Vec<Message>, tokens: u32) -> Request {
        Request::messages(messages).with_options(self.options(tokens))
    }

    /// Thinking is off unless a case turns it on: the fixture promises tokens of an answer.
    fn options(&self, tokens: u32) -> GenerationOptions {
        let greedy = self.can(Capability::GreedyRepeats);
        GenerationOptions {
            max_tokens: self.can(Capability::MaxTokens).then_some(tokens),
            temperature: (greedy && self.can(Capability::Temperature)).then_some(0.0),
            seed: (!greedy && self.can(Capability::Seed)).then_some(7),
            think: self.can(Capability::Think).then_some(Think::Off),
            ..GenerationOptions::default()
        }
    }

    /// A question whose answer would keep a provider busy if nobody stopped it.
    pub(super) fn long_request(&self) -> Request {
        let context = self.generator.capabilities().context_length;
        self.request_for(context.map_or(2048, |length| length / 2).clamp(4, 65_536))
    }

    /// Requests that run at once.
    pub(super) fn places(&self) -> usize {
        self.generator.capabilities().concurrency.map_or(1, |n| n.max(1) as usize)
    }

    /// Reads a whole stream that is expected to succeed.
    pub(super) async fn answer(&self, request: Request) -> Result<Transcript, Unmet> {
        let transcript = self.transcript(request).await;
        match &transcript.error {
            None => Ok(transcript),
            Some(error) => Err(Unmet::Fail(format!("an answer was due, but: {error}"))),
        }
    }

    /// Reads a whole stream, whatever comes.
    pub(super) async fn transcript(&self, request: Request) -> Transcript {
        let mut transcript = Transcript::default();
        match self.generator.stream(request).await {
            Err(error) => transcript.error = Some(error),
            Ok(mut events) => {
                // Others at the same time get their turn between events, also from a generator
                // that never waits.
                tokio::task::yield_now().await;
                while let Some(item) = events.next().await {
                    transcript.take(item);
                    tokio::task::yield_now().await;
                    if transcript.error.is_some() {
                        break;
                    }
                }
            }
        }
        transcript
    }

    /// The error of a request that must be refused before its first delta.
    pub(super) async fn refusal(&self, request: Request) -> Result<Error, Unmet> {
        let transcript = self.transcript(request).await;
        let content = transcript.events.iter().any(domain::Event::is_content);
        ensure(!content, || "something was generated before the refusal, or instead of it".into())?;
        transcript.error.ok_or_else(|| Unmet::Fail("it was accepted instead of refused".into()))
    }
}
