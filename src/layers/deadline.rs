//! One time limit for a whole call, whatever happens inside.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::{Capabilities, Health, ProviderInfo, Quota, Request};
use futures_util::{StreamExt, stream};
use ports::{Error, ErrorKind, EventStream, TextGenerator, TimeoutPhase};
use tokio::time::{Instant, timeout_at};

/// Ends a call that takes longer than its limit; the work behind it is dropped.
///
/// In a batch the limit holds for each request from its own start.
#[derive(Debug)]
pub struct Deadline {
    inner: Arc<dyn TextGenerator>,
    limit: Duration,
}

impl Deadline {
    /// Limits every call of `inner`.
    pub fn new(inner: Arc<dyn TextGenerator>, limit: Duration) -> Self {
        Self { inner, limit }
    }

    fn elapsed(&self) -> Error {
        let message = format!("no complete answer within {:?}", self.limit);
        Error::new(ErrorKind::Timeout(TimeoutPhase::Total), message)
            .with_provider(self.inner.info().id.clone())
            .with_hint("allow more time, ask for fewer tokens, or use a faster provider")
    }
}

#[async_trait]
impl TextGenerator for Deadline {
    fn info(&self) -> &ProviderInfo {
        self.inner.info()
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    async fn stream(&self, request: Request) -> Result<EventStream, Error> {
        let until = Instant::now() + self.limit;
        let opened = timeout_at(until, self.inner.stream(request)).await;
        let events = opened.map_err(|_| self.elapsed())??;
        let elapsed = self.elapsed();
        let state = Some((events, elapsed));
        let limited = stream::unfold(state, move |state| async move {
            let (mut events, elapsed) = state?;
            match timeout_at(until, events.next()).await {
                Ok(item) => item.map(|item| (item, Some((events, elapsed)))),
                // Dropping `events` here is what ends the work.
                Err(_) => Some((Err(elapsed), None)),
            }
        });
        Ok(Box::pin(limited.fuse()))
    }

    async fn health(&self) -> Result<Health, Error> {
        timeout_at(Instant::now() + self.limit, self.inner.health())
            .await
            .map_err(|_| self.elapsed())?
    }

    async fn quota(&self) -> Result<Option<Quota>, Error> {
        timeout_at(Instant::now() + self.limit, self.inner.quota())
            .await
            .map_err(|_| self.elapsed())?
    }

    async fn embeddings(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Error> {
        timeout_at(Instant::now() + self.limit, self.inner.embeddings(texts))
            .await
            .map_err(|_| self.elapsed())?
    }
}
