//! Progress of one slow piece of work: a few reports a second, never backwards, always an end.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ports::{BuildContext, Progress};

const EVERY: Duration = Duration::from_millis(200);

/// Reports one task; the last report is sent when it is dropped.
#[derive(Debug)]
pub(crate) struct Reporter {
    context: BuildContext,
    task: String,
    total: Option<u64>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    done: u64,
    sent: Option<Instant>,
}

impl Reporter {
    pub(crate) fn new(context: &BuildContext, task: String, total: Option<u64>) -> Self {
        let reporter = Self { context: context.clone(), task, total, state: Mutex::default() };
        reporter.set(0);
        reporter
    }

    /// So much is done by now.
    pub(crate) fn set(&self, done: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.done = self.total.map_or(done, |total| done.min(total)).max(state.done);
        if state.sent.is_none_or(|sent| sent.elapsed() >= EVERY) {
            state.sent = Some(Instant::now());
            let done = state.done;
            drop(state);
            self.send(done, false);
        }
    }

    fn send(&self, done: u64, finished: bool) {
        self.context.report(Progress {
            task: self.task.clone(),
            done,
            total: self.total,
            finished,
        });
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        let done = self.state.get_mut().unwrap_or_else(PoisonError::into_inner).done;
        self.send(done, true);
    }
}
