//! Arguments by place and by name, and the mistakes that are named before anything is sent.

use ports::ErrorKind;
use serde_json::{Value, json};

use super::Arguments;
use crate::endpoint::{Endpoint, Input};

fn input(name: &str, component: &str, default: Option<Value>) -> Input {
    Input {
        name: Some(name.to_owned()),
        label: "num".to_owned(),
        component: component.to_owned(),
        default,
        ..Input::default()
    }
}

fn endpoint() -> Endpoint {
    let state = Input { hidden: true, default: Some(Value::Null), ..Input::default() };
    let slider =
        Input { minimum: Some(0.0), maximum: Some(2.0), ..input("t", "slider", Some(json!(0.7))) };
    let model = Input {
        choices: vec![json!("a"), json!("b")],
        ..input("model", "dropdown", Some(json!("a")))
    };
    Endpoint {
        name: "/f".into(),
        public: true,
        generator: false,
        inputs: vec![input("text", "textbox", None), state, slider, model],
        outputs: vec![],
        fn_index: 0,
    }
}

fn arranged(arguments: Arguments) -> Result<Vec<Value>, String> {
    arguments.arrange(&endpoint()).map_err(|error| {
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        error.to_string()
    })
}

fn named(value: Value) -> Arguments {
    Arguments::named(value.as_object().unwrap().clone())
}

#[test]
fn places_skip_state_and_gaps_take_defaults() {
    let all = json!(["x", null, 0.7, "a"]);
    assert_eq!(arranged(Arguments::positional([json!("x")])).map(Value::from), Ok(all.clone()));
    assert_eq!(arranged(named(json!({"text": "x"}))).map(Value::from), Ok(all));
    let given = arranged(Arguments::positional([json!("x"), json!(2), json!("b")]));
    assert_eq!(given.map(Value::from), Ok(json!(["x", null, 2, "b"])));
}

#[test]
fn mistakes_are_named() {
    for (arguments, says) in [
        (Arguments::positional([]), "text is missing"),
        (Arguments::positional([json!(1), json!(1), json!("a"), json!(1)]), "takes 3"),
        (named(json!({"text": "x", "temp": 1})), "no \"temp\""),
        (named(json!({"text": "x", "num": 1})), "several inputs have the label"),
        (named(json!({"text": "x", "t": 2.5})), "between 0 and 2"),
        (named(json!({"text": "x", "t": "1"})), "must be a number"),
        (named(json!({"text": "x", "model": "c"})), "one of \"a\", \"b\""),
    ] {
        let message = arranged(arguments).unwrap_err();
        assert!(message.contains(says), "{message}");
    }
}
