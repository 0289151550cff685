//! Short ways to call and to hear everything that a call tells.

use std::time::{Duration, Instant};

use ports::{Error, ErrorKind};
use serde_json::{Value, json};
use textport_adapter_zerogpu::{
    Arguments, Call, CallEvent, CallOptions, ConnectOptions, GradioClient, SpaceRef,
};
use tokio::runtime::Handle;

/// Fails instead of hanging.
pub(crate) async fn within<T>(seconds: u64, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(seconds), work).await {
        Ok(done) => done,
        Err(_) => panic!("it had not ended after {seconds} s"),
    }
}

/// Looks until it holds, ten seconds at most.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never came to this: {what}");
}

pub(crate) async fn try_connect(url: &str, options: ConnectOptions) -> Result<GradioClient, Error> {
    GradioClient::connect(&SpaceRef::parse(url)?, options, |_| {}).await
}

pub(crate) async fn connect(url: &str) -> GradioClient {
    try_connect(url, ConnectOptions::default()).await.unwrap()
}

/// Everything that a call told, in order.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) events: Vec<CallEvent>,
    /// The outputs at every step, the last one included.
    pub(crate) outputs: Vec<Vec<Value>>,
    pub(crate) error: Option<Error>,
}

impl Told {
    /// The final outputs of a call that went well.
    pub(crate) fn result(&self) -> &[Value] {
        assert!(self.error.is_none(), "{:?}", self.error);
        assert_eq!(self.events.last(), Some(&CallEvent::Finished));
        self.outputs.last().unwrap()
    }

    /// The first output at every step, as text.
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.outputs.iter().map(|values| values[0].as_str().unwrap_or_default()).collect()
    }

    pub(crate) fn kind(&self) -> Option<ErrorKind> {
        self.error.as_ref().map(Error::kind)
    }
}

/// Reads a call to its end, and once more to see that nothing follows.
pub(crate) async fn listen(mut call: Call) -> Told {
    let mut told = Told { events: Vec::new(), outputs: Vec::new(), error: None };
    while let Some(step) = call.next().await {
        match step {
            Ok(event) => {
                if matches!(event, CallEvent::Partial | CallEvent::Finished) {
                    told.outputs.push(call.outputs().to_vec());
                }
                told.events.push(event);
            }
            Err(error) => {
                assert!(told.error.is_none(), "a second error: {error}");
                told.error = Some(error);
            }
        }
    }
    assert!(call.next().await.is_none(), "something followed the end");
    told
}

pub(crate) async fn begin(
    client: &GradioClient,
    name: &str,
    values: &[Value],
) -> Result<Call, Error> {
    let endpoint = client.endpoint(name)?;
    let arguments = Arguments::positional(values.to_vec());
    client.call(&endpoint, arguments, CallOptions::default()).await
}

/// One call from its beginning to its end, whatever that is.
pub(crate) async fn call(client: &GradioClient, name: &str, values: &[Value]) -> Told {
    match begin(client, name, values).await {
        Ok(call) => listen(call).await,
        Err(error) => Told { events: Vec::new(), outputs: Vec::new(), error: Some(error) },
    }
}

/// One call at an address, connecting included.
pub(crate) async fn call_at(
    url: &str,
    options: ConnectOptions,
    name: &str,
    values: &[Value],
) -> Told {
    match try_connect(url, options).await {
        Ok(client) => call(&client, name, values).await,
        Err(error) => Told { events: Vec::new(), outputs: Vec::new(), error: Some(error) },
    }
}

/// No task that `work` started is left behind once everything it made is dropped.
pub(crate) async fn leaves_no_task<T>(work: impl Future<Output = T>) -> T {
    let alive = || Handle::current().metrics().num_alive_tasks();
    let before = alive();
    let done = work.await;
    eventually("every task has ended", || alive() <= before).await;
    done
}

/// The events of a call that answers with this text at once.
pub(crate) fn events_of(event_id: &str, text: &str) -> Vec<Value> {
    vec![
        json!({"msg": "estimation", "event_id": event_id, "rank": 0, "queue_size": 1, "rank_eta": null}),
        json!({"msg": "process_starts", "event_id": event_id, "eta": null}),
        json!({"msg": "process_completed", "event_id": event_id, "success": true, "output":
            {"data": [text], "is_generating": false, "duration": 0.1}}),
        json!({"msg": "close_stream", "event_id": null}),
    ]
}
