//! Opens local providers for tests: the tiny fixtures, and the default model from the shared cache.

#![allow(dead_code, reason = "each test file uses its own part of this")]
#![expect(clippy::unwrap_used, reason = "a test cannot go on without its provider")]

use std::path::{Path, PathBuf};

use domain::ProviderId;
use ports::{BuildContext, Error, ProviderSpec};
use serde_json::{Value, json};
use textport_adapter_local::{Catalogue, LocalFactory, LocalGenerator, ModelStore};

/// A fixture's path.
pub(crate) fn tiny(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The models of all tests.
pub(crate) fn store() -> ModelStore {
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-cache");
    ModelStore::new(&cache)
}

/// Builds a provider with these settings.
pub(crate) async fn open_with(value: Value) -> Result<LocalGenerator, Error> {
    let catalogue = Catalogue::with_entries(&Default::default())?;
    let factory = LocalFactory::new(catalogue, store());
    let id = ProviderId::new("local").unwrap();
    let settings = value.as_object().cloned().unwrap_or_default();
    let spec = ProviderSpec { id, settings };
    factory.open(spec, &BuildContext::default()).await
}

/// A tiny model of one thread.
pub(crate) async fn open_tiny(name: &str) -> LocalGenerator {
    open_with(json!({ "model": tiny(name), "threads": 1 })).await.unwrap()
}

/// The default model.
pub(crate) async fn open_default() -> LocalGenerator {
    open_with(json!({})).await.unwrap()
}
