//! The port that applications call.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use domain::{
    Capabilities, Event, Health, HealthState, ProviderInfo, Quota, Request, Response, Usage,
};
use futures_core::Stream;
use futures_util::{StreamExt, stream};

use crate::{Error, ErrorKind, RetryAdvice};

/// The events of one generation; dropping it ends the work.
pub type EventStream = Pin<Box<dyn Stream<Item = Result<Event, Error>> + Send>>;

/// Requests that `generate_batch` keeps in flight where a provider does not say.
const DEFAULT_CONCURRENCY: usize = 4;

/// Generates text. The contract is in the [crate's documentation](crate).
///
/// Three methods are required. `generate` is the folded `stream`, so the two cannot drift apart;
/// wrappers that only forward should forward every method.
#[async_trait]
pub trait TextGenerator: Debug + Send + Sync + 'static {
    /// Who this is.
    fn info(&self) -> &ProviderInfo;

    /// What it can do. Constant for the life of the provider.
    fn capabilities(&self) -> &Capabilities;

    /// Starts a generation.
    ///
    /// # Errors
    /// Before the first event: [`ErrorKind::InvalidRequest`], [`ErrorKind::Unsupported`] and
    /// [`ErrorKind::ContextLengthExceeded`] where no work is needed to know; call [`accept`] first.
    /// Later errors are the stream's last item.
    async fn stream(&self, request: Request) -> Result<EventStream, Error>;

    /// Generates and waits for the whole answer.
    ///
    /// # Errors
    /// Those of the stream; what was generated before one is in [`Error::partial`].
    async fn generate(&self, request: Request) -> Result<Response, Error> {
        fold(self.stream(request).await?, &self.info().id).await
    }

    /// Generates many answers: one result per request, in order.
    async fn generate_batch(&self, requests: Vec<Request>) -> Vec<Result<Response, Error>> {
        let in_flight = self.capabilities().concurrency.map_or(DEFAULT_CONCURRENCY, |n| n as usize);
        let answers = requests.into_iter().map(|request| self.generate(request));
        stream::iter(answers).buffered(in_flight.max(1)).collect().await
    }

    /// Whether it could answer now.
    ///
    /// # Errors
    /// When even that cannot be found out.
    async fn health(&self) -> Result<Health, Error> {
        Ok(Health { state: HealthState::Unknown, detail: "this provider has no check".into() })
    }

    /// How much it still gives; `None` where there is no quota or no way to know.
    ///
    /// # Errors
    /// When there is a quota and asking for it failed.
    async fn quota(&self) -> Result<Option<Quota>, Error> {
        Ok(None)
    }

    /// Vectors of finite numbers that stand for texts: one per text, in order, all of one length.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where the provider has none, as is the default; the built-in
    /// providers generate text and nothing else.
    async fn embeddings(&self, _texts: Vec<String>) -> Result<Vec<Vec<f32>>, Error> {
        let provider = self.info().id.clone();
        let message = format!("provider {provider} does not support embeddings");
        Err(Error::new(ErrorKind::Unsupported, message)
            .with_provider(provider)
            .with_advice(RetryAdvice::OtherProviderOnly)
            .with_hint("ask a provider that computes them"))
    }
}

/// What every provider does first: refuses a request that is invalid or needs what the provider
/// does not declare.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] or [`ErrorKind::Unsupported`].
pub fn accept(generator: &(impl TextGenerator + ?Sized), request: &Request) -> Result<(), Error> {
    let id = &generator.info().id;
    request.validate().map_err(|invalid| {
        Error::new(ErrorKind::InvalidRequest, invalid.to_string()).with_provider(id.clone())
    })?;
    match generator.capabilities().lacking(request) {
        None => Ok(()),
        Some(capability) => Err(Error::unsupported(id.clone(), capability)),
    }
}

/// Folds a stream to its response; a failed one keeps what it had in the error.
async fn fold(mut events: EventStream, id: &domain::ProviderId) -> Result<Response, Error> {
    let mut response = Response { usage: Usage::default(), ..Response::default() };
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => response.absorb(event),
            Err(error) => return Err(error.with_partial(response)),
        }
    }
    if response.finish_reason.is_some() {
        return Ok(response);
    }
    let message = "the stream ended without saying why";
    Err(Error::new(ErrorKind::Protocol, message).with_provider(id.clone()).with_partial(response))
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: TextGenerator + ?Sized> TextGenerator for Arc<T> {
    fn info(&self) -> &ProviderInfo {
        (**self).info()
    }
    fn capabilities(&self) -> &Capabilities {
        (**self).capabilities()
    }
    async fn stream(&self, request: Request) -> Result<EventStream, Error> {
        (**self).stream(request).await
    }
    async fn generate(&self, request: Request) -> Result<Response, Error> {
        (**self).generate(request).await
    }
    async fn generate_batch(&self, requests: Vec<Request>) -> Vec<Result<Response, Error>> {
        (**self).generate_batch(requests).await
    }
    async fn health(&self) -> Result<Health, Error> {
        (**self).health().await
    }
    async fn quota(&self) -> Result<Option<Quota>, Error> {
        (**self).quota().await
    }
    async fn embeddings(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Error> {
        (**self).embeddings(texts).await
    }
}
