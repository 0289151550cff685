//! Cancelling and dropping: the job ends on the server, that job only, and nothing is left here.

use std::time::Duration;

use ports::ErrorKind;
use serde_json::{Value, json};
use testkit::faults::{End, Fault, Proxy};
use textport_adapter_zerogpu::{
    Arguments, Call, CallEvent, CallOptions, ConnectOptions, Deadlines, GradioClient,
};

use crate::serving::{Gradio, SIX, on_every_gradio};
use crate::telling::{
    begin, call, connect, eventually, leaves_no_task, listen, try_connect, within,
};

on_every_gradio! {
    row_14_cancel_while_queued_and_while_running
    row_15_the_generator_really_stops
    row_16_the_next_call_starts_from_scratch
    a_sibling_of_the_same_function_goes_on
    dropping_before_the_first_event_ends_the_job
    dropping_leaves_no_task
    a_job_whose_answer_got_lost_is_ended
}

async fn until_partial(call: &mut Call) {
    while let Some(step) = call.next().await {
        if step.unwrap() == CallEvent::Partial {
            return;
        }
    }
    panic!("the call ended before its first value");
}

/// The work has stopped: no step in half a second. The ledger's `running` would be too strict, as
/// Gradio 4 keeps a stopped generator for ever without closing it.
async fn stands_still(gradio: &'static Gradio, tag: &str) {
    let steps = || gradio.count("steps", &format!("endless:{tag}"));
    for _ in 0..20 {
        let before = steps();
        tokio::time::sleep(Duration::from_millis(500)).await;
        if steps() == before {
            return;
        }
    }
    panic!("{tag} still works");
}

async fn endless(client: &GradioClient, name: &str, tag: &str) -> Call {
    begin(client, name, &[json!(tag)]).await.unwrap()
}

async fn row_14_cancel_while_queued_and_while_running(gradio: &'static Gradio) {
    let client = connect(gradio.url("main")).await;
    let mut running = endless(&client, "endless_alone", "row 14 running").await;
    until_partial(&mut running).await;
    let mut waiting = endless(&client, "endless_alone", "row 14 waiting").await;
    assert!(matches!(waiting.next().await, Some(Ok(CallEvent::Queued { .. }))));
    within(10, waiting.cancel()).await;
    within(10, running.cancel()).await;
    stands_still(gradio, "row 14 running").await;
    // The place is free: a third one starts at once, and the cancelled one never did.
    let mut third = endless(&client, "endless_alone", "row 14 third").await;
    within(10, until_partial(&mut third)).await;
    third.cancel().await;
    assert_eq!(gradio.count("started", "endless:row 14 waiting"), 0);
}

async fn row_15_the_generator_really_stops(gradio: &'static Gradio) {
    let client = connect(gradio.url("main")).await;
    for (tag, drop_it) in [("row 15 cancelled", false), ("row 15 dropped", true)] {
        let key = format!("endless:{tag}");
        let mut running = endless(&client, "endless", tag).await;
        until_partial(&mut running).await;
        assert_eq!(gradio.count("running", &key), 1);
        if drop_it {
            drop(running)
        } else {
            running.cancel().await
        }
        stands_still(gradio, tag).await;
        if gradio.major > 4 {
            eventually("it is closed", || gradio.count("ended_early", &key) == 1).await;
        }
        assert_eq!(gradio.count("finished", &key), 0);
    }
}

async fn row_16_the_next_call_starts_from_scratch(gradio: &'static Gradio) {
    let client = connect(gradio.url("main")).await;
    let endpoint = client.endpoint("complete").unwrap();
    let options =
        CallOptions { session: Some(format!("row-16-{}", gradio.major)), ..CallOptions::default() };
    let values = [json!("Tell me more"), json!(30)];
    let expected = call(&client, "complete", &values).await.result()[0].clone();
    let arguments = Arguments::positional(values);
    let mut first = client.call(&endpoint, arguments.clone(), options.clone()).await.unwrap();
    until_partial(&mut first).await;
    first.cancel().await;
    let second = client.call(&endpoint, arguments, options).await.unwrap();
    let told = listen(second).await;
    assert_eq!(told.result()[0], expected);
    assert_eq!(told.texts()[0].split(' ').count(), 1, "it did not start at the beginning");
}

/// Gradio's `/cancel` ends every task of a function in a session: calls must not share one.
async fn a_sibling_of_the_same_function_goes_on(gradio: &'static Gradio) {
    let client = connect(gradio.url("main")).await;
    let tag = "sibling that stays";
    let mut stays = endless(&client, "endless", tag).await;
    until_partial(&mut stays).await;
    let mut goes = endless(&client, "endless", "sibling that goes").await;
    until_partial(&mut goes).await;
    drop(goes);
    let waiting = endless(&client, "endless", "sibling that waits").await;
    waiting.cancel().await;
    stands_still(gradio, "sibling that goes").await;
    let steps = || gradio.count("steps", &format!("endless:{tag}"));
    let before = steps();
    eventually("the sibling goes on", || steps() >= before + 20).await;
    until_partial(&mut stays).await;
    assert_eq!(gradio.count("running", &format!("endless:{tag}")), 1);
    stays.cancel().await;
}

async fn dropping_before_the_first_event_ends_the_job(gradio: &'static Gradio) {
    let client = connect(gradio.url("main")).await;
    drop(endless(&client, "endless", "dropped unread").await);
    stands_still(gradio, "dropped unread").await;
    // A caller who goes away while the request is on its way leaves no job either.
    for delay in [0, 1, 2, 4, 8, 16] {
        let soon = Duration::from_millis(delay);
        let _ = tokio::time::timeout(soon, endless(&client, "endless", "dropped unread")).await;
    }
    // Jobs that were accepted may still begin; in the end none runs.
    stands_still(gradio, "dropped unread").await;
}

async fn dropping_leaves_no_task(gradio: &'static Gradio) {
    let url = gradio.url("main");
    leaves_no_task(async {
        let client = connect(url).await;
        call(&client, "add", &[json!(1), json!(2)]).await.result();
        let mut dropped = endless(&client, "endless", "no task").await;
        until_partial(&mut dropped).await;
        drop(dropped);
        let mut cancelled = endless(&client, "endless", "no task").await;
        until_partial(&mut cancelled).await;
        cancelled.cancel().await;
        drop(endless(&client, "endless", "no task").await);
        call(&client, "boom", &[json!("x")]).await.error.unwrap();
    })
    .await;
    stands_still(gradio, "no task").await;
}

/// The server takes the job, and the answer that says so does not arrive: nobody knows the job's
/// name, and still it must not run on beside the one of the next try.
async fn a_job_whose_answer_got_lost_is_ended(gradio: &'static Gradio) {
    for (tag, fault) in [
        ("lost at once", Fault::ResetAfterHead),
        ("lost after a while", Fault::cut_after("", End::Silence)),
    ] {
        let proxy = Proxy::before(gradio.url("main")).unwrap();
        proxy.rule("/queue/join", fault);
        let deadlines = Deadlines { request: Duration::from_secs(4), ..Deadlines::default() };
        let options = ConnectOptions { deadlines, ..ConnectOptions::default() };
        let client = try_connect(proxy.url(), options).await.unwrap();
        let error = begin(&client, "endless", &[json!(tag)]).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Network | ErrorKind::Timeout(_)), "{error}");
        eventually("the session is hung up", || proxy.requests("/queue/data").len() == 1).await;
        stands_still(gradio, tag).await;
    }
}

#[tokio::test]
async fn a_cancelled_call_names_exactly_its_own_job() {
    let proxy = Proxy::before(SIX.url("main")).unwrap();
    let client = within(20, connect(proxy.url())).await;
    let mut running = endless(&client, "endless", "exact").await;
    within(20, until_partial(&mut running)).await;
    let (event, session) = (running.event_id().to_owned(), running.session().to_owned());
    within(20, running.cancel()).await;
    let requests = proxy.requests("POST /gradio_api/cancel");
    assert_eq!(requests.len(), 1);
    let body = requests[0].json();
    assert_eq!((&body["event_id"], &body["session_hash"]), (&json!(event), &json!(session)));
    assert!(body["fn_index"].is_number());
    let sessions: Vec<Value> =
        proxy.requests("/queue/join").iter().map(|r| r.json()["session_hash"].clone()).collect();
    assert_eq!(sessions, [json!(session)]);
}

#[tokio::test]
async fn a_call_that_ended_is_not_cancelled() {
    let proxy = Proxy::before(SIX.url("main")).unwrap();
    let client = within(20, connect(proxy.url())).await;
    within(20, call(&client, "add", &[json!(1), json!(2)])).await.result();
    within(20, call(&client, "boom", &[json!("x")])).await.error.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(proxy.requests("/cancel").is_empty());
}

#[tokio::test]
async fn a_server_that_ignores_cancel_holds_nobody() {
    let proxy = Proxy::before(SIX.url("main")).unwrap();
    proxy.rule("POST /gradio_api/cancel", Fault::EndlessHead(Duration::from_millis(50)));
    within(
        30,
        leaves_no_task(async {
            let client = connect(proxy.url()).await;
            let mut running = endless(&client, "endless", "ignored").await;
            until_partial(&mut running).await;
            running.cancel().await;
            let mut dropped = endless(&client, "endless", "ignored").await;
            until_partial(&mut dropped).await;
            drop(dropped);
        }),
    )
    .await;
    // The closed connection alone tells the server.
    eventually("the server noticed", || SIX.count("running", "endless:ignored") == 0).await;
}

#[tokio::test]
async fn a_call_that_somebody_else_cancelled_says_so() {
    let client = within(20, connect(SIX.url("main"))).await;
    let endpoint = client.endpoint("endless").unwrap();
    let options = CallOptions { session: Some("shared-by-two".into()), ..CallOptions::default() };
    let one =
        client.call(&endpoint, Arguments::positional([json!("victim")]), options).await.unwrap();
    let (session, event) = (one.session().to_owned(), one.event_id().to_owned());
    let reader = tokio::spawn(listen(one));
    eventually("it runs", || SIX.count("running", "endless:victim") == 1).await;
    let config = testkit::gradio::fetch(&format!("{}/config", SIX.url("main"))).unwrap();
    let config: Value = serde_json::from_str(&config).unwrap();
    let functions = config["dependencies"].as_array().unwrap();
    let index = functions.iter().find(|f| f["api_name"] == "endless").unwrap()["id"].clone();
    let body = json!({"session_hash": session, "event_id": event, "fn_index": index}).to_string();
    post(&format!("{}/gradio_api/cancel", SIX.url("main")), &body).await;
    let told = within(20, reader).await.unwrap();
    assert_eq!(told.kind(), Some(ErrorKind::Cancelled), "{told:?}");
}

async fn post(url: &str, body: &str) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /{path} HTTP/1.0\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains(" 200 "), "{answer}");
}
