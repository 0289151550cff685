//! The factory of the kind `local`.

use std::sync::Arc;

use async_trait::async_trait;
use domain::ProviderId;
use ports::{BuildContext, Error, ProviderFactory, ProviderSpec, Setting, TextGenerator};

use crate::aside::aside;
use crate::config::{LocalConfig, SETTINGS};
use crate::{Catalogue, LocalGenerator, ModelStore, device};

/// The word that selects this kind.
pub(crate) const KIND: &str = "local";

/// Builds providers of the kind `local`: fetches the model where needed, and loads it.
#[derive(Debug)]
pub struct LocalFactory {
    catalogue: Catalogue,
    store: ModelStore,
}

impl LocalFactory {
    /// Knows the models of this catalogue and keeps them in this store.
    pub fn new(catalogue: Catalogue, store: ModelStore) -> Self {
        Self { catalogue, store }
    }

    /// As [`ProviderFactory::build`], with the adapter's own type.
    ///
    /// # Errors
    /// The same.
    pub async fn open(
        &self,
        spec: ProviderSpec,
        context: &BuildContext,
    ) -> Result<LocalGenerator, Error> {
        let id = spec.id.clone();
        let opened = self.try_open(spec, context).await;
        opened.map_err(|error| error.with_provider(id))
    }

    async fn try_open(
        &self,
        spec: ProviderSpec,
        context: &BuildContext,
    ) -> Result<LocalGenerator, Error> {
        let mut config = LocalConfig::parse(&spec).map_err(|error| in_table(&spec.id, &error))?;
        // Before a model is fetched for a device that is not there.
        let device = config.device;
        let chosen = aside("looking for a GPU", move || device::resolve(device)).await;
        let device = chosen??.device;
        let path = self.store.ensure(&self.catalogue, &config.model, context).await?;
        for lora in &mut config.lora {
            lora.path = self.store.ensure_adapter(&lora.path, context).await?;
        }
        let sampling = self.catalogue.get(&config.model).map(|entry| entry.sampling);
        let sampling = sampling.unwrap_or_default();
        let loaded = aside("loading the model", move || {
            LocalGenerator::load(spec.id, &config, device, &sampling, &path)
        });
        loaded.await?
    }
}

/// The error with the name of the table that it is about.
fn in_table(id: &ProviderId, error: &Error) -> Error {
    let named = Error::new(error.kind(), format!("[providers.{id}]: {error}"));
    match error.hint() {
        Some(hint) => named.with_hint(hint),
        None => named,
    }
}

#[async_trait]
impl ProviderFactory for LocalFactory {
    fn kind(&self) -> &str {
        KIND
    }

    fn about(&self) -> &str {
        "a GGUF model on this machine"
    }

    fn settings(&self) -> &[Setting] {
        &SETTINGS
    }

    async fn build(
        &self,
        spec: ProviderSpec,
        context: &BuildContext,
    ) -> Result<Arc<dyn TextGenerator>, Error> {
        Ok(Arc::new(self.open(spec, context).await?))
    }
}
