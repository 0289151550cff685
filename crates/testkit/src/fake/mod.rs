//! A provider that answers from a script, for tests of whatever stands in front of a provider.

mod counts;
mod factory;
mod pieces;
mod run;
mod stops;
mod turn;

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::{Capabilities, Capability, Prompt, ProviderId, ProviderInfo, Request};
use futures_util::{StreamExt, stream};
use ports::{Error, ErrorKind, EventStream, TextGenerator, accept};
use tokio::sync::Semaphore;

use counts::Counters;
pub use counts::Counts;
pub use factory::FakeFactory;
use run::Run;
pub use turn::Turn;

const DEFAULT_ANSWER: &str = "One port takes the question, and many providers may answer it: \
    first the near one, then the far one, and at last whoever is left in the harbour tonight.";
const DEFAULT_CONTEXT: u32 = 4096;
const DEFAULT_PLACES: u32 = 4;

type Answer = Arc<dyn Fn(&Request) -> Turn + Send + Sync>;

/// A scripted provider. Clones share the script, the records and the places to run.
///
/// Each request takes the next [`Turn`] of the script; after the last one the standing answer
/// holds. It declares every capability unless told otherwise, keeps to what it declares, and
/// passes the conformance suite.
///
/// ```
/// use textport_testkit::{FakeGenerator, Turn};
/// # use {domain::*, ports::*};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
/// let fake = FakeGenerator::new("fake")
///     .failing(1, || Error::new(ErrorKind::Network, "reset"))
///     .answering("all is well");
/// assert!(fake.generate(Request::user("hello?")).await.is_err());
/// assert_eq!(fake.generate(Request::user("hello?")).await?.text, "all is well");
/// assert_eq!((fake.requests().len(), fake.counts().running), (2, 0));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct FakeGenerator {
    info: ProviderInfo,
    capabilities: Capabilities,
    answer: Answer,
    pace: Duration,
    places: Arc<Semaphore>,
    counters: Arc<Counters>,
    script: Arc<Mutex<VecDeque<Turn>>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl FakeGenerator {
    /// A provider of this name with every capability, a standing answer of some thirty words, a
    /// context of 4096 tokens and four places to run.
    ///
    /// # Panics
    /// When `id` is not a provider's name.
    #[expect(clippy::panic, reason = "a wrong name is a mistake in the test itself")]
    pub fn new(id: &str) -> Self {
        let id = ProviderId::new(id).unwrap_or_else(|invalid| panic!("{invalid}"));
        let capabilities = Capabilities {
            supported: BTreeSet::from(Capability::ALL),
            context_length: Some(DEFAULT_CONTEXT),
            concurrency: None,
        };
        Self {
            info: ProviderInfo { id, kind: "fake".into(), model: None },
            capabilities,
            answer: Arc::new(|_| Turn::new().reasoning("Let me see.").text(DEFAULT_ANSWER)),
            pace: Duration::ZERO,
            places: Arc::new(Semaphore::new(0)),
            counters: Arc::default(),
            script: Arc::default(),
            requests: Arc::default(),
        }
        .with_concurrency(DEFAULT_PLACES)
    }

    /// Appends a turn to the script.
    #[must_use]
    pub fn then(self, turn: Turn) -> Self {
        lock(&self.script).push_back(turn);
        self
    }

    /// Appends `times` turns that fail before their first event.
    #[must_use]
    pub fn failing(
        self,
        times: usize,
        error: impl Fn() -> Error + Clone + Send + Sync + 'static,
    ) -> Self {
        (0..times).fold(self, |fake, _| fake.then(Turn::refusing(error.clone())))
    }

    /// Sets the standing answer to a text.
    #[must_use]
    pub fn answering(self, text: impl Into<String>) -> Self {
        let text = text.into();
        self.answering_with(move |_| Turn::new().text(&text))
    }

    /// Sets the standing answer to whatever `answer` makes of a request.
    #[must_use]
    pub fn answering_with(
        mut self,
        answer: impl Fn(&Request) -> Turn + Send + Sync + 'static,
    ) -> Self {
        self.answer = Arc::new(answer);
        self
    }

    /// Sets what the provider says of itself.
    #[must_use]
    pub fn with_info(mut self, info: ProviderInfo) -> Self {
        self.info = info;
        self
    }

    /// Declares these capabilities and no others.
    #[must_use]
    pub fn with_supported(mut self, supported: impl IntoIterator<Item = Capability>) -> Self {
        self.capabilities.supported = supported.into_iter().collect();
        self
    }

    /// Declares all but one capability.
    #[must_use]
    pub fn without(mut self, capability: Capability) -> Self {
        self.capabilities.supported.remove(&capability);
        self
    }

    /// Sets the context; `None` declares none and takes any prompt.
    #[must_use]
    pub fn with_context_length(mut self, tokens: Option<u32>) -> Self {
        self.capabilities.context_length = tokens;
        self
    }

    /// Sets how many requests run at once; further ones wait for a place.
    #[must_use]
    pub fn with_concurrency(mut self, places: u32) -> Self {
        self.capabilities.concurrency = Some(places);
        self.places = Arc::new(Semaphore::new(places as usize));
        self
    }

    /// Waits this long before each token.
    #[must_use]
    pub fn with_pace(mut self, pace: Duration) -> Self {
        self.pace = pace;
        self
    }

    /// Every request so far, refused ones included, in order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.requests).clone()
    }

    /// What became of the requests so far.
    pub fn counts(&self) -> Counts {
        self.counters.read()
    }

    fn next_turn(&self, request: &Request) -> Turn {
        let scripted = lock(&self.script).pop_front();
        scripted.unwrap_or_else(|| (self.answer)(request))
    }

    fn check_context(&self, prompt_tokens: usize) -> Result<(), Error> {
        match self.capabilities.context_length {
            Some(length) if prompt_tokens >= length as usize => {
                let message =
                    format!("the prompt has {prompt_tokens} tokens, the context {length}");
                Err(Error::new(ErrorKind::ContextLengthExceeded, message)
                    .with_provider(self.info.id.clone()))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl TextGenerator for FakeGenerator {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn stream(&self, request: Request) -> Result<EventStream, Error> {
        lock(&self.requests).push(request.clone());
        accept(self, &request)?;
        let prompt_tokens = prompt_tokens(&request.prompt);
        self.check_context(prompt_tokens)?;
        let turn = self.next_turn(&request);
        if let Some(refusal) = &turn.refusal {
            self.counters.refused();
            return Err(refusal().with_provider(self.info.id.clone()));
        }
        let run = Run::new(self, &request, turn, prompt_tokens);
        Ok(Box::pin(stream::unfold(run, Run::next).fuse()))
    }
}

impl fmt::Debug for FakeGenerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeGenerator")
            .field("id", &self.info.id)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

fn prompt_tokens(prompt: &Prompt) -> usize {
    match prompt {
        Prompt::Raw(text) => pieces::of(text).count(),
        Prompt::Messages(messages) => messages.iter().map(|m| pieces::of(&m.content).count()).sum(),
    }
}

/// A test that panicked while it held a lock has failed already; the others go on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
