//! Ending a job on the server: exactly that one.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::transport::{Body, Transport};

/// Nothing that is left behind by a dropped call lives longer than this.
pub(super) const LONGEST_FAREWELL: Duration = Duration::from_secs(3);

/// One job on the server.
#[derive(Clone)]
pub(super) struct Job {
    pub(super) transport: Arc<Transport>,
    pub(super) prefix: String,
    pub(super) session: String,
    pub(super) fn_index: i64,
    pub(super) event_id: String,
    /// Gradio's major version there.
    pub(super) major: u32,
    /// Whether that Gradio has `/cancel`.
    pub(super) cancels: bool,
}

/// How far a job had come, as far as we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    /// It has a place in the queue, and nobody listens yet.
    Joined,
    /// We listen; it has not begun.
    Listening,
    /// It has begun.
    Begun,
    /// It has ended.
    Ended,
}

/// The time in which a server notices that a listener has gone: it looks every 50 ms.
const NOTICED: Duration = Duration::from_millis(150);

impl Job {
    /// Ends the job as far as more than hanging up is needed for it.
    ///
    /// Before Gradio 6 a cancel request for a job that has not begun is a trap: the listener is told
    /// that all is over, hangs up in peace, and the job begins later and runs for nobody. There,
    /// only a listener that hangs up ends a waiting job.
    pub(super) async fn end(&self, reached: Reached) {
        match reached {
            Reached::Ended => {}
            Reached::Begun => self.cancel().await,
            _ if self.major >= 6 => self.cancel().await,
            Reached::Listening => tokio::time::sleep(NOTICED).await,
            Reached::Joined => hang_up(&self.transport, &self.prefix, &self.session).await,
        }
    }

    /// Asks the server to end the job. Best effort: the server ends it, too, when it notices that
    /// nobody listens any more.
    async fn cancel(&self) {
        let path = format!("{}/{}", self.prefix, if self.cancels { "cancel" } else { "reset" });
        let body = json!({
            "session_hash": self.session, "fn_index": self.fn_index, "event_id": self.event_id,
        });
        let body = body.to_string();
        let request = self.transport.fetch(Method::POST, &path, Body::Json(&body));
        let _ = timeout(LONGEST_FAREWELL, request).await;
    }
}

/// Listens to a session and hangs up: the server ends what it has of it, whatever its name.
pub(super) async fn hang_up(transport: &Transport, prefix: &str, session: &str) {
    let path = format!("{prefix}/queue/data?session_hash={session}");
    drop(timeout(LONGEST_FAREWELL, transport.open_stream(&path)).await);
}

/// Ends the job when it is dropped before the job has ended by itself.
pub(super) struct CancelOnDrop {
    job: Job,
    pub(super) reached: Reached,
    /// The last owner may drop it on any thread.
    runtime: Handle,
}

impl CancelOnDrop {
    /// Must be called within a runtime.
    pub(super) fn new(job: Job) -> Self {
        Self { job, reached: Reached::Joined, runtime: Handle::current() }
    }

    pub(super) fn job(&self) -> &Job {
        &self.job
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let reached = self.reached;
        if reached != Reached::Ended {
            let job = self.job.clone();
            self.runtime.spawn(async move { job.end(reached).await });
        }
    }
}
