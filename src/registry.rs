//! Provider kinds by name: the one place where a word of the configuration becomes a provider.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::ProviderId;
use ports::{
    BuildContext, Error, ErrorKind, Evaluator, ProviderFactory, ProviderSpec, TextGenerator,
};

use serde_json::{Map, Value};

use crate::Config;

/// A setting that providers of any kind may have; where they do not set it, the configuration's
/// own key of that name holds for them.
const HUB_ENDPOINT: &str = "hub_endpoint";

/// Factories by kind. Applications add their own with [`ProviderRegistry::register`]; nothing of
/// textport changes for it.
#[derive(Debug, Clone, Default)]
pub struct ProviderRegistry {
    factories: BTreeMap<String, Arc<dyn ProviderFactory>>,
}

impl ProviderRegistry {
    /// A registry without any kind.
    pub fn empty() -> Self {
        Self::default()
    }

    /// A registry with the kinds that this build of textport carries.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] when a table under `[models]` makes no sense.
    #[cfg_attr(not(feature = "local"), expect(unused_variables, reason = "no kind to configure"))]
    pub fn builtin(config: &Config) -> Result<Self, Error> {
        #[cfg_attr(
            not(any(feature = "local", feature = "zerogpu")),
            expect(unused_mut, reason = "no kind to register")
        )]
        let mut registry = Self::empty();
        #[cfg(feature = "local")]
        {
            let catalogue = adapter_local::Catalogue::with_entries(&config.models)?;
            let store = crate::local::model_store(config);
            registry.register(Arc::new(adapter_local::LocalFactory::new(catalogue, store)));
        }
        #[cfg(feature = "zerogpu")]
        registry.register(Arc::new(adapter_zerogpu::ZeroGpuFactory::new()));
        Ok(registry)
    }

    /// Adds a kind; a later one of the same name replaces an earlier one.
    pub fn register(&mut self, factory: Arc<dyn ProviderFactory>) -> &mut Self {
        self.factories.insert(factory.kind().to_owned(), factory);
        self
    }

    /// The factories, sorted by kind.
    pub fn factories(&self) -> impl Iterator<Item = &Arc<dyn ProviderFactory>> {
        self.factories.values()
    }

    /// Builds the provider or route that the configuration knows as `id`.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] for an unknown name, kind or key, each with the known ones;
    /// otherwise the factory's.
    pub async fn build(
        &self,
        id: &ProviderId,
        config: &Config,
        context: &BuildContext,
    ) -> Result<Arc<dyn TextGenerator>, Error> {
        if let Some(route) = config.routes.get(id) {
            return Box::pin(crate::route::build(self, id, route, config, context)).await;
        }
        let (factory, spec) = self.resolve(id, config)?;
        factory.build(spec, context).await.map_err(|error| error.with_provider(id.clone()))
    }

    /// Builds the evaluator that runs where the provider `id` does.
    ///
    /// # Errors
    /// As [`build`](Self::build), and [`ErrorKind::Unsupported`] for routes and for kinds that have
    /// no evaluator.
    pub async fn build_evaluator(
        &self,
        id: &ProviderId,
        config: &Config,
        context: &BuildContext,
    ) -> Result<Arc<dyn Evaluator>, Error> {
        if config.routes.contains_key(id) {
            let message = format!("{id} is a route, and a route has no evaluator");
            return Err(Error::new(ErrorKind::Unsupported, message)
                .with_provider(id.clone())
                .with_hint("name one of its providers"));
        }
        let (factory, spec) = self.resolve(id, config)?;
        let built = factory.build_evaluator(spec, context).await;
        built.map_err(|error| error.with_provider(id.clone()))
    }

    /// Checks the configuration of every provider without building one.
    ///
    /// # Errors
    /// The first unknown kind or key.
    pub fn check(&self, config: &Config) -> Result<(), Error> {
        crate::route::check(&config.provider, config, &mut Vec::new())?;
        let mut routes = config.routes.keys();
        routes.try_for_each(|id| crate::route::check(id, config, &mut Vec::new()))?;
        config.providers.keys().try_for_each(|id| self.resolve(id, config).map(|_| ()))
    }

    fn resolve(
        &self,
        id: &ProviderId,
        config: &Config,
    ) -> Result<(&dyn ProviderFactory, ProviderSpec), Error> {
        let mut provider = config.provider_config(id)?;
        let Some(factory) = self.factories.get(&provider.kind) else {
            let known: Vec<&str> = self.factories.keys().map(String::as_str).collect();
            let message =
                format!("[providers.{id}]: there is no provider kind {:?}", provider.kind);
            return Err(Error::new(ErrorKind::ConfigInvalid, message)
                .with_provider(id.clone())
                .with_hint(choices("kind", &provider.kind, &known)));
        };
        let known: Vec<&str> = factory.settings().iter().map(|setting| setting.name).collect();
        if let Some(key) = provider.settings.keys().find(|key| !known.contains(&key.as_str())) {
            let message = format!("[providers.{id}] has an unknown key {key:?}");
            return Err(Error::new(ErrorKind::ConfigInvalid, message)
                .with_provider(id.clone())
                .with_hint(choices("key", key, &known)));
        }
        if let Some(endpoint) = &config.hub_endpoint
            && known.contains(&HUB_ENDPOINT)
        {
            let own = provider.settings.entry(HUB_ENDPOINT);
            own.or_insert_with(|| Value::String(endpoint.clone()));
        }
        Ok((factory.as_ref(), ProviderSpec { id: id.clone(), settings: provider.settings }))
    }
}

/// The providers that need no configuration, as the tables `[providers.NAME]` would say them.
pub fn builtin_providers() -> Map<String, Value> {
    #[cfg_attr(
        not(any(feature = "local", feature = "zerogpu")),
        expect(unused_mut, reason = "no provider to name")
    )]
    let mut providers = Map::new();
    #[cfg(feature = "local")]
    providers.insert("local".into(), serde_json::json!({ "kind": "local" }));
    #[cfg(feature = "zerogpu")]
    providers.extend(adapter_zerogpu::builtin_providers());
    providers
}

/// "did you mean …?" with everything that is known.
pub(crate) fn choices(what: &str, given: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(given, name), *name))
        .filter(|(distance, _)| *distance <= 1 + given.len() / 3)
        .min();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    match near {
        Some((_, name)) => format!("did you mean {name:?}? known {what}s: {known}"),
        None => format!("known {what}s: {known}"),
    }
}
