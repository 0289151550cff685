//! What became of the requests that a fake took.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What became of the requests that a [`FakeGenerator`](crate::FakeGenerator) took. Those that it
/// refused as invalid or unsupported are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Turns begun.
    pub started: usize,
    /// Turns that reached their `Finish`.
    pub finished: usize,
    /// Turns that ended in a scripted error, before or after their first event.
    pub failed: usize,
    /// Streams dropped before their end.
    pub cancelled: usize,
    /// Streams that exist and have not ended. Zero when all is over, or something leaks.
    pub running: usize,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    started: AtomicUsize,
    finished: AtomicUsize,
    failed: AtomicUsize,
    cancelled: AtomicUsize,
}

impl Counters {
    pub(super) fn read(&self) -> Counts {
        // The ends are read before the starts: a stream that ends in between makes `running` too
        // large for a moment, never too small.
        let [finished, failed, cancelled, started] =
            [&self.finished, &self.failed, &self.cancelled, &self.started]
                .map(|counter| counter.load(Ordering::SeqCst));
        let running = started - finished - failed - cancelled;
        Counts { started, finished, failed, cancelled, running }
    }

    pub(super) fn refused(&self) {
        self.started.fetch_add(1, Ordering::SeqCst);
        self.failed.fetch_add(1, Ordering::SeqCst);
    }
}

/// Counts one turn: dropped without a word, it was cancelled.
#[derive(Debug)]
pub(super) struct Guard {
    counters: Arc<Counters>,
    ended: bool,
}

impl Guard {
    pub(super) fn new(counters: &Arc<Counters>) -> Self {
        counters.started.fetch_add(1, Ordering::SeqCst);
        Self { counters: Arc::clone(counters), ended: false }
    }

    pub(super) fn finished(&mut self) {
        self.ended = true;
        self.counters.finished.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn failed(&mut self) {
        self.ended = true;
        self.counters.failed.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.ended {
            self.counters.cancelled.fetch_add(1, Ordering::SeqCst);
        }
    }
}
