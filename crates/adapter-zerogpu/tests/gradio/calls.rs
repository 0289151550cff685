//! Calls that go well: values, events and their order, progress, logs, large and strange texts.

use serde_json::json;
use testkit::faults::{Answer, Fault, Proxy};
use textport_adapter_zerogpu::{CallEvent, GradioClient};

use crate::serving::{Gradio, SIX, on_every_gradio};
use crate::telling::{Told, begin, call, connect, events_of, listen, within};

on_every_gradio! {
    row_06_status_only_moves_forward
    row_07_every_chunk_arrives_in_order
    row_08_a_failing_call_ends_after_its_error
    row_10_a_hidden_error_reaches_the_caller
    row_11_progress_arrives_with_its_units
    row_18_state_is_no_value_of_the_result
    row_19_logs_heartbeats_and_a_big_value
    row_21_and_22_unusual_characters_survive
    row_23_more_calls_than_workers_all_end
    row_34_an_error_after_values_ends_the_call
    functions_outside_the_queue_answer_too
}

fn order_of(event: &CallEvent) -> u8 {
    match event {
        CallEvent::Queued { .. } => 0,
        CallEvent::Started { .. } => 1,
        CallEvent::Finished => 3,
        _ => 2,
    }
}

pub(crate) async fn row_06_status_only_moves_forward(gradio: &'static Gradio) {
    let client = connect(gradio.url("main")).await;
    let first = begin(&client, "slow", &[json!(0.6), json!("row 6")]).await.unwrap();
    let second = begin(&client, "slow", &[json!(0.1), json!("row 6")]).await.unwrap();
    let (first, second) = tokio::join!(listen(first), listen(second));
    for told in [&first, &second] {
        assert!(told.events.is_sorted_by_key(order_of), "{:?}", told.events);
        assert!(matches!(told.events[0], CallEvent::Queued { position: Some(_), .. }));
        let starts = told.events.iter().filter(|e| matches!(e, CallEvent::Started { .. })).count();
        assert_eq!((starts, told.events.last()), (1, Some(&CallEvent::Finished)));
    }
    assert_eq!(first.result()[0], "slept 0.6");
}

pub(crate) async fn row_07_every_chunk_arrives_in_order(gradio: &'static Gradio) {
    let client = connect(gradio.url("main")).await;
    let told = call(&client, "complete", &[json!("Tell me of ports"), json!(20)]).await;
    let texts = told.texts();
    assert!(texts.windows(2).all(|pair| pair[1].starts_with(pair[0])), "{texts:?}");
    let words: Vec<usize> = texts.iter().map(|text| text.split(' ').count()).collect();
    let expected: Vec<usize> = (1..=20).chain([20]).collect();
    assert_eq!(words, expected, "a chunk was lost or came twice");
}

pub(crate) async fn row_08_a_failing_call_ends_after_its_error(gradio: &'static Gradio) {
    let client = connect(gradio.url("main")).await;
    let told = call(&client, "boom", &[json!("x")]).await;
    assert!(told.outputs.is_empty(), "{told:?}");
    let error = told.error.unwrap();
    assert!(error.to_string().contains("deliberate: x"), "{error}");
    assert!(!error.to_string().contains('\''), "quotes of Python: {error}");
}

async fn row_10_a_hidden_error_reaches_the_caller(gradio: &'static Gradio) {
    let client = connect(gradio.url("main")).await;
    let hidden = call(&client, "boom_hidden", &[json!("x")]).await.error.unwrap();
    assert!(!hidden.to_string().contains("hidden detail"), "{hidden}");
    assert!(hidden.hint().is_some(), "nothing says what to do: {hidden:?}");
    let client = connect(gradio.url("open_errors")).await;
    let shown = call(&client, "boom_hidden", &[json!("x")]).await.error.unwrap();
    assert!(shown.to_string().contains("hidden detail: x"), "{shown}");
}

pub(crate) async fn row_11_progress_arrives_with_its_units(gradio: &'static Gradio) {
    let client = connect(gradio.url("main")).await;
    let told = call(&client, "progress", &[json!(4)]).await;
    assert_eq!(told.result()[0], "did 4");
    let units: Vec<_> = told
        .events
        .iter()
        .filter_map(|event| match event {
            CallEvent::Progress { units } => units.last(),
            _ => None,
        })
        .collect();
    let counted = units.iter().find(|unit| unit.unit.as_deref() == Some("tok"));
    assert_eq!(counted.and_then(|unit| unit.length), Some(4.0), "{units:?}");
    let last = units.last().unwrap();
    let seen = (last.index, last.length, last.unit.as_deref(), last.desc.as_deref());
    assert_eq!(seen, (Some(3.0), Some(10.0), Some("files"), Some("in two parts")));
}

pub(crate) async fn row_18_state_is_no_value_of_the_result(gradio: &'static Gradio) {
    let client = connect(gradio.url("main")).await;
    let endpoint = client.endpoint("/remember").unwrap();
    let hidden: Vec<bool> = endpoint.outputs.iter().map(|output| output.hidden).collect();
    assert_eq!(hidden, [false, true]);
    let told = call(&client, "remember", &[json!("a")]).await;
    assert_eq!(told.result(), [json!("a #1"), json!(null)]);
}

pub(crate) async fn row_19_logs_heartbeats_and_a_big_value(gradio: &'static Gradio) {
    let client = connect(gradio.url("main")).await;
    let told = call(&client, "logs", &[json!("aloud")]).await;
    assert_eq!(told.result()[0], "ALOUD");
    let logs: Vec<(&str, &str)> = told
        .events
        .iter()
        .filter_map(|event| match event {
            CallEvent::Log { level, message, .. } => Some((level.as_str(), message.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(logs[..2], [("info", "an info"), ("warning", "a warning")]);
    let big = call(&client, "hostile_text", &[json!("big"), json!(1 << 20)]).await;
    let text = big.result()[0].as_str().unwrap();
    assert_eq!((text.len(), text.matches("0123456789abcdef").count()), (1 << 20, 1 << 16));
}

pub(crate) async fn row_21_and_22_unusual_characters_survive(gradio: &'static Gradio) {
    let client = connect(gradio.url("main")).await;
    let told = call(&client, "hostile_text", &[json!("marks"), json!(0)]).await;
    let expected = "a\u{85}b\u{2028}c\nd\r\ne\"f\\g\u{0}h😀";
    assert_eq!(told.result()[0], expected);
}

pub(crate) async fn row_23_more_calls_than_workers_all_end(gradio: &'static Gradio) {
    let client = connect(gradio.url("main")).await;
    let (a, b) = (json!(0.01), json!("row 23"));
    let values = [a, b];
    let calls = (0..24).map(|_| call(&client, "slow", &values));
    for told in within(40, futures_util::future::join_all(calls)).await {
        assert_eq!(told.result()[0], "slept 0.01");
    }
}

pub(crate) async fn row_34_an_error_after_values_ends_the_call(gradio: &'static Gradio) {
    let client = connect(gradio.url("main")).await;
    let told = call(&client, "boom_late", &[json!("x")]).await;
    assert_eq!(told.texts(), ["one", "one two"]);
    assert!(told.error.as_ref().unwrap().to_string().contains("late: x"), "{told:?}");
}

async fn functions_outside_the_queue_answer_too(gradio: &'static Gradio) {
    // On the second server the direct routes are closed, as they are on every Space.
    for (server, name) in [("main", "slow_unqueued"), ("closed", "slow")] {
        let client = connect(gradio.url(server)).await;
        let told = call(&client, name, &[json!(0.01), json!("direct")]).await;
        assert_eq!(told.result()[0], "slept 0.01", "{server}");
    }
}

fn scripted(events: &[serde_json::Value]) -> Proxy {
    let proxy = Proxy::before(SIX.url("main")).unwrap();
    proxy.rule("/queue/join", Fault::Instead(Answer::json(200, &json!({"event_id": "e1"}))));
    proxy.rule("/queue/data", Fault::Instead(Answer::events(events)));
    proxy
}

async fn scripted_call(proxy: &Proxy) -> (GradioClient, Told) {
    let client = connect(proxy.url()).await;
    let told = call(&client, "complete", &[json!("x"), json!(4)]).await;
    (client, told)
}

#[tokio::test]
async fn row_33_messages_of_later_versions_are_tolerated() {
    let mut events = events_of("e1", "fine");
    events.insert(0, json!({"msg": "weather", "event_id": "e1", "sky": ["blue"]}));
    events.insert(1, json!({"msg": "progress", "event_id": "e1", "progress_data": null}));
    events.insert(2, json!({"nothing": true}));
    let (_, told) = within(20, scripted_call(&scripted(&events))).await;
    assert_eq!(told.result()[0], "fine");
}

#[tokio::test]
async fn row_34_many_events_in_one_packet() {
    let (_, told) = within(20, scripted_call(&scripted(&events_of("e1", "all at once")))).await;
    assert_eq!(told.result()[0], "all at once");
    assert_eq!(told.events.len(), 3, "{told:?}");
}

#[tokio::test]
async fn events_of_other_calls_are_not_ours() {
    let mut events = events_of("another", "not ours");
    events.pop();
    events.extend(events_of("e1", "ours"));
    let (_, told) = within(20, scripted_call(&scripted(&events))).await;
    assert_eq!(told.result()[0], "ours");
    assert_eq!(told.outputs.len(), 1);
}
