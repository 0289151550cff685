//! Messages as servers of Gradio 4, 5 and 6 send them.

use proptest::prelude::*;
use serde_json::json;

use super::message::Failure;
use super::{Addressed, AppConfig, LogLine, Message};

fn message(value: &serde_json::Value) -> Message {
    Addressed::parse(&value.to_string()).unwrap().message
}

fn failed(title: Option<&str>, text: Option<&str>) -> Message {
    Message::Failed(Failure { title: title.map(str::to_owned), text: text.map(str::to_owned) })
}

#[test]
fn every_kind_of_message_is_read() {
    let estimation = json!({"msg": "estimation", "event_id": "d0", "rank": 2, "queue_size": 3.0, "rank_eta": 3.6});
    assert_eq!(
        Addressed::parse(&estimation.to_string()).unwrap(),
        Addressed {
            event_id: Some("d0".into()),
            message: Message::Estimation { rank: Some(2), queue_size: Some(3), eta: Some(3.6) },
        }
    );
    assert_eq!(
        message(&json!({"msg": "process_starts", "eta": null})),
        Message::Started { eta: None }
    );
    assert_eq!(
        message(&json!({"msg": "log", "log": "t", "level": "info", "duration": 10.0})),
        Message::Log(LogLine { level: "info".into(), title: None, text: "t".into() })
    );
    assert_eq!(
        message(&json!({"msg": "process_generating", "output": {"data": [1]}, "success": true})),
        Message::Generating(vec![json!(1)])
    );
    assert_eq!(
        message(&json!({"msg": "process_completed", "output": {"data": ["x"]}, "success": true})),
        Message::Completed(vec![json!("x")])
    );
    assert_eq!(message(&json!({"msg": "heartbeat", "event_id": null})), Message::Heartbeat);
    assert_eq!(message(&json!({"msg": "close_stream"})), Message::CloseStream);
    assert_eq!(message(&json!({"msg": "something_new"})), Message::Unknown);
    assert_eq!(message(&json!({})), Message::Unknown);
}

#[test]
fn progress_may_be_whole_broken_or_absent() {
    let Message::Progress(units) = message(&json!({"msg": "progress", "progress_data": [
        {"index": 1, "length": 2, "unit": "tok", "progress": null, "desc": "steps"},
        {"index": 1.5, "length": null, "unit": null, "progress": 0.3, "desc": null}, 7,
    ]})) else {
        panic!("not read as progress")
    };
    assert_eq!((units.len(), units[0].index, units[1].progress), (2, Some(1.0), Some(0.3)));
}

#[test]
fn the_six_ways_to_end() {
    let end = |output: serde_json::Value, outer: serde_json::Value, success: bool| {
        message(
            &json!({"msg": "process_completed", "output": output, "title": outer, "success": success}),
        )
    };
    let (error, title) = ("deliberate: x", "ZeroGPU quota exceeded");
    let inner = json!({"error": error, "title": title});
    assert_eq!(end(inner, json!("Error"), false), failed(Some(title), Some(error)));
    assert_eq!(
        end(json!({"error": error}), json!("Error"), false),
        failed(Some("Error"), Some(error))
    );
    assert_eq!(end(json!({"error": null}), json!(null), false), failed(None, None));
    assert_eq!(end(json!(null), json!(null), false), failed(None, None));
    assert_eq!(end(json!({}), json!(null), true), Message::Cancelled);
    assert_eq!(end(json!({"data": []}), json!(null), true), Message::Completed(vec![]));
}

#[test]
fn a_function_without_a_name_is_private_in_every_spelling() {
    let config: AppConfig = serde_json::from_value(json!({"version": "6.31.0", "dependencies": [
        {"id": 3, "api_name": "respond"},
        {"id": 4, "api_name": false},
        {"id": 5, "api_name": "false", "api_visibility": "private"},
        {"id": 6, "api_name": "undoc", "api_visibility": "undocumented"},
        {"id": 7, "api_name": "old", "show_api": false},
        {"id": 8, "api_name": null, "inputs": null, "types": null},
    ]}))
    .unwrap();
    let public: Vec<_> = config.dependencies.iter().filter(|d| d.public()).map(|d| d.id).collect();
    assert_eq!((public, config.major()), (vec![Some(3)], 6));
}

#[test]
fn what_a_version_can_do_follows_from_its_number() {
    for (version, whole, cancels) in [
        ("4.9.1", false, false),
        ("4.19.2", false, false),
        ("4.20.0", true, false),
        ("4.31.0", true, true),
        ("5.0.0-beta.1", true, true),
        ("6.31.0", true, true),
        ("", false, false),
    ] {
        let config = AppConfig { version: version.into(), ..AppConfig::default() };
        assert_eq!((config.gives_whole_values(), config.cancels()), (whole, cancels), "{version}");
    }
}

#[test]
fn a_strange_configuration_is_still_read() {
    let config: AppConfig = serde_json::from_value(json!({
        "version": 7, "protocol": null, "app_id": 2_483_028_754_536_489_115_u64,
        "components": [{"id": 1, "type": "html", "props": null}, {"id": 2, "props": {"label": {}}}],
    }))
    .unwrap();
    assert_eq!((config.major(), config.supported(), config.sends_diffs()), (0, false, false));
    assert_eq!(config.component(2).unwrap().label(), "");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,80}") {
        let _ = Addressed::parse(&text);
    }

    #[test]
    fn any_field_of_any_type_is_tolerated(
        kind in prop_oneof![Just("estimation"), Just("progress"), Just("log"),
            Just("process_generating"), Just("process_completed"), Just("unexpected_error")],
        field in prop_oneof![Just("output"), Just("success"), Just("rank"), Just("progress_data"),
            Just("log"), Just("title"), Just("message"), Just("eta")],
        value in prop_oneof![Just(json!(null)), Just(json!([])), Just(json!({})), Just(json!(-1)),
            Just(json!("x")), Just(json!(1e300)), Just(json!([{"index": "a"}]))],
    ) {
        let message = json!({"msg": kind, field: value}).to_string();
        prop_assert!(Addressed::parse(&message).is_some());
    }
}
