//! The provider kind `local`: models on this machine.

pub use adapter_local::*;

use crate::Config;

/// The folders of fetched models that this configuration names, and the Hub that it fetches from.
pub fn model_store(config: &Config) -> ModelStore {
    let mut store = ModelStore::new(&config.cache_dir);
    if let Some(endpoint) = &config.hub_endpoint {
        store = store.with_hub_endpoint(endpoint);
    }
    match &config.hub_cache {
        Some(folder) => store.with_hub_cache(HubCache::new(folder)),
        None => store,
    }
}
