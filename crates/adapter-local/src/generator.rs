//! The provider: requests checked, prompts made, work handed to the engine.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use domain::{
    Capabilities, Capability, Health, HealthState, ModelId, ProviderId, ProviderInfo, Request,
};
use ports::{Error, ErrorKind, EventStream, TextGenerator, accept};

use crate::config::LocalConfig;
use crate::decoder::{self, LoadOptions};
use crate::engine::{Engine, Task};
use crate::gguf::GgufFile;
use crate::prompt::{Prompter, Rendered};
use crate::sampler::SamplerSettings;

/// Requests worth having in flight: one runs, one waits, so that the engine never idles between.
const CONCURRENCY: u32 = 2;

/// Answers with a GGUF model on this machine. See the [crate's documentation](crate).
pub struct LocalGenerator {
    info: ProviderInfo,
    capabilities: Capabilities,
    prompter: Arc<Prompter>,
    defaults: SamplerSettings,
    context_length: usize,
    engine: Engine,
}

impl LocalGenerator {
    /// Loads the file at `path`; takes its time, so not on an async thread.
    pub(crate) fn load(id: ProviderId, config: &LocalConfig, path: &Path) -> Result<Self, Error> {
        let file = Arc::new(GgufFile::open(path)?);
        let prompter = Arc::new(Prompter::load(file.metadata())?);
        let defaults = SamplerSettings::of_model(file.metadata());
        let options = LoadOptions {
            threads: config.threads,
            context_length: config.context_length,
            ..LoadOptions::default()
        };
        let decoder = decoder::load(file, &options)?;
        let (words, logits) = (prompter.tokenizer().vocabulary().len(), decoder.vocab_size());
        if words > logits {
            let message = format!("{}: {words} tokens, but {logits} logits", path.display());
            return Err(Error::new(ErrorKind::ModelLoad, message)
                .with_hint("the file does not describe a whole model: convert or fetch it again"));
        }
        let context_length = decoder.context_length();
        if let Some(asked) = config.context_length.filter(|asked| *asked > context_length) {
            let message =
                format!("context_length is {asked}, but the model's limit is {context_length}");
            return Err(Error::new(ErrorKind::ConfigInvalid, message)
                .with_hint("lower context_length, or leave it out for the model's own limit"));
        }
        let model = ModelId::new(config.model.as_str()).ok();
        let engine = Engine::start(decoder, Arc::clone(&prompter), id.clone(), model.clone())?;
        Ok(Self {
            info: ProviderInfo { id, kind: crate::factory::KIND.to_owned(), model },
            capabilities: capabilities(&prompter, context_length),
            prompter,
            defaults,
            context_length,
            engine,
        })
    }

    /// What the model would be given for a request; generates nothing.
    ///
    /// # Errors
    /// What keeps the request from being rendered.
    pub fn render(&self, request: &Request) -> Result<Rendered, Error> {
        accept(self, request)?;
        let prepared = self.prompter.render(request).map_err(|error| self.mine(error))?;
        Ok(Rendered { text: prepared.text, tokens: prepared.ids })
    }

    /// Generations at work or waiting inside this provider.
    pub fn in_flight(&self) -> usize {
        self.engine.taken()
    }

    fn mine(&self, error: Error) -> Error {
        error.with_provider(self.info.id.clone())
    }

    async fn prepare(&self, request: Request, submitted: Instant) -> Result<Task, Error> {
        let (prompter, context) = (Arc::clone(&self.prompter), self.context_length);
        let settings = self.defaults.with_options(&request.options);
        // Templates and long texts take their time.
        let prepared = tokio::task::spawn_blocking(move || {
            let fewest = prompter.fewest_tokens(&request);
            if fewest + 1 > context {
                return Err(too_long(&format!("at least {fewest}"), context));
            }
            let prepared = prompter.render(&request)?;
            let end_of_thinking = prompter.end_of_thinking()?;
            Ok((prepared, end_of_thinking, request.options))
        });
        let prepared = prepared.await.unwrap_or_else(|error| {
            let message = format!("making the prompt failed: {error}");
            Err(Error::new(ErrorKind::Internal, message))
        });
        let (prepared, end_of_thinking, options) = prepared?;
        let limit = limit(prepared.ids.len(), options.max_tokens, context)?;
        Ok(Task {
            ids: prepared.ids,
            thinking: prepared.thinking,
            limit,
            sampler: settings,
            stop: options.stop,
            logprobs: options.logprobs,
            thinking_budget: options.thinking_budget.map(|budget| (budget, end_of_thinking)),
            submitted,
        })
    }
}

/// Most tokens of prompt and answer together.
fn limit(prompt: usize, max_tokens: Option<u32>, context: usize) -> Result<usize, Error> {
    if prompt + 1 > context {
        return Err(too_long(&prompt.to_string(), context));
    }
    let Some(max_tokens) = max_tokens else { return Ok(context) };
    let wanted = prompt.saturating_add(max_tokens as usize);
    if wanted <= context {
        return Ok(wanted);
    }
    let message = format!(
        "the prompt's {prompt} tokens and max_tokens {max_tokens} do not fit the context length of {context}"
    );
    Err(Error::new(ErrorKind::ContextLengthExceeded, message)
        .with_hint(format!("lower max_tokens to {} or less, or leave it unset", context - prompt)))
}

fn too_long(prompt: &str, context: usize) -> Error {
    let message = format!("the prompt has {prompt} tokens, but the context length is {context}");
    Error::new(ErrorKind::ContextLengthExceeded, message)
        .with_hint("shorten the prompt, raise context_length, or use a model with a longer context")
}

/// What this model can do here.
fn capabilities(prompter: &Prompter, context_length: usize) -> Capabilities {
    use Capability as C;
    let template = prompter.template();
    let always = [
        C::MaxTokens,
        C::Temperature,
        C::TopP,
        C::TopK,
        C::MinP,
        C::RepeatPenalty,
        C::PresencePenalty,
        C::FrequencyPenalty,
        C::Seed,
        C::Stop,
        C::Logprobs,
        C::RawPrompt,
        C::Streaming,
        C::GreedyRepeats,
        C::Usage,
        C::Cancel,
    ];
    let depends = [
        (template.is_some_and(|t| t.takes_system()), C::SystemPrompt),
        (template.is_some_and(|t| t.takes_turns()), C::MultiTurn),
        (template.is_some_and(|t| t.mentions_thinking()) && prompter.knows_thinking(), C::Think),
        (prompter.knows_thinking(), C::ThinkingBudget),
    ];
    let depends = depends.into_iter().filter_map(|(has, capability)| has.then_some(capability));
    Capabilities {
        context_length: u32::try_from(context_length).ok(),
        concurrency: Some(CONCURRENCY),
        ..Capabilities::of(always.into_iter().chain(depends))
    }
}

#[async_trait]
impl TextGenerator for LocalGenerator {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Needs a tokio runtime: prompts are made on its blocking threads.
    async fn stream(&self, request: Request) -> Result<EventStream, Error> {
        let submitted = Instant::now();
        accept(self, &request)?;
        let task = self.prepare(request, submitted).await.map_err(|error| self.mine(error))?;
        self.engine.submit(task).map_err(|error| self.mine(error))
    }

    async fn health(&self) -> Result<Health, Error> {
        if self.engine.is_alive() {
            return Ok(Health { state: HealthState::Ready, detail: "the model is loaded".into() });
        }
        Ok(Health { state: HealthState::Down, detail: "the engine stopped unexpectedly".into() })
    }
}

impl fmt::Debug for LocalGenerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalGenerator")
            .field("info", &self.info)
            .field("context_length", &self.context_length)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_name_both_numbers() {
        assert_eq!(limit(10, None, 16).unwrap(), 16);
        assert_eq!(limit(10, Some(6), 16).unwrap(), 16);
        let error = limit(16, Some(1), 16).unwrap_err();
        assert_eq!(error.to_string(), "the prompt has 16 tokens, but the context length is 16");
        let error = limit(10, Some(7), 16).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ContextLengthExceeded);
        assert_eq!(error.hint(), Some("lower max_tokens to 6 or less, or leave it unset"));
    }
}
