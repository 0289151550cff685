//! Blocking work that ends soon after nobody waits for it any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ports::Error;

use super::lock::ModelLock;
use crate::aside::aside;

/// Says to blocking work that its result is no longer wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.ask();
    }
}

/// The right to change a model's files; shared with blocking work, so that the next one in line
/// waits for work that outlives its future by a moment.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    _lock: Option<Arc<ModelLock>>,
}

impl Held {
    pub(super) fn new(lock: ModelLock) -> Self {
        Self { _lock: Some(Arc::new(lock)) }
    }

    /// For work that only reads.
    pub(super) fn nothing() -> Self {
        Self { _lock: None }
    }

    /// Runs blocking work away from the async threads.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Stop) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let guard = StopOnDrop(Stop::default());
        let (stop, held) = (guard.0.clone(), self.clone());
        let result = aside("work on the disk", move || {
            let result = work(&stop);
            drop(held);
            result
        });
        let result = result.await;
        drop(guard);
        result
    }
}
