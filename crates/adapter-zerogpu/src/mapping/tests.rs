//! Stock layouts and the odd ones.

use ports::ErrorKind;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Mapping, Overrides, discover};
use crate::endpoint::{Endpoint, Input, Output};
use crate::role::Role;

fn input(name: Option<&str>, label: &str, component: &str) -> Input {
    let state = component == "state";
    Input {
        name: name.map(str::to_owned),
        label: label.to_owned(),
        component: component.to_owned(),
        hidden: state,
        default: Some(Value::Null).filter(|_| component != "textbox"),
        ..Input::default()
    }
}

fn endpoint(name: &str, inputs: Vec<Input>, outputs: &[&str]) -> Endpoint {
    let outputs = outputs.iter().map(|component| Output {
        component: (*component).to_owned(),
        hidden: *component == "state",
        ..Output::default()
    });
    Endpoint {
        name: name.to_owned(),
        public: true,
        generator: false,
        inputs,
        outputs: outputs.collect(),
        fn_index: 0,
    }
}

fn origin() -> Endpoint {
    let inputs = vec![
        input(Some("message"), "Your message", "textbox"),
        input(Some("chat_history"), "Chatbot", "chatbot"),
        input(Some("sys_prompt"), "System prompt", "textbox"),
        input(Some("temp"), "Temperature", "slider"),
        input(Some("max_tok"), "Max tokens", "slider"),
    ];
    endpoint("/respond", inputs, &["textbox", "chatbot"])
}

fn chat_interface() -> Endpoint {
    let inputs = vec![
        input(Some("message"), "", "textbox"),
        input(None, "", "state"),
        input(Some("system_message"), "System message", "textbox"),
        input(Some("max_tokens"), "Max new tokens", "slider"),
        input(Some("top_p"), "Top-p", "slider"),
    ];
    endpoint("/chat", inputs, &["json", "state"])
}

fn places(mapping: &Mapping) -> Vec<(Role, usize)> {
    mapping.inputs.iter().map(|(role, place)| (*role, *place)).collect()
}

fn mapped(endpoint: &Endpoint) -> Mapping {
    Mapping::of(endpoint, &Overrides::default()).unwrap()
}

#[test]
fn the_origins_endpoint_is_understood_without_a_word() {
    let mapping = mapped(&origin());
    let expected = [
        (Role::Message, 0),
        (Role::History, 1),
        (Role::System, 2),
        (Role::Temperature, 3),
        (Role::MaxTokens, 4),
    ];
    assert_eq!(places(&mapping), expected);
    assert_eq!((mapping.output, mapping.keeps_history), (1, false));
}

#[test]
fn a_chat_interface_keeps_its_own_history() {
    let mapping = mapped(&chat_interface());
    let expected = [(Role::Message, 0), (Role::System, 2), (Role::MaxTokens, 3), (Role::TopP, 4)];
    assert_eq!(places(&mapping), expected);
    assert_eq!((mapping.output, mapping.keeps_history), (0, true));
}

#[test]
fn labels_do_where_there_are_no_names() {
    let inputs = vec![
        input(None, "Max Length", "slider"),
        input(None, "Your question", "textbox"),
        input(None, "Repetition penalty", "number"),
        input(None, "Temperature", "checkbox"),
        input(None, "Enable thinking mode", "checkbox"),
    ];
    let mapping = mapped(&endpoint("/predict", inputs, &["markdown"]));
    let expected =
        [(Role::Message, 1), (Role::MaxTokens, 0), (Role::RepeatPenalty, 2), (Role::Think, 4)];
    assert_eq!(places(&mapping), expected);
}

#[test]
fn a_lone_text_box_is_the_message_whatever_its_name() {
    let mapping = mapped(&endpoint("/f", vec![input(Some("zzz"), "", "textbox")], &["textbox"]));
    assert_eq!(mapping.place(Role::Message), Some(0));
}

#[test]
fn the_configuration_has_the_last_word() {
    let mut overrides = Overrides { output: Some(0), ..Overrides::default() };
    overrides.map.insert(Role::Message, "sys_prompt".into());
    overrides.map.insert(Role::Temperature, String::new());
    overrides.fixed.insert("message".into(), json!("x"));
    let mapping = Mapping::of(&origin(), &overrides).unwrap();
    assert_eq!(places(&mapping), [(Role::Message, 2), (Role::History, 1), (Role::MaxTokens, 4)]);
    assert_eq!((mapping.output, mapping.fixed.get(&0)), (0, Some(&json!("x"))));
}

#[test]
fn wrong_configuration_is_named() {
    let with = |role: Role, name: &str| Overrides {
        map: [(role, name.to_owned())].into(),
        ..Overrides::default()
    };
    let extra = endpoint(
        "/f",
        vec![input(Some("a"), "", "textbox"), input(Some("b"), "", "textbox")],
        &["textbox"],
    );
    let cases = [
        (origin(), with(Role::Message, "nope"), "no \"nope\""),
        (origin(), with(Role::Message, ""), "no input takes the message"),
        (origin(), Overrides { output: Some(7), ..Overrides::default() }, "no output 7"),
        (endpoint("/f", vec![], &["image"]), Overrides::default(), "no output holds text"),
        (extra, with(Role::Message, "a"), "\"b\" must be given"),
    ];
    for (endpoint, overrides, says) in cases {
        let error = Mapping::of(&endpoint, &overrides).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn the_endpoint_that_looks_most_like_a_chat_is_found() {
    let mut streaming = Endpoint { name: "/respond_stream".into(), generator: true, ..origin() };
    let boom = endpoint("/boom", vec![input(Some("text"), "", "textbox")], &["textbox"]);
    let name =
        |all: &[Endpoint]| discover(all, &Overrides::default()).map(|(endpoint, _)| endpoint.name);
    assert_eq!(name(&[boom.clone(), origin(), streaming.clone()]).unwrap(), "/respond_stream");
    streaming.public = false;
    assert_eq!(name(&[boom.clone(), origin(), streaming]).unwrap(), "/respond");
    assert_eq!(name(&[boom.clone(), chat_interface()]).unwrap(), "/chat");
    let twin = Endpoint { name: "/boom_hidden".into(), ..boom.clone() };
    let error = name(&[boom, twin]).unwrap_err();
    assert!(error.hint().unwrap_or_default().contains("/boom, /boom_hidden"));
    assert_eq!(name(&[]).unwrap_err().kind(), ErrorKind::ConfigInvalid);
}

proptest! {
    #[test]
    fn no_input_serves_two_roles(
        inputs in prop::collection::vec((
            prop::option::of("(max_)?(message|system|temp|tokens|top_p|history|seed|thinking)?"),
            "(Message|Top-p|Max tokens)?",
            prop_oneof![Just("textbox"), Just("slider"), Just("chatbot"), Just("state"), Just("checkbox")],
        ), 0..8),
    ) {
        let inputs = inputs.iter().map(|(name, label, kind)| input(name.as_deref(), label, kind)).collect();
        let endpoint = endpoint("/f", inputs, &["textbox"]);
        if let Ok(mapping) = Mapping::of(&endpoint, &Overrides::default()) {
            let mut places: Vec<usize> = mapping.inputs.values().copied().collect();
            places.sort_unstable();
            let before = places.len();
            places.dedup();
            prop_assert_eq!(places.len(), before);
            prop_assert!(mapping.place(Role::Message).is_some());
            prop_assert!(places.iter().all(|place| !endpoint.inputs[*place].hidden));
        }
    }
}
