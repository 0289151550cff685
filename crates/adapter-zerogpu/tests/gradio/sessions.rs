//! Sessions, state and what the app sees of its caller.

use std::time::Duration;

use ports::{ErrorKind, Secret, TimeoutPhase};
use serde_json::{Value, json};
use testkit::faults::{Answer, Fault, Proxy};
use textport_adapter_zerogpu::{Arguments, CallOptions, ConnectOptions, Deadlines, GradioClient};

use crate::serving::{Gradio, SIX, on_every_gradio};
use crate::telling::{call, connect, listen, try_connect, within};

on_every_gradio! {
    row_05_state_is_kept_per_session
    row_29_the_app_sees_an_api_caller
    a_restarted_app_is_found_again
}

async fn remember(client: &GradioClient, session: &str) -> Value {
    let endpoint = client.endpoint("remember").unwrap();
    let options = CallOptions { session: Some(session.to_owned()), ..CallOptions::default() };
    let arguments = Arguments::positional([json!("x")]);
    listen(client.call(&endpoint, arguments, options).await.unwrap()).await.result()[0].clone()
}

pub(crate) async fn row_05_state_is_kept_per_session(gradio: &'static Gradio) {
    let client = connect(gradio.url("main")).await;
    for (session, expected) in
        [("first", "x #1"), ("first", "x #2"), ("second", "x #1"), ("first", "x #3")]
    {
        let session = format!("{session}-row-5");
        assert_eq!(remember(&client, &session).await, expected, "{session}");
    }
    for _ in 0..2 {
        assert_eq!(call(&client, "remember", &[json!("x")]).await.result()[0], "x #1");
    }
}

async fn row_29_the_app_sees_an_api_caller(gradio: &'static Gradio) {
    let options = ConnectOptions {
        headers: vec![
            ("X-Gradio-User".into(), Secret::new("app")),
            ("X-Mine".into(), Secret::new("kept")),
        ],
        token: Some(Secret::new("hf_seen")),
        ..ConnectOptions::default()
    };
    let client = try_connect(gradio.url("main"), options).await.unwrap();
    let told = call(&client, "seen", &[json!("x")]).await;
    let headers = &told.result()[0]["headers"];
    assert_eq!(headers["x-gradio-user"], "api");
    assert_eq!(headers["x-mine"], "kept");
    // On this server no proxy strips it; on the Hub the app never sees it.
    assert_eq!(headers["x-hf-authorization"], "Bearer hf_seen");
    assert_eq!(headers["authorization"], Value::Null, "the token went where the app can read it");
}

/// A rebuilt Space numbers its functions anew: the old number answers 500.
async fn a_restarted_app_is_found_again(gradio: &'static Gradio) {
    let real = testkit::gradio::fetch(&format!("{}/config", gradio.url("main"))).unwrap();
    let mut old: Value = serde_json::from_str(&real).unwrap();
    old["app_id"] = json!(1);
    for function in old["dependencies"].as_array_mut().unwrap() {
        function["id"] = json!(function["id"].as_i64().unwrap() + 9000);
    }
    let proxy = Proxy::before(gradio.url("main")).unwrap();
    proxy.rule_times("GET /config", 1, Fault::Instead(Answer::json(200, &old)));
    let client = connect(proxy.url()).await;
    let held = client.endpoint("add").unwrap();
    for _ in 0..3 {
        let arguments = Arguments::positional([json!(2), json!(3)]);
        let running = client.call(&held, arguments, CallOptions::default()).await.unwrap();
        assert_eq!(listen(running).await.result()[1], json!(6));
    }
    assert_eq!(proxy.requests("GET /config").len(), 2, "once at first, and once to look again");
}

#[tokio::test]
async fn row_30_the_configured_timeout_is_used() {
    let proxy = Proxy::before(SIX.url("main")).unwrap();
    let client = {
        let deadlines = Deadlines { request: Duration::from_millis(700), ..Deadlines::default() };
        let options = ConnectOptions { deadlines, ..ConnectOptions::default() };
        try_connect(proxy.url(), options).await.unwrap()
    };
    let late = Answer::json(200, &json!({"event_id": "late"}));
    proxy.rule("/queue/join", Fault::Late(Duration::from_secs(30), late));
    let error = within(10, call(&client, "add", &[json!(1), json!(2)])).await.error.unwrap();
    assert!(matches!(error.kind(), ErrorKind::Timeout(TimeoutPhase::Connect)), "{error:?}");
}

#[tokio::test]
async fn row_35_addresses_below_a_path_are_joined() {
    let proxy = Proxy::alone().unwrap();
    let config = testkit::gradio::fetch(&format!("{}/config", SIX.url("main"))).unwrap();
    proxy.rule(
        "GET /sub/path/config",
        Fault::Instead(Answer::status(200).with_body("application/json", config)),
    );
    proxy.rule("", Fault::Instead(Answer::json(404, &json!({"detail": "Not Found"}))));
    let client = within(20, connect(&format!("{}/sub/path/", proxy.url()))).await;
    assert!(client.endpoint("/respond").is_ok());
    assert!(proxy.journal().iter().all(|request| request.target.starts_with("/sub/path/")));
}

/// A rebuilt Space numbers its functions anew, and the old number may be another function's: after
/// a sign of a restart the client looks again before it calls.
#[tokio::test]
async fn a_rebuilt_space_is_called_by_name() {
    let real = testkit::gradio::fetch(&format!("{}/config", SIX.url("main"))).unwrap();
    let mut old: Value = serde_json::from_str(&real).unwrap();
    old["app_id"] = json!(1);
    let functions = old["dependencies"].as_array_mut().unwrap();
    let place = |functions: &[Value], name: &str| {
        functions.iter().position(|f| f["api_name"] == name).unwrap()
    };
    let (add, boom) = (place(functions, "add"), place(functions, "boom"));
    let (add_id, boom_id) = (functions[add]["id"].clone(), functions[boom]["id"].clone());
    functions[add]["id"] = boom_id;
    functions[boom]["id"] = add_id;
    for sign in [
        Fault::ResetBeforeHead,
        Fault::Instead(Answer::html(502, "Bad Gateway")),
        Fault::Instead(Answer::html(503, "Your Space is starting")),
    ] {
        let proxy = Proxy::before(SIX.url("main")).unwrap();
        proxy.rule_times("GET /config", 1, Fault::Instead(Answer::json(200, &old)));
        proxy.rule_times("/queue/join", 1, sign.clone());
        let client = within(20, connect(proxy.url())).await;
        // Either the failure itself makes it look again and succeed, or the next call does.
        let _ = within(20, call(&client, "add", &[json!(2), json!(3)])).await;
        let told = within(20, call(&client, "add", &[json!(2), json!(3)])).await;
        assert_eq!(told.result(), [json!("5"), json!(6)], "{sign:?}");
    }
}
