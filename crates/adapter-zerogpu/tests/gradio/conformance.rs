//! The contract of the port, on real servers.

use std::sync::Arc;
use std::time::Duration;

use domain::Request;
use serde_json::{Value, json};
use testkit::conformance::{self, Fixture};

use crate::conversation::generator;
use crate::serving::{FIVE, FOUR, Gradio, SIX};
use crate::telling::within;

const NO_REASON: &str = "no Space tells why its model stopped, so the end is always `stop`";

async fn conform(gradio: &'static Gradio, server: &str, key: &'static str, settings: Value) {
    if !gradio.wanted() {
        return;
    }
    let space = generator(gradio.url(server), settings).await.unwrap();
    let mut fixture = Fixture::new(Arc::new(space))
        .with_stop(" ")
        .with_reasoning_prompt("THINK about it")
        .with_failing_request(Request::user("FAIL LATE"))
        .with_case_limit(Duration::from_secs(60))
        .with_exception("max_tokens.ends_with_length", NO_REASON)
        .with_exception("max_tokens.one", NO_REASON);
    if gradio.major > 4 {
        // Gradio 4 keeps cancelled generators without closing them: they count for ever.
        fixture = fixture.with_running(move || gradio.count("running", key) as usize);
    }
    within(400, conformance::run(&fixture)).await.assert_passed();
}

fn respond() -> Value {
    json!({"endpoint": "/respond", "concurrency": 4})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_space_of_gradio_6() {
    conform(&SIX, "main", "respond", respond()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_space_of_gradio_5() {
    conform(&FIVE, "main", "respond", respond()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_space_of_gradio_4() {
    conform(&FOUR, "main", "respond", respond()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_interface_of_gradio_6() {
    conform(&SIX, "interface", "chat", json!({"concurrency": 4})).await;
}
