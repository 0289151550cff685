//! Streams that never end by themselves: each ends at a deadline, with an error that says which.

use std::time::Duration;

use ports::{ErrorKind, RetryAdvice, TimeoutPhase, Unavailability};
use serde_json::{Value, json};
use testkit::faults::{Answer, End, Fault, Proxy};
use textport_adapter_zerogpu::{ConnectOptions, Deadlines, GradioClient, Limits};

use crate::serving::SIX;
use crate::telling::{Told, call, eventually, leaves_no_task, try_connect, within};

/// Short, but each a different length, so that the message tells which one it was.
fn impatient() -> ConnectOptions {
    let deadlines = Deadlines {
        silence: Duration::from_millis(1500),
        queue: Duration::from_millis(4000),
        first_event: Duration::from_millis(2500),
        idle: Duration::from_millis(2000),
        request: Duration::from_millis(3000),
        ..Deadlines::default()
    };
    ConnectOptions { deadlines, ..ConnectOptions::default() }
}

async fn impatient_client(proxy: &Proxy) -> GradioClient {
    try_connect(proxy.url(), impatient()).await.unwrap()
}

/// One call through a proxy with this rule, with nothing left behind.
async fn one_call(pattern: &str, fault: Fault, name: &str, values: &[Value]) -> Told {
    let proxy = Proxy::before(SIX.url("main")).unwrap();
    proxy.rule(pattern, fault);
    let told = within(
        30,
        leaves_no_task(async {
            let client = impatient_client(&proxy).await;
            call(&client, name, values).await
        }),
    )
    .await;
    eventually("the client has let go of every connection", || proxy.open_connections() == 0).await;
    told
}

fn phase(told: &Told) -> TimeoutPhase {
    match told.kind() {
        Some(ErrorKind::Timeout(phase)) => phase,
        other => panic!("{other:?} instead of a timeout: {told:?}"),
    }
}

const DATA: &str = "/queue/data";
const SENTENCE: &str = "Tell me of ports";

#[tokio::test]
async fn silence_before_the_work_begins() {
    let told =
        one_call(DATA, Fault::cut_after("", End::Silence), "complete", &[json!(SENTENCE)]).await;
    assert_eq!(phase(&told), TimeoutPhase::Idle);
    assert_eq!(told.error.unwrap().advice(), RetryAdvice::Backoff, "nothing had begun");
}

#[tokio::test]
async fn silence_in_the_middle_of_an_event() {
    let fault = Fault::cut_after("process_generating", End::Silence);
    let told = one_call(DATA, fault, "complete", &[json!(SENTENCE)]).await;
    assert_eq!(phase(&told), TimeoutPhase::Idle);
    assert_eq!(told.error.unwrap().advice(), RetryAdvice::OtherProviderOnly, "its time is spent");
}

#[tokio::test]
async fn heartbeats_are_no_sign_of_work() {
    let told =
        one_call(DATA, Fault::cut_after("", End::Heartbeats), "complete", &[json!(SENTENCE)]).await;
    assert_eq!(phase(&told), TimeoutPhase::Queue);
}

#[tokio::test]
async fn heartbeats_after_the_first_value_are_no_sign_of_work_either() {
    let first = json!({"msg": "process_starts", "event_id": "e1"});
    let value = json!({"msg": "process_generating", "event_id": "e1", "success": true,
        "output": {"data": ["one"]}});
    let proxy = Proxy::before(SIX.url("main")).unwrap();
    proxy.rule("/queue/join", Fault::Instead(Answer::json(200, &json!({"event_id": "e1"}))));
    proxy.rule(DATA, Fault::InsteadThen(Answer::events(&[first, value]), End::Heartbeats));
    let client = within(20, impatient_client(&proxy)).await;
    let told = within(20, call(&client, "complete", &[json!(SENTENCE)])).await;
    assert_eq!(told.texts(), ["one"]);
    assert_eq!(phase(&told), TimeoutPhase::Idle);
}

/// A real function that says nothing while real heartbeats come.
#[tokio::test]
async fn a_function_that_never_answers_is_given_up() {
    let client = within(20, try_connect(SIX.url("main"), impatient())).await.unwrap();
    let told = within(20, call(&client, "slow", &[json!(8), json!("given up")])).await;
    assert_eq!(phase(&told), TimeoutPhase::FirstEvent);
    assert_eq!(SIX.count("finished", "slow:given up"), 0, "it was waited for to its end");
}

/// A stream that was read already gives heartbeats for ever.
#[tokio::test]
async fn a_session_that_was_read_before_does_not_hang() {
    let done = Proxy::before(SIX.url("main")).unwrap();
    let client = within(20, impatient_client(&done)).await;
    within(20, call(&client, "add", &[json!(1), json!(2)])).await.result();
    let stale = done.requests("GET /gradio_api/queue/data")[0].target.clone();
    let session = stale.split('=').next_back().unwrap().to_owned();
    let event = json!({"event_id": "0123456789abcdef0123456789abcdef"});
    let proxy = Proxy::before(SIX.url("main")).unwrap();
    proxy.rule("/queue/join", Fault::Instead(Answer::json(200, &event)));
    let client = within(20, impatient_client(&proxy)).await;
    let endpoint = client.endpoint("add").unwrap();
    let options =
        textport_adapter_zerogpu::CallOptions { session: Some(session), ..Default::default() };
    let arguments = textport_adapter_zerogpu::Arguments::positional([json!(1), json!(2)]);
    let told = within(20, async {
        match client.call(&endpoint, arguments, options).await {
            Ok(call) => crate::telling::listen(call).await,
            Err(error) => Told { events: Vec::new(), outputs: Vec::new(), error: Some(error) },
        }
    })
    .await;
    let kind = told.kind().unwrap();
    assert!(matches!(kind, ErrorKind::Network | ErrorKind::Timeout(_)), "{told:?}");
}

#[tokio::test]
async fn slow_loris_heads_end_at_the_deadline_of_the_request() {
    for pattern in ["GET /config", "/info", "/queue/join", DATA] {
        let proxy = Proxy::before(SIX.url("main")).unwrap();
        proxy.rule(pattern, Fault::EndlessHead(Duration::from_millis(20)));
        let error = within(
            30,
            leaves_no_task(async {
                match try_connect(proxy.url(), impatient()).await {
                    Ok(client) => {
                        call(&client, "complete", &[json!(SENTENCE)]).await.error.unwrap()
                    }
                    Err(error) => error,
                }
            }),
        )
        .await;
        assert_eq!(error.kind(), ErrorKind::Timeout(TimeoutPhase::Connect), "{pattern}: {error}");
    }
}

#[tokio::test]
async fn slow_loris_bodies_end_at_the_deadline_of_the_request() {
    for pattern in ["GET /config", "/queue/join"] {
        let slow = Fault::EndlessBody(Answer::json(200, &json!([])), Duration::from_millis(20));
        let proxy = Proxy::before(SIX.url("main")).unwrap();
        proxy.rule(pattern, slow);
        let error = within(
            30,
            leaves_no_task(async {
                match try_connect(proxy.url(), impatient()).await {
                    Ok(client) => {
                        call(&client, "complete", &[json!(SENTENCE)]).await.error.unwrap()
                    }
                    Err(error) => error,
                }
            }),
        )
        .await;
        assert_eq!(error.kind(), ErrorKind::Timeout(TimeoutPhase::Connect), "{pattern}: {error}");
    }
}

/// A body without end does not fill the memory.
#[tokio::test]
async fn endless_answers_end_at_their_limit() {
    let flood = Answer::status(200).with_body("application/json", vec![b' '; 1 << 16]);
    let proxy = Proxy::before(SIX.url("main")).unwrap();
    proxy.rule("GET /config", Fault::EndlessBody(flood, Duration::ZERO));
    let limits = Limits { body: 4 << 20, ..Limits::default() };
    let options = ConnectOptions { limits, ..impatient() };
    let error = within(30, leaves_no_task(try_connect(proxy.url(), options))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
}

#[tokio::test]
async fn endless_streams_end_at_their_limit() {
    let value = json!({"msg": "process_generating", "event_id": "e1", "success": true,
        "output": {"data": [[["append", [], "more and more and more"]]]}});
    let line = Answer::status(200).with_body("text/event-stream", vec![b'x'; 1 << 16]);
    let limits = Limits { event: 2 << 20, stream: 4 << 20, ..Limits::default() };
    for (answer, what) in [(Answer::events(&[value]), "events"), (line, "one line")] {
        let proxy = Proxy::before(SIX.url("main")).unwrap();
        proxy.rule("/queue/join", Fault::Instead(Answer::json(200, &json!({"event_id": "e1"}))));
        proxy.rule(DATA, Fault::EndlessBody(answer, Duration::ZERO));
        let options = ConnectOptions { limits, ..impatient() };
        let told = within(
            60,
            leaves_no_task(async {
                let client = try_connect(proxy.url(), options).await.unwrap();
                call(&client, "complete", &[json!(SENTENCE)]).await
            }),
        )
        .await;
        assert_eq!(told.kind(), Some(ErrorKind::Protocol), "{what}: {:?}", told.error);
    }
}

/// Messages about the call keep it alive, however slowly they come.
#[tokio::test]
async fn a_queue_that_moves_has_its_own_deadline() {
    let waiting = json!({"msg": "estimation", "event_id": "e1", "rank": 3, "queue_size": 4});
    let proxy = Proxy::before(SIX.url("main")).unwrap();
    proxy.rule("/queue/join", Fault::Instead(Answer::json(200, &json!({"event_id": "e1"}))));
    proxy.rule(DATA, Fault::EndlessBody(Answer::events(&[waiting]), Duration::from_millis(300)));
    let client = within(20, impatient_client(&proxy)).await;
    let told = within(20, call(&client, "complete", &[json!(SENTENCE)])).await;
    assert_eq!(phase(&told), TimeoutPhase::Queue);
    assert!(told.events.len() > 3, "{told:?}");
}

#[tokio::test]
async fn a_stopped_queue_is_a_space_that_restarts() {
    let stopped = json!({"msg": "unexpected_error", "event_id": null, "success": false,
        "message": "Server stopped unexpectedly.", "session_not_found": false});
    let proxy = Proxy::before(SIX.url("main")).unwrap();
    proxy.rule(DATA, Fault::EndlessBody(Answer::events(&[stopped]), Duration::from_millis(100)));
    let client = within(20, impatient_client(&proxy)).await;
    let told = within(20, call(&client, "complete", &[json!(SENTENCE)])).await;
    let kind = told.kind().unwrap();
    assert!(
        matches!(kind, ErrorKind::Unavailable(Unavailability::Building | Unavailability::Down)),
        "{told:?}"
    );
}
