//! The example file's model, fetched for real.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use ports::BuildContext;
use serde_json::Value;
use textport_adapter_local::{Catalogue, ModelStore};

#[tokio::test]
#[ignore = "fetches 1.1 GB"]
async fn the_example_model_is_fetched_and_checked() {
    let text = include_str!("../../../examples/models.toml");
    let config: BTreeMap<String, BTreeMap<String, Value>> = toml::from_str(text).unwrap();
    let catalogue = Catalogue::with_entries(&config["models"]).unwrap();
    let store = ModelStore::new(Path::new(env!("CARGO_TARGET_TMPDIR")));
    static DONE: AtomicU64 = AtomicU64::new(0);
    let context = BuildContext::default().with_progress(|p| {
        assert!(p.total.is_some(), "{p:?}");
        DONE.store(p.done, Ordering::Relaxed);
    });
    let path = store.ensure(&catalogue, "qwen2.5-coder-1.5b", &context).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 1_117_320_768);
    assert!(matches!(DONE.load(Ordering::Relaxed), 0 | 1_117_320_768));
    let folder = path.parent().unwrap();
    assert!(!folder.join(".partial").exists(), "nothing is left of the wheels");
}
