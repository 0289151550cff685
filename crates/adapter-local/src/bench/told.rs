//! Progress of what has to be made before it can be measured.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ports::{BuildContext, Progress};

use super::facts::bytes_of;
use crate::checkpoint::{StoredTensor, TensorFacts, TensorSource};
use crate::error::LoadError;

/// Tells how far the making of tensors has come.
#[derive(Debug)]
pub(super) struct Told {
    inner: Arc<dyn TensorSource>,
    context: BuildContext,
    task: String,
    done: AtomicU64,
    total: u64,
}

impl Told {
    pub(super) fn new(inner: Arc<dyn TensorSource>, context: BuildContext, task: String) -> Self {
        let total = total(inner.as_ref());
        Self { inner, context, task, done: AtomicU64::new(0), total }
    }
}

impl TensorSource for Told {
    fn path(&self) -> &Path {
        self.inner.path()
    }

    fn names(&self) -> Vec<&str> {
        self.inner.names()
    }

    fn facts(&self, name: &str) -> Option<TensorFacts> {
        self.inner.facts(name)
    }

    fn tensor(&self, name: &str) -> Result<StoredTensor, LoadError> {
        let tensor = self.inner.tensor(name)?;
        let bytes = tensor.data.as_slice().len() as u64;
        // A tied embedding may be asked for twice.
        let done = (self.done.fetch_add(bytes, Ordering::Relaxed) + bytes).min(self.total);
        self.context.report(Progress {
            task: self.task.clone(),
            done,
            total: Some(self.total),
            finished: done == self.total,
        });
        Ok(tensor)
    }

    fn shown(&self, name: &str) -> (&Path, String) {
        self.inner.shown(name)
    }
}

fn total(source: &dyn TensorSource) -> u64 {
    source.names().into_iter().filter_map(|name| source.facts(name)).map(|f| bytes_of(&f)).sum()
}
