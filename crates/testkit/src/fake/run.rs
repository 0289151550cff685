//! One turn under way: steps in, events out.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use domain::{
    Capability, Event, Finish, FinishReason, GenerationOptions, ProviderId, Request, Think,
    TokenLogprob, TopLogprob, Usage,
};
use ports::{Error, TextGenerator};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::FakeGenerator;
use super::counts::Guard;
use super::stops::StopFilter;
use super::turn::{Step, Turn};

pub(super) struct Run {
    provider: ProviderId,
    options: GenerationOptions,
    streams: bool,
    reports_usage: bool,
    pace: Duration,
    prompt_tokens: usize,
    token_limit: usize,
    places: Arc<Semaphore>,
    place: Option<OwnedSemaphorePermit>,
    steps: std::vec::IntoIter<Step>,
    ready: VecDeque<Result<Event, Error>>,
    stops: StopFilter,
    unsent: String,
    tokens: usize,
    reasoning_tokens: usize,
    queued: bool,
    over: bool,
    guard: Guard,
}

impl Run {
    pub(super) fn new(
        fake: &FakeGenerator,
        request: &Request,
        turn: Turn,
        prompt_tokens: usize,
    ) -> Self {
        let can = fake.capabilities();
        let context = can.context_length.map_or(usize::MAX, |length| length as usize);
        let max_tokens = request.options.max_tokens.map_or(usize::MAX, |n| n as usize);
        Self {
            provider: fake.info().id.clone(),
            options: request.options.clone(),
            streams: can.has(Capability::Streaming),
            reports_usage: can.has(Capability::Usage),
            pace: fake.pace,
            prompt_tokens,
            token_limit: max_tokens.min(context - prompt_tokens.min(context)),
            places: Arc::clone(&fake.places),
            place: None,
            steps: turn.steps.into_iter(),
            ready: VecDeque::new(),
            stops: StopFilter::new(&request.options.stop),
            unsent: String::new(),
            tokens: 0,
            reasoning_tokens: 0,
            queued: false,
            over: false,
            guard: Guard::new(&fake.counters),
        }
    }

    pub(super) async fn next(mut self) -> Option<(Result<Event, Error>, Self)> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some((event, self));
            }
            if self.over {
                return None;
            }
            if self.place.is_none() {
                self.take_place().await;
            } else {
                self.step().await;
            }
        }
    }

    async fn take_place(&mut self) {
        let places = Arc::clone(&self.places);
        let free = match places.clone().try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) if self.queued => places.acquire_owned().await.ok(),
            Err(_) => None,
        };
        self.ready.push_back(Ok(match free {
            Some(permit) => {
                self.place = Some(permit);
                Event::Started { provider: self.provider.clone(), model: None }
            }
            None => {
                self.queued = true;
                Event::Queued { position: None, eta: None }
            }
        }));
    }

    #[expect(clippy::panic, reason = "the script asks for it")]
    async fn step(&mut self) {
        match self.steps.next() {
            Some(Step::Text(token)) => self.generate(token, false).await,
            Some(Step::Reasoning(token)) if self.thinks() => self.generate(token, true).await,
            Some(Step::Reasoning(_)) => {}
            Some(Step::Event(event)) => self.ready.push_back(Ok(event)),
            Some(Step::Wait(time)) => tokio::time::sleep(time).await,
            Some(Step::Stall) => pending().await,
            Some(Step::Panic(message)) => panic!("{message}"),
            Some(Step::Fail(error)) => self.fail(error()),
            None => self.finish(FinishReason::Stop),
        }
    }

    fn thinks(&self) -> bool {
        let budget = self.options.thinking_budget.map_or(usize::MAX, |n| n as usize);
        self.options.think != Some(Think::Off) && self.reasoning_tokens < budget
    }

    async fn generate(&mut self, token: String, reasoning: bool) {
        if !self.pace.is_zero() {
            tokio::time::sleep(self.pace).await;
        }
        self.tokens += 1;
        if let Some(alternatives) = self.options.logprobs {
            self.ready.push_back(Ok(Event::Token(self.logprobs(&token, alternatives))));
        }
        let stopped = if reasoning {
            self.reasoning_tokens += 1;
            self.ready.push_back(Ok(Event::Reasoning(token)));
            false
        } else {
            let (certain, stopped) = self.stops.push(&token);
            self.send(certain);
            stopped
        };
        if stopped {
            self.finish(FinishReason::Stop);
        } else if self.tokens >= self.token_limit {
            self.finish(FinishReason::Length);
        }
    }

    /// The token gets half of the probability, each alternative half of what is left.
    fn logprobs(&self, token: &str, alternatives: u32) -> TokenLogprob {
        let id = u32::try_from(self.tokens).unwrap_or(u32::MAX);
        let logprob = |rank: u32| -std::f32::consts::LN_2 * (rank + 1) as f32;
        let text = |rank| if rank == 0 { token.to_owned() } else { format!("{token}~{rank}") };
        let top = (0..alternatives)
            .map(|rank| TopLogprob {
                id: id.wrapping_add(rank << 16),
                text: text(rank),
                logprob: logprob(rank),
            })
            .collect();
        TokenLogprob { id, text: token.to_owned(), logprob: logprob(0), top }
    }

    fn send(&mut self, text: String) {
        if self.streams {
            if !text.is_empty() {
                self.ready.push_back(Ok(Event::Text(text)));
            }
        } else {
            self.unsent.push_str(&text);
        }
    }

    fn finish(&mut self, reason: FinishReason) {
        let held = self.stops.flush();
        self.send(held);
        if !self.unsent.is_empty() {
            let text = std::mem::take(&mut self.unsent);
            self.ready.push_back(Ok(Event::Text(text)));
        }
        if self.reports_usage {
            let usage = Usage {
                input_tokens: Some(self.prompt_tokens as u64),
                output_tokens: Some(self.tokens as u64),
                reasoning_tokens: Some(self.reasoning_tokens as u64),
                cached_tokens: None,
            };
            self.ready.push_back(Ok(Event::Usage(usage)));
        }
        self.ready.push_back(Ok(Event::Finish(Finish::new(reason))));
        self.guard.finished();
        self.end();
    }

    fn fail(&mut self, error: Error) {
        self.ready.push_back(Err(error.with_provider(self.provider.clone())));
        self.guard.failed();
        self.end();
    }

    fn end(&mut self) {
        self.over = true;
        self.place = None;
    }
}
