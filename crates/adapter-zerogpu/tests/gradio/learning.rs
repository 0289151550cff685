//! What a Space's replies teach, and what its mistakes must not do to the text.

use domain::Request;
use serde_json::{Value, json};
use testkit::faults::{Answer, Fault, Proxy};

use crate::conversation::{expected_history, generator, hear, seen, turns};
use crate::serving::{Gradio, SIX, on_every_gradio};
use crate::telling::within;

on_every_gradio! {
    the_shape_of_a_reply_is_used_from_then_on
}

/// The app, described as one whose history would be pairs.
fn misdescribed(gradio: &'static Gradio) -> Proxy {
    let url = gradio.url("main");
    let config = testkit::gradio::fetch(&format!("{url}/config")).unwrap();
    let mut config: Value = serde_json::from_str(&config).unwrap();
    for component in config["components"].as_array_mut().unwrap() {
        if component["type"] == "chatbot" {
            component["props"].as_object_mut().unwrap().remove("type");
        }
    }
    if gradio.major == 6 {
        config["version"] = json!("5.0.0");
    }
    let proxy = Proxy::before(url).unwrap();
    proxy.rule("GET /config", Fault::Instead(Answer::json(200, &config)));
    proxy
}

async fn the_shape_of_a_reply_is_used_from_then_on(gradio: &'static Gradio) {
    let proxy = misdescribed(gradio);
    let endpoint = if gradio.major == 4 { "respond_messages" } else { "respond" };
    let settings = json!({"endpoint": endpoint});
    let ignorant = generator(proxy.url(), settings.clone()).await.unwrap();
    let refused = hear(&ignorant, turns("RECALL")).await;
    assert!(refused.error.is_some(), "nothing was to be learned: the app took pairs");
    // A first message has no history, and every shape of nothing is the same.
    let space = generator(proxy.url(), settings).await.unwrap();
    assert_eq!(hear(&space, Request::user("SAY hello")).await.text(), "hello");
    let told = seen(&hear(&space, turns("RECALL")).await.text());
    assert_eq!(told["history"], expected_history());
}

fn step(data: Value) -> Value {
    json!({"msg": "process_generating", "event_id": "e1", "success": true, "output": {"data": data}})
}

fn scripted(steps: &[Value], last: &str) -> Proxy {
    let mut events: Vec<Value> = steps.iter().map(|data| step(json!([data]))).collect();
    events.push(json!({"msg": "process_completed", "event_id": "e1", "success": true,
        "output": {"data": [last]}}));
    events.push(json!({"msg": "close_stream", "event_id": null}));
    let proxy = Proxy::before(SIX.url("main")).unwrap();
    proxy.rule("/queue/join", Fault::Instead(Answer::json(200, &json!({"event_id": "e1"}))));
    proxy.rule("/queue/data", Fault::Instead(Answer::events(&events)));
    proxy
}

/// Wrong diffs, whether they fit or not: the final value wins, nothing is repeated or lost.
#[tokio::test]
async fn wrong_diffs_do_no_harm_to_the_text() {
    if !SIX.wanted() {
        return;
    }
    let last = "one two three four";
    let (first, more) = (json!("one"), json!([["append", [], " two"]]));
    for (wrong, fits, seen_through) in [
        (json!([["append", [3], "x"]]), false, true),
        (json!([["delete", [0], null]]), false, true),
        (json!([["replace", [], "p3"]]), true, true),
        (json!([["replace", [], ""]]), true, true),
        // A wrong value that only grew cannot be told from a right one.
        (json!([["append", [], " two"]]), true, false),
    ] {
        let steps = [first.clone(), more.clone(), wrong.clone(), json!([["append", [], " three"]])];
        let proxy = scripted(&steps, last);
        let space = generator(proxy.url(), json!({"endpoint": "complete"})).await.unwrap();
        let heard = within(20, hear(&space, Request::user("x"))).await;
        match &heard.error {
            None => assert_eq!(heard.text(), last, "{wrong}"),
            // What was said cannot be taken back, and is not mended by saying it twice.
            Some(error) => {
                assert!(!seen_through, "{wrong}: {error}");
                assert_eq!(error.kind(), ports::ErrorKind::Protocol);
            }
        }
        let again = within(20, hear(&space, Request::user("x"))).await;
        if fits {
            assert_eq!(again.text(), last, "{wrong}");
        }
        // Diffs that did not fit are not asked for again.
        let asked = proxy.requests("/queue/join")[1].json()["simple_format"].clone();
        assert_eq!(asked == json!(true), !fits, "{wrong}");
    }
}
