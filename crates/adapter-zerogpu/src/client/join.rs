//! Entering the queue.

use std::sync::Arc;

use ports::Error;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::cancel::{CancelOnDrop, Job};
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
    let Submission { prefix, fn_index, session, data, full_values, major } = submission;
    let mut body = json!({ "data": data.as_ref(), "fn_index": fn_index, "session_hash": session });
    if full_values {
        body["simple_format"] = Value::Bool(true);
    }
    let path = format!("{prefix}/queue/join");
    let answer = transport.fetch(Method::POST, &path, Body::Json(&body.to_string())).await?;
    let joined: Joined = serde_json::from_str(&answer)
        .map_err(|_| error::protocol(format!("{} gave no event id", transport.host())))?;
    let event_id = joined.event_id;
    Ok(CancelOnDrop::new(Job { transport, prefix, session, fn_index, event_id, major }))
}
