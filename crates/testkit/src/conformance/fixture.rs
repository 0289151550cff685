//! What is tested, and what the suite cannot find out by itself.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::Request;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ports::TextGenerator;

type Make = Arc<dyn Fn() -> BoxFuture<'static, Arc<dyn TextGenerator>> + Send + Sync>;
type Running = Arc<dyn Fn() -> usize + Send + Sync>;

/// What is tested, and what the suite cannot find out by itself.
#[derive(Clone)]
pub struct Fixture {
    make: Make,
    prompt: String,
    tokens: u32,
    stop: Option<String>,
    reasoning_prompt: Option<String>,
    failing_request: Option<Request>,
    seeds_vary: bool,
    running: Option<Running>,
    case_limit: Duration,
    exceptions: BTreeMap<String, String>,
}

impl Fixture {
    /// All cases run against this generator.
    pub fn new(generator: Arc<dyn TextGenerator>) -> Self {
        Self::building(move || {
            let generator = Arc::clone(&generator);
            async move { generator }
        })
    }

    /// Each case runs against a generator of its own.
    pub fn building<F>(make: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Arc<dyn TextGenerator>> + Send + 'static,
    {
        Self {
            make: Arc::new(move || make().boxed()),
            prompt: "Tell me how ships find a port, in three sentences.".into(),
            tokens: 12,
            stop: None,
            reasoning_prompt: None,
            failing_request: None,
            seeds_vary: false,
            running: None,
            case_limit: Duration::from_secs(60),
            exceptions: BTreeMap::new(),
        }
    }

    /// A user's message whose answer has at least `tokens` tokens; 4 at least, 12 by default.
    #[must_use]
    pub fn with_prompt(mut self, prompt: impl Into<String>, tokens: u32) -> Self {
        self.prompt = prompt.into();
        self.tokens = tokens.max(4);
        self
    }

    /// A text that is certain to occur in the answer. Only needed where runs do not repeat;
    /// otherwise the suite takes its stop sequences from the answer itself.
    #[must_use]
    pub fn with_stop(mut self, stop: impl Into<String>) -> Self {
        self.stop = Some(stop.into());
        self
    }

    /// A user's message that makes the model think. Needed by whoever declares `think`.
    #[must_use]
    pub fn with_reasoning_prompt(mut self, prompt: impl Into<String>) -> Self {
        self.reasoning_prompt = Some(prompt.into());
        self
    }

    /// A request that is accepted, gives some text and then fails.
    #[must_use]
    pub fn with_failing_request(mut self, request: Request) -> Self {
        self.failing_request = Some(request);
        self
    }

    /// Sampling at a high temperature really differs from seed to seed.
    #[must_use]
    pub fn with_seeds_that_vary(mut self) -> Self {
        self.seeds_vary = true;
        self
    }

    /// Counts the generations at work inside the generator: zero when every place is free.
    #[must_use]
    pub fn with_running(mut self, running: impl Fn() -> usize + Send + Sync + 'static) -> Self {
        self.running = Some(Arc::new(running));
        self
    }

    /// How long one case may take; 60 seconds by default.
    #[must_use]
    pub fn with_case_limit(mut self, limit: Duration) -> Self {
        self.case_limit = limit;
        self
    }

    /// Skips a case for a reason that the report prints.
    #[must_use]
    pub fn with_exception(mut self, case: impl Into<String>, reason: impl Into<String>) -> Self {
        self.exceptions.insert(case.into(), reason.into());
        self
    }

    pub(super) async fn make(&self) -> Arc<dyn TextGenerator> {
        (self.make)().await
    }

    pub(super) async fn name(&self) -> String {
        self.make().await.info().id.to_string()
    }

    pub(super) fn prompt(&self) -> &str {
        &self.prompt
    }

    pub(super) fn tokens(&self) -> u32 {
        self.tokens
    }

    pub(super) fn stop(&self) -> Option<&str> {
        self.stop.as_deref()
    }

    pub(super) fn reasoning_prompt(&self) -> Option<&str> {
        self.reasoning_prompt.as_deref()
    }

    pub(super) fn failing_request(&self) -> Option<Request> {
        self.failing_request.clone()
    }

    pub(super) fn seeds_vary(&self) -> bool {
        self.seeds_vary
    }

    pub(super) fn running(&self) -> Option<usize> {
        self.running.as_ref().map(|running| running())
    }

    pub(super) fn case_limit(&self) -> Duration {
        self.case_limit
    }

    pub(super) fn exception(&self, case: &str) -> Option<&str> {
        self.exceptions.get(case).map(String::as_str)
    }

    pub(super) fn exceptions(&self) -> impl Iterator<Item = &str> {
        self.exceptions.keys().map(String::as_str)
    }
}

impl fmt::Debug for Fixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fixture")
            .field("prompt", &self.prompt)
            .field("tokens", &self.tokens)
            .field("exceptions", &self.exceptions)
            .finish_non_exhaustive()
    }
}
