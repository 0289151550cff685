//! A sound fake with one thing broken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use domain::{Capabilities, Capability, Event, ProviderInfo, Request, Response};
use futures_util::{StreamExt, stream};
use ports::{Error, ErrorKind, EventStream, TextGenerator, accept};
use textport_testkit::conformance::{self, Fixture};
use textport_testkit::{FakeGenerator, Turn};

pub(crate) const ANSWER: &str =
    "One port takes the question, the harbour answers it, and all the ships are well.";

type Results = Vec<Result<Response, Error>>;
type OnRequest = Box<dyn Fn(Request) -> Request + Send + Sync>;
type OnEvents = Box<dyn Fn(&Request, EventStream) -> EventStream + Send + Sync>;
type OnError = Box<dyn Fn(Error) -> Error + Send + Sync>;
type OnResult = Box<dyn Fn(Result<Response, Error>) -> Result<Response, Error> + Send + Sync>;
type OnBatch = Box<dyn Fn(Results) -> Results + Send + Sync>;
type OnVectors = Box<dyn Fn() -> Result<Vec<Vec<f32>>, Error> + Send + Sync>;
type Refuse = Box<dyn Fn(&Request) -> Result<(), Error> + Send + Sync>;

/// Forwards to a sound fake; each hook is a place to break.
pub(crate) struct Broken {
    pub(crate) inner: FakeGenerator,
    declared: Capabilities,
    later: Option<Capabilities>,
    asked: AtomicBool,
    checks: bool,
    refuse: Refuse,
    request: OnRequest,
    events: OnEvents,
    error: OnError,
    result: OnResult,
    batch: OnBatch,
    vectors: Option<OnVectors>,
}

impl std::fmt::Debug for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broken").finish_non_exhaustive()
    }
}

pub(crate) fn reset() -> Error {
    Error::new(ErrorKind::Network, "reset")
}

/// Answers with [`ANSWER`], thinks first, and fails in the middle when `top_k` is 13.
pub(crate) fn sound() -> FakeGenerator {
    FakeGenerator::new("sound").answering_with(|request| {
        let turn = Turn::new().reasoning("Let me see.");
        match request.options.top_k {
            Some(13) => turn.text("so far").failing(reset),
            _ => turn.text(ANSWER),
        }
    })
}

impl Broken {
    pub(crate) fn new() -> Self {
        Self::over(sound())
    }

    pub(crate) fn over(inner: FakeGenerator) -> Self {
        Self {
            declared: inner.capabilities().clone(),
            inner,
            later: None,
            asked: AtomicBool::new(false),
            checks: true,
            refuse: Box::new(|_| Ok(())),
            request: Box::new(|request| request),
            events: Box::new(|_, events| events),
            error: Box::new(|error| error),
            result: Box::new(|result| result),
            batch: Box::new(|results| results),
            vectors: None,
        }
    }

    /// Declares something else than the fake behind it keeps to.
    pub(crate) fn declaring(mut self, change: impl Fn(&mut Capabilities)) -> Self {
        change(&mut self.declared);
        self
    }

    /// Declares something else after the first request.
    pub(crate) fn declaring_later(mut self, change: impl Fn(&mut Capabilities)) -> Self {
        let mut later = self.declared.clone();
        change(&mut later);
        self.later = Some(later);
        self
    }

    pub(crate) fn lacking(self, capability: Capability) -> Self {
        self.declaring(|declared| {
            declared.supported.remove(&capability);
        })
    }

    /// Takes whatever comes without a look at what is declared.
    pub(crate) fn unchecked(mut self) -> Self {
        self.checks = false;
        self
    }

    pub(crate) fn refusing(
        mut self,
        refuse: impl Fn(&Request) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Self {
        self.refuse = Box::new(refuse);
        self
    }

    pub(crate) fn on_request(
        mut self,
        change: impl Fn(&mut Request) + Send + Sync + 'static,
    ) -> Self {
        self.request = Box::new(move |mut request| {
            change(&mut request);
            request
        });
        self
    }

    pub(crate) fn on_events(
        mut self,
        change: impl Fn(&Request, EventStream) -> EventStream + Send + Sync + 'static,
    ) -> Self {
        self.events = Box::new(change);
        self
    }

    /// Puts these events in the place of each one.
    pub(crate) fn on_event(
        self,
        change: impl Fn(Event) -> Vec<Event> + Clone + Send + Sync + 'static,
    ) -> Self {
        self.on_events(move |_, events| {
            let change = change.clone();
            let changed = events.map(move |item| match item {
                Ok(event) => change(event).into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            });
            Box::pin(changed.flat_map(stream::iter).fuse())
        })
    }

    /// Changes the answer as a whole; it comes as one delta.
    pub(crate) fn on_text(
        self,
        change: impl Fn(&Request, String) -> String + Clone + Send + Sync + 'static,
    ) -> Self {
        self.on_events(move |request, events| {
            let (change, request) = (change.clone(), request.clone());
            Box::pin(
                stream::once(async move {
                    let items: Vec<_> = events.collect().await;
                    rewritten(items, |text| change(&request, text))
                })
                .flat_map(stream::iter)
                .fuse(),
            )
        })
    }

    pub(crate) fn on_error(
        mut self,
        change: impl Fn(Error) -> Error + Send + Sync + 'static,
    ) -> Self {
        self.error = Box::new(change);
        self
    }

    pub(crate) fn on_result(
        mut self,
        change: impl Fn(Result<Response, Error>) -> Result<Response, Error> + Send + Sync + 'static,
    ) -> Self {
        self.result = Box::new(change);
        self
    }

    /// Answers so when it is asked for embeddings.
    pub(crate) fn embedding(
        mut self,
        vectors: impl Fn() -> Result<Vec<Vec<f32>>, Error> + Send + Sync + 'static,
    ) -> Self {
        self.vectors = Some(Box::new(vectors));
        self
    }

    pub(crate) fn on_batch(
        mut self,
        change: impl Fn(Results) -> Results + Send + Sync + 'static,
    ) -> Self {
        self.batch = Box::new(change);
        self
    }

    /// The cases that fail.
    pub(crate) async fn caught(self) -> Vec<&'static str> {
        caught(self.inner.clone(), Arc::new(self)).await
    }
}

/// The cases that `generator`, somehow wrapped around `inner`, fails.
pub(crate) async fn caught(
    inner: FakeGenerator,
    generator: Arc<dyn TextGenerator>,
) -> Vec<&'static str> {
    caught_with(Fixture::new(generator), inner).await
}

pub(crate) async fn caught_with(fixture: Fixture, inner: FakeGenerator) -> Vec<&'static str> {
    let mut failing = Request::user("fail, please");
    failing.options.top_k = Some(13);
    let fixture = fixture
        .with_reasoning_prompt("How many legs have three cats?")
        .with_stop("harbour")
        .with_failing_request(failing)
        .with_running(move || inner.counts().running);
    conformance::run(&fixture).await.failed()
}

/// Joins the texts, changes them, and puts one delta where the last one stood.
fn rewritten(
    items: Vec<Result<Event, Error>>,
    change: impl Fn(String) -> String,
) -> Vec<Result<Event, Error>> {
    let mut text = String::new();
    let mut out = Vec::new();
    let mut at = 0;
    for item in items {
        match item {
            Ok(Event::Text(delta)) => {
                text.push_str(&delta);
                at = out.len();
            }
            other => out.push(other),
        }
    }
    let text = change(text);
    if !text.is_empty() {
        out.insert(at, Ok(Event::Text(text)));
    }
    out
}

#[async_trait]
impl TextGenerator for Broken {
    fn info(&self) -> &ProviderInfo {
        self.inner.info()
    }

    fn capabilities(&self) -> &Capabilities {
        match &self.later {
            Some(later) if self.asked.load(Ordering::SeqCst) => later,
            _ => &self.declared,
        }
    }

    async fn embeddings(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Error> {
        match &self.vectors {
            Some(vectors) => vectors(),
            None => self.inner.embeddings(texts).await,
        }
    }

    async fn stream(&self, request: Request) -> Result<EventStream, Error> {
        (self.refuse)(&request)?;
        if self.checks {
            accept(self, &request).map_err(&self.error)?;
        }
        self.asked.store(true, Ordering::SeqCst);
        let passed_on = (self.request)(request.clone());
        let events = self.inner.stream(passed_on).await.map_err(&self.error)?;
        Ok((self.events)(&request, events))
    }

    async fn generate(&self, request: Request) -> Result<Response, Error> {
        let mut response = Response::default();
        let result = match self.stream(request).await {
            Err(error) => Err(error),
            Ok(mut events) => loop {
                match events.next().await {
                    None => break Ok(response),
                    Some(Ok(event)) => response.absorb(event),
                    Some(Err(error)) => break Err(error.with_partial(response)),
                }
            },
        };
        (self.result)(result)
    }

    async fn generate_batch(&self, requests: Vec<Request>) -> Results {
        let answers = requests.into_iter().map(|request| self.generate(request));
        (self.batch)(stream::iter(answers).buffered(4).collect().await)
    }
}
