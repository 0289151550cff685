//! The state of one request: prompt ids, then step by step its events. Knows nothing of threads,
//! channels or other requests.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{Event, Finish, FinishReason, Stopped, Timings, Usage};
use ports::Error;

use super::sequence::Sequence;
use super::stream::Item;
use crate::logprobs::Logprobs;
use crate::output::Output;
use crate::prompt::Prompter;
use crate::sampler::{Sampler, SamplerSettings};

/// Prompt tokens computed between two looks at whether anyone still waits for the answer.
const CHUNK: usize = 256;

/// What is to be generated.
#[derive(Debug)]
pub(crate) struct Task {
    /// The prompt.
    pub(crate) ids: Vec<u32>,
    /// The prompt ends inside the model's reasoning.
    pub(crate) thinking: bool,
    /// Most tokens of prompt and answer together.
    pub(crate) limit: usize,
    /// How to choose tokens.
    pub(crate) sampler: SamplerSettings,
    /// Texts that end the answer.
    pub(crate) stop: Vec<String>,
    /// Most probable tokens to report at each place.
    pub(crate) logprobs: Option<u32>,
    /// Most tokens of reasoning, and what ends it.
    pub(crate) thinking_budget: Option<(u32, Vec<u32>)>,
    /// When it was asked for.
    pub(crate) submitted: Instant,
}

#[derive(Debug)]
struct Clock {
    submitted: Instant,
    started: Instant,
    prefill: Option<Duration>,
    first_content: Option<Duration>,
    first_token: Option<Instant>,
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Generation {
    id: u64,
    prompter: Arc<Prompter>,
    ids: Vec<u32>,
    prompt: usize,
    limit: usize,
    cached: Option<usize>,
    sampler: Sampler,
    logprobs: Option<Logprobs>,
    output: Output,
    thinking_budget: Option<(u32, Vec<u32>)>,
    forced: VecDeque<u32>,
    events: VecDeque<Event>,
    failure: Option<Error>,
    clock: Clock,
    over: bool,
}

impl Generation {
    /// Begins; `id` is its own among all of one engine.
    pub(super) fn new(id: u64, task: Task, prompter: Arc<Prompter>) -> Self {
        let vocabulary = prompter.tokenizer().vocabulary().len();
        let clock = Clock {
            submitted: task.submitted,
            started: Instant::now(),
            prefill: None,
            first_content: None,
            first_token: None,
        };
        Self {
            id,
            output: Output::new(Arc::clone(&prompter), task.stop, task.thinking),
            sampler: Sampler::new(task.sampler, vocabulary, &task.ids),
            prompter,
            prompt: task.ids.len(),
            ids: task.ids,
            limit: task.limit,
            cached: None,
            logprobs: task.logprobs.map(Logprobs::new),
            thinking_budget: task.thinking_budget,
            forced: VecDeque::new(),
            events: VecDeque::new(),
            failure: None,
            clock,
            over: false,
        }
    }

    /// The next thing to say that is ready.
    pub(super) fn next_item(&mut self) -> Option<Item> {
        self.events.pop_front().map(Ok).or_else(|| self.failure.take().map(Err))
    }

    /// Whether anything is ready to be said.
    pub(super) fn has_items(&self) -> bool {
        !self.events.is_empty() || self.failure.is_some()
    }

    /// Whether nothing will follow what is ready.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Computes a part of the prompt, or the next token. A failure ends the generation and is the
    /// last thing that it says.
    pub(super) fn step(&mut self, sequence: &mut Sequence) {
        if let Err(error) = self.try_step(sequence) {
            self.failure = Some(error);
            self.over = true;
        }
    }

    fn try_step(&mut self, sequence: &mut Sequence) -> Result<(), Error> {
        if sequence.owner() != Some(self.id) {
            let kept = sequence.adopt(self.id, &self.ids);
            self.cached.get_or_insert(kept);
        }
        let pending = self.ids.get(sequence.len()..).unwrap_or_default();
        if let Some((chunk, rest)) = pending.split_at_checked(CHUNK)
            && !rest.is_empty()
        {
            sequence.forward(chunk)?;
            return Ok(());
        }
        let logits = sequence.forward(pending)?;
        if self.clock.prefill.is_none() {
            self.clock.prefill = Some(self.clock.started.elapsed());
        }
        // Files pad their weights beyond the vocabulary: those logits belong to no token.
        let words = self.prompter.tokenizer().vocabulary().len();
        self.choose(&logits[..logits.len().min(words)])
    }

    fn choose(&mut self, logits: &[f32]) -> Result<(), Error> {
        self.enforce_thinking_budget();
        let forced = self.forced.pop_front();
        let id = match forced {
            Some(id) => id,
            None => self.sampler.sample(logits)?,
        };
        self.clock.first_token.get_or_insert_with(Instant::now);
        let words = self.prompter.tokenizer().vocabulary();
        if forced.is_none() && words.ends(id) {
            self.finish(FinishReason::Stop);
            return Ok(());
        }
        if let Some(logprobs) = &mut self.logprobs {
            self.events.push_back(Event::Token(logprobs.of(id, logits, words)));
        }
        self.ids.push(id);
        self.sampler.accept(id);
        if self.output.push(id, &mut self.events) == Stopped::Yes {
            self.close(FinishReason::Stop);
        } else if self.ids.len() >= self.limit {
            self.finish(FinishReason::Length);
        }
        self.note_first_content();
        Ok(())
    }

    fn enforce_thinking_budget(&mut self) {
        if let Some((budget, end)) = &self.thinking_budget
            && self.forced.is_empty()
            && self.output.thinking()
            && self.output.reasoning_tokens().unwrap_or(0) >= u64::from(*budget)
        {
            self.forced.extend(end);
        }
    }

    fn note_first_content(&mut self) {
        if self.clock.first_content.is_none() && self.events.iter().any(Event::is_content) {
            self.clock.first_content = Some(self.clock.submitted.elapsed());
        }
    }

    /// Ends without a stop sequence; what was held back may still complete one.
    fn finish(&mut self, reason: FinishReason) {
        let reason = match self.output.finish(&mut self.events) {
            Stopped::Yes => FinishReason::Stop,
            Stopped::No => reason,
        };
        self.note_first_content();
        self.close(reason);
    }

    fn close(&mut self, reason: FinishReason) {
        self.note_first_content();
        let count = |n: usize| Some(n as u64);
        self.events.push_back(Event::Usage(Usage {
            input_tokens: count(self.prompt),
            output_tokens: count(self.ids.len() - self.prompt),
            reasoning_tokens: self.output.reasoning_tokens(),
            cached_tokens: self.cached.map(|n| n as u64),
        }));
        let timings = Timings {
            queue: Some(self.clock.started.duration_since(self.clock.submitted)),
            prefill: self.clock.prefill,
            first_token: self.clock.first_content,
            decode: self.clock.first_token.map(|first| first.elapsed()),
            total: Some(self.clock.submitted.elapsed()),
        };
        self.events.push_back(Event::Finish(Finish { reason, timings }));
        self.over = true;
    }
}
