//! Real Gradio servers, started once for all tests, with the scripts of the adapter's tests.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
use testkit::gradio::{Server, Venv, fetch};

static ALONE: OnceLock<Server> = OnceLock::new();
static ZERO_GPU: OnceLock<Server> = OnceLock::new();

/// The address of the app with an endpoint of every shape.
pub(crate) fn app() -> &'static str {
    ALONE.get_or_init(|| start("alone")).url("main").unwrap()
}

/// The address of the app that asks the real `spaces` package for a GPU at every call.
pub(crate) fn zero_gpu() -> &'static str {
    ZERO_GPU.get_or_init(|| start("zerogpu")).url("zerogpu").unwrap()
}

/// What the functions of the app did: `started`, `running`, `finished`, `ended_early`.
pub(crate) fn count(what: &str, key: &str) -> u64 {
    let ledger = ALONE.get_or_init(|| start("alone")).url("ledger").unwrap();
    let ledger: Value = serde_json::from_str(&fetch(ledger).unwrap()).unwrap();
    ledger[what][key].as_u64().unwrap_or(0)
}

fn start(mode: &str) -> Server {
    let venv = Venv::ensure(&file("requirements-6.txt")).unwrap();
    Server::start(&venv, &file("app.py"), &[mode]).unwrap()
}

fn file(name: &str) -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.join("../adapter-zerogpu/tests/servers").join(name)
}
