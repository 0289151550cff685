//! The state of one request: prompt ids, then token by token its events. Knows nothing of threads,
//! channels, sequences or other requests.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{Event, Finish, FinishReason, Stopped, Timings, Usage};
use ports::Error;

use super::speculation::{Bounds, Draft, Speculation};
use super::stream::Item;
use crate::decoder::Drafts;
use crate::error::DecodeError;
use crate::logprobs::Logprobs;
use crate::output::Output;
use crate::prompt::Prompter;
use crate::sampler::{Sampler, SamplerSettings};

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
    /// Whether several tokens are computed in one step.
    pub(crate) speculation: Speculation,
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
    draft: Option<Draft>,
    /// Rows of logits of the last step that were chosen from.
    used: usize,
    events: VecDeque<Event>,
    failure: Option<Error>,
    clock: Clock,
    over: bool,
    spoiled: bool,
}

impl Generation {
    /// Begins; `drafts` is what the decoder makes of them.
    pub(super) fn new(task: Task, prompter: Arc<Prompter>, drafts: Drafts) -> Self {
        let vocabulary = prompter.tokenizer().vocabulary().len();
        let clock = Clock {
            submitted: task.submitted,
            started: Instant::now(),
            prefill: None,
            first_content: None,
            first_token: None,
        };
        Self {
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
            draft: Draft::new(task.speculation.on(drafts)),
            used: 0,
            events: VecDeque::new(),
            failure: None,
            clock,
            over: false,
            spoiled: false,
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

    /// Whether what its sequence holds must not be used again.
    pub(super) fn is_spoiled(&self) -> bool {
        self.spoiled
    }

    /// Prompt and answer so far.
    pub(super) fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// It was given a sequence that holds its first `kept` tokens already. Only the first time says
    /// what the request was spared; later it gets back what was its own.
    pub(super) fn seated(&mut self, kept: usize) {
        self.cached.get_or_insert(kept);
    }

    /// Its draft, if it makes any.
    pub(super) fn draft(&mut self) -> Option<&mut Draft> {
        self.draft.as_mut()
    }

    /// Makes a draft of what comes next; says for each token how probable it is that it and all
    /// before it come true.
    pub(super) fn propose(&mut self) -> &[f32] {
        let Some(draft) = &mut self.draft else { return &[] };
        let words = self.prompter.tokenizer().vocabulary();
        draft.propose(&Bounds {
            text: &self.ids,
            certain: self.forced.make_contiguous(),
            // After the last token that may be chosen nothing is computed.
            room: self.limit.saturating_sub(self.ids.len() + 1),
            ends: |id| words.ends(id),
        })
    }

    /// The token to be computed and the drafted ones after it; none without a draft.
    pub(super) fn drafted(&self) -> &[u32] {
        self.draft.as_ref().map_or(&[], Draft::tokens)
    }

    /// Forgets the draft: it is not computed.
    pub(super) fn drop_draft(&mut self) {
        if let Some(draft) = &mut self.draft {
            draft.keep(0);
        }
    }

    /// How many rows of logits of the last step were chosen from: the one after the last token, and
    /// those after drafted tokens that came true.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Chooses the next token from the logits after the last one, of `vocabulary` tokens, and goes on
    /// in the rows after it as long as the draft comes true. A failure ends the generation and is the
    /// last thing that it says.
    pub(super) fn advance(&mut self, logits: Result<&[f32], DecodeError>, vocabulary: usize) {
        if self.clock.prefill.is_none() {
            self.clock.prefill = Some(self.clock.started.elapsed());
        }
        self.used = 0;
        let chosen = match logits {
            // It may be for a token that would never have been chosen.
            Err(_) if !self.drafted().is_empty() => {
                self.draft = None;
                return;
            }
            Err(error) => Err(Error::from(error)),
            Ok(rows) => self.choose_from(rows, vocabulary),
        };
        self.drop_draft();
        if let Err(error) = chosen {
            self.fail(error);
        }
    }

    fn choose_from(&mut self, rows: &[f32], vocabulary: usize) -> Result<(), Error> {
        // Files pad their weights beyond the vocabulary: those logits belong to no token.
        let words = self.prompter.tokenizer().vocabulary().len().min(vocabulary);
        for row in rows.chunks_exact(vocabulary) {
            self.used += 1;
            self.choose(&row[..words])?;
            if self.over || self.drafted().get(self.used) != self.ids.last() {
                break;
            }
        }
        Ok(())
    }

    /// Ends with an error, after what there is to say already.
    pub(super) fn fail(&mut self, error: impl Into<Error>) {
        self.failure = Some(error.into());
        self.over = true;
        self.spoiled = true;
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
        if self.draft.as_mut().is_some_and(|draft| !draft.follow(&self.ids, forced.is_none())) {
            self.draft = None;
        }
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
