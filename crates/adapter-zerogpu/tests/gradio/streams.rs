//! What the server's diffs make of values, and how bytes are cut on the way.

use serde_json::{Value, json};
use testkit::faults::{Answer, Fault, Proxy};
use textport_adapter_zerogpu::{Arguments, CallEvent, CallOptions};

use crate::serving::{Gradio, SIX, on_every_gradio};
use crate::telling::{begin, call, connect, listen, within};

on_every_gradio! {
    byte_by_byte_gives_the_same
    a_list_that_shrinks_inside_a_list_ends_right
    whole_values_and_diffs_agree
    values_that_are_taken_back_end_right
}

/// Each byte is a packet: characters, lines and events are all cut in two.
pub(crate) async fn byte_by_byte_gives_the_same(gradio: &'static Gradio) {
    let values = [json!("Characters: é 日本語 😀"), json!(12)];
    let direct = call(&connect(gradio.url("main")).await, "complete", &values).await;
    let proxy = Proxy::before(gradio.url("main")).unwrap();
    proxy.rule("/queue/data", Fault::byte_by_byte());
    let dripped = call(&connect(proxy.url()).await, "complete", &values).await;
    assert_eq!(dripped.result(), direct.result());
    assert_eq!(dripped.texts(), direct.texts());
    assert!(direct.result()[0].as_str().unwrap().chars().any(|c| c.len_utf8() > 1));
}

/// The diffs of Gradio 5 and 6 are wrong here; the last value is what counts.
async fn a_list_that_shrinks_inside_a_list_ends_right(gradio: &'static Gradio) {
    let client = connect(gradio.url("main")).await;
    let last = call(&client, "shapes", &[json!(4)]).await;
    let chat = last.result()[0].as_array().unwrap();
    let expected = if gradio.major == 4 { json!([["u", "p1"]]) } else { json!("p1") };
    let content = &chat.last().unwrap()["content"];
    let text = content.as_str().or_else(|| content[0]["text"].as_str());
    assert!(json!(chat) == expected || (chat.len() == 2 && json!(text) == expected), "{chat:?}");
    // The same call in whole values is the same.
    let endpoint = client.endpoint("shapes").unwrap();
    let options = CallOptions { full_values: true, ..CallOptions::default() };
    let whole = client.call(&endpoint, Arguments::positional([json!(4)]), options).await.unwrap();
    let whole = listen(whole).await;
    assert_eq!(whole.result(), last.result());
    assert_eq!(whole.outputs.len(), 5);
}

pub(crate) async fn whole_values_and_diffs_agree(gradio: &'static Gradio) {
    let client = connect(gradio.url("main")).await;
    let endpoint = client.endpoint("respond").unwrap();
    let arguments = || Arguments::positional([json!("Tell me of ports"), json!([])]);
    let diffs = client.call(&endpoint, arguments(), CallOptions::default()).await.unwrap();
    let diffs = listen(diffs).await;
    let options = CallOptions { full_values: true, ..CallOptions::default() };
    let whole = listen(client.call(&endpoint, arguments(), options).await.unwrap()).await;
    assert_eq!(diffs.outputs, whole.outputs);
    assert!(diffs.outputs.len() > 60);
}

pub(crate) async fn values_that_are_taken_back_end_right(gradio: &'static Gradio) {
    let client = connect(gradio.url("main")).await;
    let told = call(&client, "revise", &[json!("x")]).await;
    let expected = ["The port", "The port is", "The port was open", "The port was", "The port was"];
    assert_eq!(told.texts(), expected);
    let told = call(&client, "jump", &[json!("x")]).await;
    assert_eq!(told.result()[0], "one two three four five");
}

fn scripted(events: &[Value]) -> Proxy {
    let proxy = Proxy::before(SIX.url("main")).unwrap();
    proxy.rule("/queue/join", Fault::Instead(Answer::json(200, &json!({"event_id": "e1"}))));
    proxy.rule("/queue/data", Fault::Instead(Answer::events(events)));
    proxy
}

fn step(data: Value) -> Value {
    json!({"msg": "process_generating", "event_id": "e1", "success": true, "output": {"data": data}})
}

fn last(text: &str) -> Value {
    json!({"msg": "process_completed", "event_id": "e1", "success": true, "output": {"data": [text]}})
}

/// Edits that do not fit are not guessed at: the last good value stays until the final one.
#[tokio::test]
async fn edits_that_do_not_fit_end_in_the_final_value() {
    for bad in [
        json!([["append", [7], "x"]]),
        json!([["delete", [0], null]]),
        json!([["replace", ["key"], "x"]]),
        json!([["explode", [], "x"]]),
        json!("no edits"),
        json!([["append", [], 7]]),
        json!([[]]),
    ] {
        let events = [
            step(json!(["one"])),
            step(json!([bad])),
            step(json!([[["append", [], " three"]]])),
            last("one two three"),
            json!({"msg": "close_stream", "event_id": null}),
        ];
        let proxy = scripted(&events);
        let client = within(20, connect(proxy.url())).await;
        let mut running = begin(&client, "complete", &[json!("x"), json!(4)]).await.unwrap();
        let mut seen = Vec::new();
        while let Some(step) = within(20, running.next()).await {
            if matches!(step.unwrap(), CallEvent::Partial | CallEvent::Finished) {
                seen.push(running.outputs()[0].clone());
            }
        }
        assert_eq!(seen, [json!("one"), json!("one two three")], "{bad}");
        assert!(running.lost_track());
    }
}

#[tokio::test]
async fn a_line_of_a_megabyte_arrives_whole_in_small_pieces() {
    let proxy = Proxy::before(SIX.url("main")).unwrap();
    let pause = std::time::Duration::ZERO;
    proxy.rule("/queue/data", Fault::Drip { bytes: 1021, pause });
    let client = within(20, connect(proxy.url())).await;
    let told = within(60, call(&client, "hostile_text", &[json!("big"), json!(1 << 20)])).await;
    assert_eq!(told.result()[0], "0123456789abcdef".repeat(1 << 16));
}
