//! Requests as values.

use std::collections::BTreeMap;

use domain::{GenerationOptions, Message, Request, Role as Speaker, Think};
use ports::{Error, ErrorKind};
use serde_json::{Value, json};

use super::{Conversation, Payload};
use crate::arguments::Arguments;
use crate::endpoint::{Endpoint, Input, Output};
use crate::history::Dialect;
use crate::mapping::{Mapping, Overrides};
use crate::role::Role;

fn input(name: &str, component: &str, range: Option<(f64, f64)>) -> Input {
    Input {
        name: Some(name.to_owned()),
        component: component.to_owned(),
        default: Some(Value::Null),
        minimum: range.map(|(low, _)| low),
        maximum: range.map(|(_, high)| high),
        ..Input::default()
    }
}

fn endpoint() -> Endpoint {
    Endpoint {
        name: "/respond".into(),
        public: true,
        generator: false,
        inputs: vec![
            input("message", "textbox", None),
            input("chat_history", "chatbot", None),
            input("sys_prompt", "textbox", None),
            input("temp", "slider", Some((0.0, 1.0))),
            input("max_tok", "slider", Some((128.0, 1024.0))),
            input("thinking", "checkbox", None),
        ],
        outputs: vec![Output { component: "chatbot".into(), ..Output::default() }],
        fn_index: 0,
    }
}

fn values(request: &Request, ranges: &[(Role, (f64, f64))]) -> Result<Vec<Value>, Error> {
    let endpoint = endpoint();
    let mapping = Mapping::of(&endpoint, &Overrides::default()).unwrap();
    let ranges: BTreeMap<_, _> = ranges.iter().copied().collect();
    let payload = Payload {
        endpoint: &endpoint,
        mapping: &mapping,
        ranges: &ranges,
        dialect: Dialect::Pairs,
        remembered: false,
    };
    let (arguments, _) = payload.values(&Conversation::of(request)?, &request.options)?;
    arguments.arrange(&endpoint)
}

fn conversation() -> Vec<Message> {
    vec![Message::system("s"), Message::user("a"), Message::assistant("b"), Message::user("c")]
}

#[test]
fn a_request_of_the_origin_is_put_as_it_was() {
    let options = GenerationOptions {
        temperature: Some(0.7),
        max_tokens: Some(512),
        think: Some(Think::Off),
        ..Default::default()
    };
    let request = Request::messages(conversation()).with_options(options);
    let expected = json!(["c", [["a", "b"]], "s", 0.7, 512, false]);
    assert_eq!(Value::from(values(&request, &[]).unwrap()), expected);
}

#[test]
fn what_is_not_set_is_left_to_the_space() {
    let expected = json!(["hi", [], null, null, null, null]);
    assert_eq!(Value::from(values(&Request::user("hi"), &[]).unwrap()), expected);
}

#[test]
fn out_of_range_is_refused_and_never_clamped() {
    for (max_tokens, ranges, fits) in [
        (127, vec![], false),
        (128, vec![], true),
        (1024, vec![], true),
        (1025, vec![], false),
        (200, vec![(Role::MaxTokens, (256.0, 4096.0))], false),
        (2000, vec![(Role::MaxTokens, (256.0, 4096.0))], false),
    ] {
        let result = values(&Request::user("hi").with_max_tokens(max_tokens), &ranges);
        assert_eq!(result.is_ok(), fits, "{max_tokens}");
        if let Err(error) = result {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains(&format!("not {max_tokens}")), "{error}");
        }
    }
}

#[test]
fn messages_in_a_row_are_one_and_tools_are_refused() {
    let request = Request::messages(vec![Message::user("a"), Message::user("b")]);
    let conversation = Conversation::of(&request).unwrap();
    assert_eq!((conversation.message.as_str(), conversation.turns.len()), ("a\n\nb", 0));
    let tool = Request::messages(vec![Message::user("a"), Message::new(Speaker::Tool, "7")]);
    assert_eq!(Conversation::of(&tool).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(Conversation::of(&Request::raw("x")).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn without_a_history_the_turns_go_into_the_message_unless_the_space_knows_them() {
    let mut endpoint = endpoint();
    endpoint.inputs.remove(1);
    endpoint.inputs[0].component = "multimodaltextbox".into();
    let mapping = Mapping::of(&endpoint, &Overrides::default()).unwrap();
    let message = |remembered: bool| {
        let ranges = BTreeMap::new();
        let payload = Payload {
            endpoint: &endpoint,
            mapping: &mapping,
            ranges: &ranges,
            dialect: Dialect::Parts,
            remembered,
        };
        let request = Request::messages(conversation());
        let (arguments, sent) =
            payload.values(&Conversation::of(&request).unwrap(), &request.options).unwrap();
        assert_eq!(sent, 0);
        let Arguments::Placed(values) = arguments else { panic!("not by place") };
        values[0].clone().unwrap()["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(message(true), "c");
    assert!(message(false).contains("Assistant: b") && message(false).ends_with("User: c"));
}
