//! The provider: requests checked, prompts made, work handed to the engine.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use domain::{
    Capabilities, Capability, Health, HealthState, ModelId, ProviderId, ProviderInfo, Request,
    Response,
};
use futures_util::{StreamExt, stream};
use ports::{Error, ErrorKind, EventStream, TextGenerator, accept};
use tokio::sync::Semaphore;

use crate::arrange::arrange;
use crate::aside::aside;
use crate::catalogue::Sampling;
use crate::checkpoint::Checkpoint;
use crate::config::LocalConfig;
use crate::context_limit::ContextLimit;
use crate::cpu::default_threads;
use crate::decoder::{
    self, Decoder, Drafts, KvPrecision, LoadOptions, bytes_per_position, check_kv_cache,
};
use crate::device::{Device, check_graphs};
use crate::engine::{Engine, LONGEST_LINE, Limits, Signature, Speculation, Task};
use crate::memory::default_cache_bytes;
use crate::prompt::{Prompter, Rendered};
use crate::sampler::SamplerSettings;

/// Requests answered at once unless configured otherwise.
const MAX_BATCH: usize = 16;
/// Requests of one batch that are submitted before the first of them is answered.
const BATCH_AHEAD: usize = LONGEST_LINE / 4;

/// Answers with a GGUF model on this machine. See the [crate's documentation](crate).
pub struct LocalGenerator {
    info: ProviderInfo,
    capabilities: Capabilities,
    prompter: Arc<Prompter>,
    /// Tokens that the model knows; its tokenizer may have more.
    known: usize,
    defaults: SamplerSettings,
    context: ContextLimit,
    speculation: Speculation,
    drafts: Drafts,
    /// Prompts are made on as many threads as there are permits.
    preparing: Semaphore,
    engine: Engine,
}

impl LocalGenerator {
    /// Loads the file at `path`; takes its time, so not on an async thread.
    pub(crate) fn load(
        id: ProviderId,
        config: &LocalConfig,
        device: Device,
        sampling: &Sampling,
        path: &Path,
    ) -> Result<Self, Error> {
        let checkpoint = Checkpoint::open(path)?;
        let checkpoint = arrange(checkpoint, config)?;
        let prompter = Arc::new(checkpoint.prompter()?);
        let defaults = checkpoint.sampling()?.with_sampling(sampling);
        let weights = weight_bytes(&checkpoint);
        check_graphs(&checkpoint, config.cuda_graphs, device)?;
        check_kv_cache(&checkpoint, config.kv_cache, device)?;
        let at_once = config.max_batch.unwrap_or(MAX_BATCH);
        let cache_bytes = config.kv_cache_mib.map(|mib| mib.saturating_mul(1 << 20));
        let cache_bytes = match device {
            Device::Cpu => cache_bytes.or_else(|| Some(default_cache_bytes(weights))),
            // What is left of a GPU is known once the weights are there.
            Device::Cuda(_) => cache_bytes,
        };
        let options = LoadOptions {
            engine: decoder::Engine::on(device)?,
            threads: config.threads,
            context_length: config.context_length,
            kv_cache: KvPrecision::of(&checkpoint, config.kv_cache),
            cache_bytes,
            at_once: Some(at_once),
            cuda_graphs: config.cuda_graphs,
        };
        let decoder = decoder::load(&checkpoint, &options)?;
        let (known, drafts) = (decoder.vocab_size(), decoder.drafts());
        check_speculation(config.speculation, drafts)?;
        if !prompter.suits(known) {
            let words = prompter.tokenizer().vocabulary().len();
            let message = format!("{}: {words} tokens, but {known} logits", path.display());
            return Err(Error::new(ErrorKind::ModelLoad, message)
                .with_hint("the file does not describe a whole model: convert or fetch it again"));
        }
        let cache_bytes = cache_bytes
            .unwrap_or_else(|| taken_bytes(&checkpoint, decoder.as_ref(), options.kv_cache));
        let context = ContextLimit::of(decoder.as_ref(), config, cache_bytes)?;
        let model = ModelId::new(config.model.as_str()).ok();
        let signature = Signature { provider: id.clone(), model: model.clone() };
        let threads = config.threads.unwrap_or_else(default_threads);
        let limits = Limits { at_once, threads };
        let engine = Engine::start(decoder, Arc::clone(&prompter), signature, limits)?;
        Ok(Self {
            info: ProviderInfo { id, kind: crate::factory::KIND.to_owned(), model },
            capabilities: capabilities(&prompter, known, context.tokens, engine.at_once()),
            prompter,
            known,
            defaults,
            context,
            speculation: config.speculation,
            drafts,
            preparing: Semaphore::new(threads),
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

    /// Answers later requests under another value of the setting.
    pub(crate) fn speculate(&mut self, speculation: Speculation) -> Result<(), Error> {
        check_speculation(speculation, self.drafts)?;
        self.speculation = speculation;
        Ok(())
    }

    /// What the setting means for this model here.
    pub(crate) fn speculation(&self) -> String {
        self.speculation.about(self.drafts)
    }

    /// Tokens drafted so far, and how many of them were what the sampler chose.
    pub(crate) fn drafts(&self) -> (u64, u64) {
        self.engine.draft_count().so_far()
    }

    fn mine(&self, error: Error) -> Error {
        error.with_provider(self.info.id.clone())
    }

    async fn prepare(&self, request: Request, submitted: Instant) -> Result<Task, Error> {
        let (prompter, known, context) = (Arc::clone(&self.prompter), self.known, self.context);
        let settings = self.defaults.with_options(&request.options);
        // Templates and long texts take their time. The semaphore is never closed.
        let _permit = self.preparing.acquire().await.ok();
        let prepared = aside("making the prompt", move || {
            let fewest = prompter.fewest_tokens(&request);
            if fewest + 1 > context.tokens {
                return Err(context.too_long(&format!("at least {fewest}")));
            }
            let prepared = prompter.render(&request)?;
            prompter.check_known(&prepared.ids, known)?;
            let end_of_thinking = prompter.end_of_thinking()?;
            Ok((prepared, end_of_thinking, request.options))
        });
        let (prepared, end_of_thinking, options) = prepared.await??;
        let limit = context.for_request(prepared.ids.len(), options.max_tokens)?;
        Ok(Task {
            ids: prepared.ids,
            thinking: prepared.thinking,
            limit,
            sampler: settings,
            stop: options.stop,
            logprobs: options.logprobs,
            thinking_budget: options.thinking_budget.map(|budget| (budget, end_of_thinking)),
            speculation: self.speculation,
            submitted,
        })
    }
}

/// Refuses to draft where a draft saves nothing.
fn check_speculation(asked: Speculation, drafts: Drafts) -> Result<(), Error> {
    if let (Speculation::Most(most), Drafts::Never) = (asked, drafts) {
        let message =
            format!("speculation is {most}, but this architecture computes token by token");
        return Err(Error::new(ErrorKind::ConfigInvalid, message)
            .with_hint("leave it out, or set it to \"off\""));
    }
    Ok(())
}

/// What the weights take in memory.
fn weight_bytes(checkpoint: &Checkpoint) -> u64 {
    let tensors = checkpoint.tensors();
    let facts = tensors.names().into_iter().filter_map(|name| tensors.facts(name));
    let bytes = facts.filter_map(|facts| facts.kind.row_bytes(facts.shape.iter().product()));
    bytes.map(|bytes| bytes as u64).sum()
}

/// Bytes of the KV cache of a decoder that holds nothing yet.
fn taken_bytes(checkpoint: &Checkpoint, decoder: &dyn Decoder, kept: KvPrecision) -> u64 {
    let position = bytes_per_position(checkpoint.parameters(), kept);
    position.saturating_mul(decoder.free_positions() as u64)
}

/// What this model can do here.
fn capabilities(
    prompter: &Prompter,
    known: usize,
    context_length: usize,
    at_once: usize,
) -> Capabilities {
    use Capability as C;
    let template = prompter.template();
    let end_of_thinking = prompter.end_of_thinking().unwrap_or_default();
    let ends_thinking = prompter.check_known(&end_of_thinking, known).is_ok();
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
        (prompter.knows_thinking() && ends_thinking, C::ThinkingBudget),
    ];
    let depends = depends.into_iter().filter_map(|(has, capability)| has.then_some(capability));
    Capabilities {
        context_length: u32::try_from(context_length).ok(),
        concurrency: u32::try_from(at_once).ok(),
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

    /// All of them go to the engine together and share its steps.
    async fn generate_batch(&self, requests: Vec<Request>) -> Vec<Result<Response, Error>> {
        let answers = requests.into_iter().map(|request| self.generate(request));
        stream::iter(answers).buffered(BATCH_AHEAD).collect().await
    }

    async fn health(&self) -> Result<Health, Error> {
        if self.engine.is_alive() {
            let detail = format!("the model is loaded; {}", self.speculation());
            return Ok(Health { state: HealthState::Ready, detail });
        }
        Ok(Health { state: HealthState::Down, detail: "the engine stopped unexpectedly".into() })
    }
}

impl fmt::Debug for LocalGenerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalGenerator")
            .field("info", &self.info)
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}
