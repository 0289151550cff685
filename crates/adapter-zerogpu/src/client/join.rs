//! Entering the queue.

use std::sync::Arc;

use ports::{Error, ErrorKind};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::cancel::{CancelOnDrop, Job, hang_up};
use super::transport::{Body, Transport};
use crate::error;
use crate::protocol::Joined;

/// What is submitted, and under which session.
pub(super) struct Submission {
    pub(super) prefix: String,
    pub(super) fn_index: i64,
    pub(super) session: String,
    pub(super) data: Arc<Vec<Value>>,
    /// Whole values in every message instead of diffs.
    pub(super) full_values: bool,
    /// Gradio's major version there.
    pub(super) major: u32,
    /// Whether that Gradio has `/cancel`.
    pub(super) cancels: bool,
}

/// Submits and gives the job. Should the caller lose interest between the request and its answer,
/// the job would be nobody's: so the request runs on its own, within its deadline, and ends the job
/// when nobody waits for it.
pub(super) async fn join(
    transport: Arc<Transport>,
    submission: Submission,
) -> Result<CancelOnDrop, Error> {
    let (sender, receiver) = oneshot::channel();
    tokio::spawn(async move {
        let joined = submit(transport, submission).await;
        // What cannot be delivered is dropped here, and dropping it cancels the job.
        let _ = sender.send(joined);
    });
    receiver.await.unwrap_or_else(|_| Err(error::protocol("the runtime is shutting down")))
}

async fn submit(transport: Arc<Transport>, submission: Submission) -> Result<CancelOnDrop, Error> {
    let Submission { prefix, fn_index, session, data, full_values, major, cancels } = submission;
    let mut body = json!({ "data": data.as_ref(), "fn_index": fn_index, "session_hash": session });
    if full_values {
        body["simple_format"] = Value::Bool(true);
    }
    let path = format!("{prefix}/queue/join");
    let answer = transport.fetch(Method::POST, &path, Body::Json(&body.to_string())).await;
    let joined = answer.and_then(|answer| {
        serde_json::from_str::<Joined>(&answer)
            .map_err(|_| error::protocol(format!("{} gave no event id", transport.host())))
    });
    match joined {
        Ok(Joined { event_id }) => {
            let job = Job { transport, prefix, session, fn_index, event_id, major, cancels };
            Ok(CancelOnDrop::new(job))
        }
        Err(error) => {
            if may_have_joined(&error) {
                tokio::spawn(async move { hang_up(&transport, &prefix, &session).await });
            }
            Err(error)
        }
    }
}

/// Whether the server may have taken the job although its answer did not arrive. Such a job would
/// run for nobody, and beside the one of the next try.
fn may_have_joined(error: &Error) -> bool {
    use std::error::Error as _;
    let cause = error.source().and_then(|cause| cause.downcast_ref::<reqwest::Error>());
    let never_left = cause.is_some_and(reqwest::Error::is_connect);
    let lost =
        matches!(error.kind(), ErrorKind::Network | ErrorKind::Timeout(_) | ErrorKind::Protocol);
    lost && !never_left
}
