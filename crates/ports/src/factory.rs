//! The port that makes providers from configuration.

use std::fmt;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use domain::ProviderId;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Error, ErrorKind, Evaluator, Secret, SecretRef, TextGenerator};

/// A key that a kind of provider takes in its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// As written under `[providers.NAME]`.
    pub name: &'static str,
    /// One line, with the default.
    pub about: &'static str,
}

/// What the configuration says of one provider: its name and its settings, without `kind`.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderSpec {
    /// Its name.
    pub id: ProviderId,
    /// The rest of its table.
    pub settings: Map<String, Value>,
}

impl ProviderSpec {
    /// Reads the settings into an adapter's own type.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] with serde's words for what does not fit.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_value(Value::Object(self.settings.clone())).map_err(|error| {
            let message = format!("[providers.{}]: {error}", self.id);
            Error::new(ErrorKind::ConfigInvalid, message).with_provider(self.id.clone())
        })
    }
}

/// How far a slow piece of work has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What is done, in a few words, e.g. `fetching smollm2-135m`.
    pub task: String,
    /// Bytes done so far.
    pub done: u64,
    /// Bytes in all, where known.
    pub total: Option<u64>,
    /// Whether this is the last report of the task.
    pub finished: bool,
}

type ProgressSink = Arc<dyn Fn(Progress) + Send + Sync>;
type SecretResolver = Arc<dyn Fn(&SecretRef) -> Result<Secret, Error> + Send + Sync>;

/// What an application lends to factories: libraries read no environment by themselves.
#[derive(Clone)]
pub struct BuildContext {
    offline: bool,
    progress: ProgressSink,
    secrets: SecretResolver,
}

impl Default for BuildContext {
    /// Online, silent, without secrets.
    fn default() -> Self {
        Self {
            offline: false,
            progress: Arc::new(|_| {}),
            secrets: Arc::new(|_| {
                let message = "this application gives providers no secrets";
                Err(Error::new(ErrorKind::Unauthenticated, message))
            }),
        }
    }
}

impl BuildContext {
    /// Forbids the network.
    #[must_use]
    pub fn with_offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// Receives progress; called from any thread, must return soon.
    #[must_use]
    pub fn with_progress(mut self, sink: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.progress = Arc::new(sink);
        self
    }

    /// Turns references into secrets.
    #[must_use]
    pub fn with_secrets(
        mut self,
        resolve: impl Fn(&SecretRef) -> Result<Secret, Error> + Send + Sync + 'static,
    ) -> Self {
        self.secrets = Arc::new(resolve);
        self
    }

    /// Whether the network is forbidden.
    pub fn offline(&self) -> bool {
        self.offline
    }

    /// Tells how far a slow piece of work has come.
    pub fn report(&self, progress: Progress) {
        (self.progress)(progress);
    }

    /// The secret behind a reference.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`] when there is none.
    pub fn secret(&self, reference: &SecretRef) -> Result<Secret, Error> {
        (self.secrets)(reference)
    }
}

impl fmt::Debug for BuildContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuildContext").field("offline", &self.offline).finish_non_exhaustive()
    }
}

/// Builds providers of one kind. Adapters offer one; applications register their own.
#[async_trait]
pub trait ProviderFactory: Debug + Send + Sync + 'static {
    /// The word that `kind = "…"` selects it by.
    fn kind(&self) -> &str;

    /// One line about what it builds.
    fn about(&self) -> &str;

    /// Every key that it takes; configuration with another one is refused by name.
    fn settings(&self) -> &[Setting];

    /// Builds a provider: fetches and loads what it needs, and reports progress meanwhile.
    /// Dropping the future ends the work and leaves nothing half-written.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] for settings that make no sense; otherwise whatever keeps it
    /// from answering: [`ErrorKind::ModelLoad`], [`ErrorKind::Network`], …
    async fn build(
        &self,
        spec: ProviderSpec,
        context: &BuildContext,
    ) -> Result<Arc<dyn TextGenerator>, Error>;

    /// Builds an evaluator, for kinds that have one.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for kinds that have none; otherwise as [`build`](Self::build).
    async fn build_evaluator(
        &self,
        spec: ProviderSpec,
        _context: &BuildContext,
    ) -> Result<Arc<dyn Evaluator>, Error> {
        let message =
            format!("providers of the kind {:?} do not evaluate by themselves", self.kind());
        Err(Error::new(ErrorKind::Unsupported, message)
            .with_provider(spec.id)
            .with_hint("evaluate sample by sample instead: leave the remote runner out"))
    }
}
