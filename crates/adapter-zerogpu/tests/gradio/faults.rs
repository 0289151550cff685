//! Connections that break and servers that answer with something else: a typed error, once, and no
//! text lost or doubled.

use std::time::{Duration, SystemTime};

use ports::{Error, ErrorKind, RetryAdvice, Unavailability};
use serde_json::{Value, json};
use testkit::faults::{Answer, End, Fault, Proxy, refusing_address};
use textport_adapter_zerogpu::{CallEvent, ConnectOptions};

use crate::serving::{Gradio, SIX, on_every_gradio, start};
use crate::telling::{
    Told, begin, call, call_at, connect, eventually, leaves_no_task, listen, try_connect, within,
};

on_every_gradio! {
    row_20_a_full_queue_is_a_full_queue
    a_reset_in_the_middle_of_an_event_keeps_what_came_before
}

const SENTENCE: &str = "Tell me of ports";

/// One call through a proxy with this rule, connecting included, with nothing left behind.
async fn one_call(pattern: &str, fault: Fault) -> (Told, Proxy) {
    let proxy = Proxy::before(SIX.url("main")).unwrap();
    proxy.rule(pattern, fault);
    let values = [json!(SENTENCE), json!(12)];
    let call = call_at(proxy.url(), ConnectOptions::default(), "complete", &values);
    let told = within(30, leaves_no_task(call)).await;
    eventually("every connection is closed", || proxy.open_connections() == 0).await;
    (told, proxy)
}

async fn error_of(pattern: &str, fault: Fault) -> Error {
    let (told, _) = one_call(pattern, fault).await;
    told.error.unwrap_or_else(|| panic!("{pattern} should have failed"))
}

const STEPS: [&str; 4] = ["GET /config", "/gradio_api/info", "/queue/join", "/queue/data"];

#[tokio::test]
async fn nobody_listens() {
    let url = refusing_address().unwrap();
    let work = try_connect(&url, ConnectOptions::default());
    let error = within(20, leaves_no_task(work)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network, "{error}");
    assert_eq!(error.advice(), RetryAdvice::Backoff);
    assert!(error.to_string().to_lowercase().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_reset_before_the_head() {
    for step in STEPS {
        let error = error_of(step, Fault::ResetBeforeHead).await;
        assert_eq!(error.kind(), ErrorKind::Network, "{step}: {error}");
        assert_eq!(error.advice(), RetryAdvice::Backoff, "{step}: {error}");
    }
}

#[tokio::test]
async fn a_reset_after_the_head() {
    for step in STEPS {
        let error = error_of(step, Fault::ResetAfterHead).await;
        assert_eq!(error.kind(), ErrorKind::Network, "{step}: {error}");
    }
}

async fn a_reset_in_the_middle_of_an_event_keeps_what_came_before(gradio: &'static Gradio) {
    let whole =
        call(&connect(gradio.url("main")).await, "complete", &[json!(SENTENCE), json!(40)]).await;
    for end in [End::Reset, End::Closed, End::Complete] {
        let proxy = Proxy::before(gradio.url("main")).unwrap();
        // Each message names its kind first: this is the middle of the last one.
        proxy.rule("/queue/data", Fault::cut_after("process_completed", end));
        let client = connect(proxy.url()).await;
        let told = call(&client, "complete", &[json!(SENTENCE), json!(40)]).await;
        assert_eq!(told.kind(), Some(ErrorKind::Network), "{end:?}: {:?}", told.error);
        let texts = told.texts();
        assert_eq!(texts[..], whole.texts()[..texts.len()], "{end:?}");
        assert!(texts.len() >= 39, "{end:?}: only {} values", texts.len());
        let error = told.error.unwrap();
        assert_eq!(error.advice(), RetryAdvice::OtherProviderOnly, "it would be paid for twice");
        assert_eq!(proxy.requests("/queue/join").len(), 1, "it was submitted again");
        assert_eq!(proxy.requests("/queue/data").len(), 1, "a broken stream was opened again");
    }
}

#[tokio::test]
async fn a_stream_that_closes_without_a_result() {
    let start = json!({"msg": "process_starts", "event_id": "e1"});
    let close = json!({"msg": "close_stream", "event_id": null});
    let started = json!({"event_id": "e1"});
    for events in [vec![close.clone()], vec![start, close], vec![]] {
        let proxy = Proxy::before(SIX.url("main")).unwrap();
        proxy.rule("/queue/join", Fault::Instead(Answer::json(200, &started)));
        proxy.rule("/queue/data", Fault::Instead(Answer::events(&events)));
        let client = within(20, connect(proxy.url())).await;
        let told = within(20, call(&client, "complete", &[json!(SENTENCE)])).await;
        assert_eq!(told.kind(), Some(ErrorKind::Network), "{events:?}: {:?}", told.error);
    }
}

#[tokio::test]
async fn a_session_that_the_server_forgot() {
    let lost = json!({"msg": "unexpected_error", "event_id": null, "success": false,
        "message": "404: Not Found", "session_not_found": true});
    let error = error_of("/queue/data", Fault::Instead(Answer::events(&[lost]))).await;
    assert_eq!(error.kind(), ErrorKind::Network, "{error}");
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn too_many_requests_with_seconds_and_with_a_date() {
    let answer = Answer::json(429, &json!({"detail": "slow down"}));
    for step in STEPS {
        let error =
            error_of(step, Fault::Instead(answer.clone().with_header("retry-after", "7"))).await;
        assert_eq!(error.kind(), ErrorKind::RateLimited, "{step}: {error}");
        assert_eq!(error.advice(), RetryAdvice::After(Duration::from_secs(7)), "{step}");
    }
    let then = SystemTime::now() + Duration::from_secs(3600);
    let date = http_date(then);
    let error =
        error_of("/queue/join", Fault::Instead(answer.clone().with_header("retry-after", date)))
            .await;
    match error.advice() {
        RetryAdvice::After(wait) => assert!((3500..=3600).contains(&wait.as_secs()), "{wait:?}"),
        RetryAdvice::At(time) => {
            assert!(time.duration_since(then).unwrap_or_default() < Duration::from_secs(2))
        }
        other => panic!("{other:?}"),
    }
    for unreadable in ["soon", "-5", "", "99999999999999999999"] {
        let fault = Fault::Instead(answer.clone().with_header("retry-after", unreadable));
        let error = error_of("/queue/join", fault).await;
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert_eq!(error.advice(), RetryAdvice::Backoff, "{unreadable:?}");
    }
}

/// A date as HTTP writes it.
fn http_date(time: SystemTime) -> String {
    let output = std::process::Command::new("date")
        .args(["-u", "-d"])
        .arg(format!("@{}", time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()))
        .arg("+%a, %d %b %Y %H:%M:%S GMT")
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn statuses_of_trouble_are_unavailability() {
    use Unavailability::{Building, Down};
    for (answer, expected) in [
        (Answer::status(500).with_body("text/plain", "Internal Server Error"), Down),
        (
            Answer::status(500)
                .with_body("text/plain", "Traceback (most recent call last):\n  File \"x\"\n"),
            Down,
        ),
        (Answer::html(502, "Bad Gateway"), Down),
        (Answer::html(503, "Your Space is starting"), Building),
        (Answer::html(504, "Gateway Timeout"), Down),
        (Answer::json(503, &json!({"detail": "Queue is stopped."})), Building),
    ] {
        for step in ["GET /config", "/queue/join", "/queue/data"] {
            let error = error_of(step, Fault::Instead(answer.clone())).await;
            let found = match error.kind() {
                ErrorKind::Unavailable(found) => found,
                kind => panic!("{step}: {kind:?} {error}"),
            };
            assert!(found == expected || expected == Down, "{step}: {found:?} {error}");
            assert!(error.hint().is_some(), "{step}: {error}");
            assert!(!error.to_string().contains(['<', '\n']), "{error}");
        }
    }
}

#[tokio::test]
async fn a_full_queue_is_told_from_a_page_with_503() {
    let full = Answer::json(503, &json!({"detail": "Queue is full. Max size is 2 and size is 2."}));
    let error = error_of("/queue/join", Fault::Instead(full.clone())).await;
    assert_eq!((error.kind(), error.advice()), (ErrorKind::QueueFull, RetryAdvice::Backoff));
    let error = error_of("/queue/join", Fault::Instead(full.with_header("retry-after", "9"))).await;
    assert_eq!(error.advice(), RetryAdvice::After(Duration::from_secs(9)));
    let page = Answer::html(503, "The queue is full of people");
    let error = error_of("/queue/join", Fault::Instead(page)).await;
    assert!(matches!(error.kind(), ErrorKind::Unavailable(_)), "{error:?}");
}

async fn row_20_a_full_queue_is_a_full_queue(gradio: &'static Gradio) {
    let client = connect(gradio.url("full")).await;
    let mut running = begin(&client, "slow", &[json!(3), json!("row 20")]).await.unwrap();
    while !matches!(running.next().await, Some(Ok(CallEvent::Started { .. }))) {}
    let waiting = begin(&client, "slow", &[json!(0), json!("row 20")]).await.unwrap();
    let refused = begin(&client, "slow", &[json!(0), json!("row 20")]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::QueueFull, "{refused}");
    assert_eq!(refused.advice(), RetryAdvice::Backoff);
    waiting.cancel().await;
    running.cancel().await;
}

#[tokio::test]
async fn something_else_than_json() {
    let page = Answer::html(200, "Welcome to the hotel's network");
    for step in ["GET /config", "/queue/join", "/queue/data"] {
        let error = error_of(step, Fault::Instead(page.clone())).await;
        assert_eq!(error.kind(), ErrorKind::Protocol, "{step}: {error}");
        assert!(!error.to_string().contains('<'), "{error}");
    }
    for body in [json!([]), json!({}), json!("text"), json!(null), json!({"version": 3})] {
        let error = error_of("GET /config", Fault::Instead(Answer::json(200, &body))).await;
        assert!(
            matches!(error.kind(), ErrorKind::Protocol | ErrorKind::Unsupported),
            "{body}: {error}"
        );
    }
    for body in [json!([]), json!({}), json!({"event_id": 7}), json!(null)] {
        let error = error_of("/queue/join", Fault::Instead(Answer::json(200, &body))).await;
        assert_eq!(error.kind(), ErrorKind::Protocol, "{body}: {error}");
    }
    for stream in ["data: {broken\n\n", "data: [1]\n\n", "data: \u{fffd}\n\n"] {
        let answer = Answer::status(200).with_body("text/event-stream", stream);
        let error = error_of("/queue/data", Fault::Instead(answer)).await;
        assert_eq!(error.kind(), ErrorKind::Protocol, "{stream:?}: {error}");
    }
    let latin = Answer::status(200)
        .with_body("text/event-stream", b"data: {\"msg\":\"\xe9\"}\n\n".to_vec());
    let error = error_of("/queue/data", Fault::Instead(latin)).await;
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
}

#[tokio::test]
async fn an_app_without_documentation_is_still_called() {
    for answer in [Answer::status(404), Answer::html(200, "no"), Answer::status(500)] {
        let (told, _) = one_call("/gradio_api/info", Fault::Instead(answer)).await;
        assert!(told.error.is_none(), "{:?}", told.error);
    }
}

#[tokio::test]
async fn other_statuses_have_their_own_kind() {
    for (answer, kind) in [
        (
            Answer::json(401, &json!({"detail": {"error": "Not authenticated"}})),
            ErrorKind::Unauthenticated,
        ),
        (Answer::json(403, &json!({"detail": "File not allowed"})), ErrorKind::PermissionDenied),
        (Answer::html(404, "404 – Hugging Face"), ErrorKind::NotFound),
        (Answer::json(413, &json!({"detail": "too large"})), ErrorKind::InvalidRequest),
    ] {
        for step in ["GET /config", "/queue/join", "/queue/data"] {
            let error = error_of(step, Fault::Instead(answer.clone())).await;
            assert_eq!(error.kind(), kind, "{step}: {error}");
        }
    }
}

/// The real server is killed while it answers, and started again: the call that ran fails once, and
/// the next one works without connecting anew.
#[tokio::test]
async fn a_server_that_restarts_in_mid_job() {
    if !SIX.wanted() {
        return;
    }
    let mut first = tokio::task::spawn_blocking(|| start("6", "alone")).await.unwrap().unwrap();
    let proxy = Proxy::before(first.url("main").unwrap()).unwrap();
    let client = within(20, connect(proxy.url())).await;
    let mut running = begin(&client, "endless", &[json!("restart")]).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 5 {
        let step = within(20, running.next()).await.unwrap().unwrap();
        if step == CallEvent::Partial {
            seen.push(running.outputs()[0].clone());
        }
    }
    first.kill().unwrap();
    let told = within(30, listen(running)).await;
    assert_eq!(told.kind(), Some(ErrorKind::Network), "{:?}", told.error);
    let texts: Vec<Value> =
        seen.into_iter().chain(told.outputs.iter().map(|o| o[0].clone())).collect();
    let expected: Vec<Value> = (0..texts.len()).map(|n| json!(format!("restart {n}"))).collect();
    assert_eq!(texts, expected);
    let down = within(20, call(&client, "add", &[json!(1), json!(2)])).await.error.unwrap();
    assert_eq!(down.kind(), ErrorKind::Network, "{down}");
    let second = tokio::task::spawn_blocking(|| start("6", "alone")).await.unwrap().unwrap();
    proxy.redirect_to(second.url("main").unwrap());
    let again = within(20, call(&client, "add", &[json!(1), json!(2)])).await;
    assert_eq!(again.result()[1], json!(2));
}
