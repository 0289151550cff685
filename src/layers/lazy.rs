//! A provider that is built when it is first needed.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use domain::{Capabilities, Capability, Health, HealthState, ProviderInfo, Quota, Request};
use ports::{Error, EventStream, TextGenerator};
use tokio::sync::OnceCell;

type Building = Pin<Box<dyn Future<Output = Result<Arc<dyn TextGenerator>, Error>> + Send>>;

/// Everything that a request can need. What the provider cannot do it refuses itself, before the
/// first delta, once it is built.
fn askable() -> Capabilities {
    Capabilities::of(Capability::ALL.into_iter().filter(|capability| capability.can_be_needed()))
}

/// Builds a provider at its first call: the later members of a chain cost nothing, neither memory
/// nor a download, while the first one answers.
///
/// It can be asked for anything, because nobody knows yet what it can do, and promises nothing. A
/// build that failed is tried again at the next call.
pub struct Lazy {
    info: ProviderInfo,
    capabilities: Capabilities,
    build: Box<dyn Fn() -> Building + Send + Sync>,
    built: OnceCell<Arc<dyn TextGenerator>>,
}

impl Lazy {
    /// A provider that `build` makes when it is needed.
    pub fn new<F>(info: ProviderInfo, build: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Arc<dyn TextGenerator>, Error>> + Send + 'static,
    {
        let build = Box::new(move || Box::pin(build()) as Building);
        Self { info, capabilities: askable(), build, built: OnceCell::new() }
    }

    async fn inner(&self) -> Result<&Arc<dyn TextGenerator>, Error> {
        self.built.get_or_try_init(|| (self.build)()).await
    }
}

#[async_trait]
impl TextGenerator for Lazy {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn stream(&self, request: Request) -> Result<EventStream, Error> {
        ports::accept(self, &request)?;
        self.inner().await?.stream(request).await
    }

    /// Builds nothing: a check must stay cheap.
    async fn health(&self) -> Result<Health, Error> {
        match self.built.get() {
            Some(inner) => inner.health().await,
            None => Ok(Health { state: HealthState::Unknown, detail: "not built yet".into() }),
        }
    }

    async fn quota(&self) -> Result<Option<Quota>, Error> {
        match self.built.get() {
            Some(inner) => inner.quota().await,
            None => Ok(None),
        }
    }

    async fn embeddings(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Error> {
        self.inner().await?.embeddings(texts).await
    }
}

impl fmt::Debug for Lazy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lazy")
            .field("info", &self.info)
            .field("built", &self.built.get().is_some())
            .finish_non_exhaustive()
    }
}
