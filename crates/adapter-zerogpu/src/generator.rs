//! A Space as a text generator.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use domain::{
    Capabilities, Capability, Health, ModelId, Notice, NoticeKind, ProviderInfo, Quota, Request,
    Response,
};
use futures_util::{StreamExt, stream};
use ports::{
    BuildContext, Error, ErrorKind, EventStream, Progress, ProviderSpec, TextGenerator, accept,
};

use tokio::time::Instant;

use crate::answer::Answer;
use crate::arguments::Arguments;
use crate::client::{CallOptions, GradioClient, SpaceRef};
use crate::endpoint::Endpoint;
use crate::generation::{About, Generation, Stage};
use crate::history::Dialect;
use crate::mapping::{Mapping, discover};
use crate::payload::{Conversation, Payload};
use crate::role::Role;
use crate::sessions::{Known, Sessions};
use crate::settings::{Reasoning, Settings};

/// The word that selects this adapter.
pub(crate) const KIND: &str = "zerogpu";

/// Generates text with one endpoint of a Space.
///
/// What it declares follows from the endpoint: an option is supported when an input takes it. Why a
/// model stopped is not told by any Space, so an answer ends with
/// `FinishReason::Other("unknown")`, also where `max_tokens` was reached, and token counts are
/// absent. Stop sequences are honoured here: the text is cut, the job ended, and the reason is
/// `FinishReason::Stop`.
#[derive(Debug)]
pub struct SpaceGenerator {
    info: ProviderInfo,
    capabilities: Capabilities,
    client: GradioClient,
    endpoint: Endpoint,
    mapping: Mapping,
    ranges: BTreeMap<Role, (f64, f64)>,
    reasoning: Reasoning,
    expected: Dialect,
    learned: Arc<Learned>,
}

/// What calls teach about the Space.
#[derive(Debug)]
pub(crate) struct Learned {
    dialect: AtomicU8,
    /// It rewrites what it streamed: only final values count.
    whole: AtomicBool,
    full_values: AtomicBool,
    sessions: Mutex<Sessions>,
}

impl Learned {
    fn new(whole: bool) -> Self {
        Self {
            dialect: AtomicU8::new(0),
            whole: AtomicBool::new(whole),
            full_values: AtomicBool::new(false),
            sessions: Mutex::default(),
        }
    }

    pub(crate) fn learn_dialect(&self, dialect: Dialect) {
        self.dialect.store(dialect.as_number(), Ordering::Relaxed);
    }

    pub(crate) fn distrust_diffs(&self) {
        self.full_values.store(true, Ordering::Relaxed);
    }

    pub(crate) fn take_whole(&self) {
        self.whole.store(true, Ordering::Relaxed);
    }

    pub(crate) fn keep_session(&self, known: Known, session: String) {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).keep(known, session);
    }

    fn take_session(&self, known: &Known) -> Option<String> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).take(known)
    }
}

impl SpaceGenerator {
    /// Connects to the Space of the settings, wakes it when it sleeps, and finds the endpoint that
    /// answers messages.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] for settings that make no sense or do not fit the Space;
    /// otherwise those of [`GradioClient::connect`].
    pub async fn connect(spec: ProviderSpec, context: &BuildContext) -> Result<Self, Error> {
        let settings = Settings::read(&spec)?;
        let client = connect(&settings, context).await?;
        let overrides = settings.overrides();
        let (endpoint, mapping) = match &settings.endpoint {
            Some(name) => {
                let endpoint = client.endpoint(name)?;
                let mapping = Mapping::of(&endpoint, &overrides)?;
                (endpoint, mapping)
            }
            None => discover(&client.endpoints(), &overrides)?,
        };
        let major = client.app().config.major();
        let expected = mapping
            .place(Role::History)
            .map_or(Dialect::Parts, |place| Dialect::expected(&endpoint.inputs[place], major));
        let model = settings
            .model
            .clone()
            .map(ModelId::new)
            .transpose()
            .map_err(|invalid| Error::new(ErrorKind::ConfigInvalid, invalid.to_string()))?;
        Ok(Self {
            info: ProviderInfo { id: spec.id, kind: KIND.to_owned(), model },
            capabilities: capabilities(&endpoint, &mapping, &settings),
            client,
            endpoint,
            mapping,
            ranges: settings.ranges,
            reasoning: settings.reasoning,
            expected,
            learned: Arc::new(Learned::new(!settings.stream)),
        })
    }

    /// The client behind it.
    pub fn client(&self) -> &GradioClient {
        &self.client
    }

    /// The endpoint that answers.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    async fn start(&self, request: Request, whole: bool) -> Result<EventStream, Error> {
        let submitted = Instant::now();
        accept(self, &request)?;
        let conversation = Conversation::of(&request)?;
        let (session, notices) = self.session(&conversation).await;
        let payload = Payload {
            endpoint: &self.endpoint,
            mapping: &self.mapping,
            ranges: &self.ranges,
            dialect: self.dialect(),
            remembered: session.is_some(),
        };
        let (arguments, sent) = payload.values(&conversation, &request.options)?;
        let final_only = whole || self.learned.whole.load(Ordering::Relaxed);
        let answer = Answer::new(sent, final_only, self.reasoning, request.options.stop);
        let about = About {
            provider: self.info.id.clone(),
            model: self.info.model.clone(),
            output: self.mapping.output,
            keeps: self.mapping.keeps_history.then_some(conversation),
            learned: Arc::clone(&self.learned),
            submitted,
        };
        let stage = self.submit(arguments, session).await?;
        let generation = Generation::new(stage, about, answer, notices, final_only);
        let events = stream::unfold(generation, |mut generation| async move {
            generation.next().await.map(|event| (event, generation))
        });
        Ok(Box::pin(events.fuse()))
    }

    /// Enters the queue; a Space that has fallen asleep meanwhile is woken while the stream tells.
    async fn submit(&self, arguments: Arguments, session: Option<String>) -> Result<Stage, Error> {
        let full_values = self.learned.full_values.load(Ordering::Relaxed);
        let options = CallOptions { session, full_values };
        let failure =
            match self.client.call(&self.endpoint, arguments.clone(), options.clone()).await {
                Ok(call) => return Ok(Stage::Open(Box::new(call))),
                Err(failure) if !self.client.may_wake(&failure) => return Err(failure),
                Err(failure) => failure,
            };
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        let (client, endpoint) = (self.client.clone(), self.endpoint.clone());
        let opening = async move {
            client.wake(failure, |what| drop(sender.send(what.to_owned()))).await?;
            let endpoint = client.endpoint(&endpoint.name)?;
            client.call(&endpoint, arguments, CallOptions { session: None, ..options }).await
        };
        Ok(Stage::Opening(Box::pin(opening), receiver))
    }

    fn dialect(&self) -> Dialect {
        Dialect::from_number(self.learned.dialect.load(Ordering::Relaxed)).unwrap_or(self.expected)
    }

    /// The session under which the Space knows the turns so far.
    async fn session(&self, conversation: &Conversation) -> (Option<String>, Vec<Notice>) {
        let known = Known::before(conversation).filter(|_| self.mapping.keeps_history);
        let Some(known) = known else { return (None, Vec::new()) };
        if let Some(session) = self.learned.take_session(&known)
            && self.client.same_process().await
        {
            return (Some(session), Vec::new());
        }
        let message = "the Space keeps conversations itself and does not know this one: \
                       the earlier turns go with the message as a transcript";
        (None, vec![Notice::new(NoticeKind::Info, message)])
    }
}

/// Connects as the settings say, and reports what is waited for.
pub(crate) async fn connect(
    settings: &Settings,
    context: &BuildContext,
) -> Result<GradioClient, Error> {
    let space = SpaceRef::parse(&settings.space)?;
    if context.offline() {
        return Err(offline(&space));
    }
    let options = settings.connect_options(context)?;
    let report = |task: &str, finished: bool| {
        context.report(Progress { task: task.to_owned(), done: 0, total: None, finished });
    };
    let task = format!("connecting to {space}");
    let result = GradioClient::connect(&space, options, |what| report(what, false)).await;
    report(&task, true);
    result
}

pub(crate) fn offline(space: &SpaceRef) -> Error {
    let message = format!("{space} is on the network, which is not to be used");
    Error::new(ErrorKind::Network, message)
        .with_hint("go online, or use a provider on this machine")
        .with_advice(ports::RetryAdvice::OtherProviderOnly)
}

fn capabilities(endpoint: &Endpoint, mapping: &Mapping, settings: &Settings) -> Capabilities {
    let mut capabilities =
        Capabilities::of(mapping.inputs.keys().filter_map(|role| role.capability()));
    let supported = &mut capabilities.supported;
    supported.insert(Capability::Stop);
    if mapping.keeps_history {
        supported.insert(Capability::MultiTurn);
    }
    if endpoint.generator {
        // A plain function of the app runs to its end, whoever has left.
        supported.insert(Capability::Cancel);
        if settings.stream {
            supported.insert(Capability::Streaming);
        }
    }
    capabilities.concurrency = Some(settings.concurrency.unwrap_or(1));
    capabilities
}

#[async_trait]
impl TextGenerator for SpaceGenerator {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn stream(&self, request: Request) -> Result<EventStream, Error> {
        self.start(request, false).await.map_err(|error| error.with_provider(self.info.id.clone()))
    }

    /// Folds a stream that holds everything back to the final value: an app that rewrites its text
    /// on the way does no harm to somebody who waits for the whole of it.
    async fn generate(&self, request: Request) -> Result<Response, Error> {
        let provider = |error: Error| error.with_provider(self.info.id.clone());
        let mut events = self.start(request, true).await.map_err(provider)?;
        let mut response = Response::default();
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => response.absorb(event),
                Err(error) => return Err(provider(error).with_partial(response)),
            }
        }
        Ok(response)
    }

    async fn health(&self) -> Result<Health, Error> {
        self.client.health().await.map_err(|error| error.with_provider(self.info.id.clone()))
    }

    async fn quota(&self) -> Result<Option<Quota>, Error> {
        self.client.quota().await.map_err(|error| error.with_provider(self.info.id.clone()))
    }
}
