//! Vectors captured from servers, and properties over arbitrary values.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Outputs, apply};

fn applied(mut value: Value, edits: Value) -> Value {
    apply(&mut value, &edits).unwrap();
    value
}

#[test]
fn the_four_actions() {
    assert_eq!(applied(json!("one"), json!([["append", [], " two"]])), "one two");
    assert_eq!(applied(json!([1]), json!([["append", [], [2]]])), json!([1, 2]));
    assert_eq!(applied(json!(1), json!([["replace", [], {"a": 2}]])), json!({"a": 2}));
    assert_eq!(applied(json!([1, 3]), json!([["add", [1], 2]])), json!([1, 2, 3]));
    assert_eq!(applied(json!({"a": 1}), json!([["add", ["b"], 2]])), json!({"a": 1, "b": 2}));
    assert_eq!(applied(json!({"a": 1}), json!([["delete", ["a"], null]])), json!({}));
}

#[test]
fn deletes_on_one_list_are_shifted_already() {
    let edits = json!([["delete", [1], null], ["delete", [1], null]]);
    assert_eq!(applied(json!([0, 1, 2]), edits), json!([0]));
}

#[test]
fn paths_of_the_three_chat_shapes() {
    let parts = json!([{"content": [{"text": "a"}]}]);
    let edits = json!([["append", [0, "content", 0, "text"], "b"]]);
    assert_eq!(applied(parts, edits), json!([{"content": [{"text": "ab"}]}]));
    let edits = json!([["append", [0, "content"], "b"]]);
    assert_eq!(applied(json!([{"content": "a"}]), edits), json!([{"content": "ab"}]));
    assert_eq!(
        applied(json!([["u", "a"]]), json!([["append", [0, 1], "b"]])),
        json!([["u", "ab"]])
    );
}

#[test]
fn edits_that_do_not_fit_are_errors() {
    for (value, edit) in [
        (json!([1]), json!(["delete", [1], null])),
        (json!([1]), json!(["add", [3], null])),
        (json!([1]), json!(["add", [], 1])),
        (json!([1]), json!(["replace", [-1], 1])),
        (json!([1]), json!(["replace", ["a"], 1])),
        (json!({"a": 1}), json!(["delete", ["b"], null])),
        (json!(1), json!(["append", [], "x"])),
        (json!(1), json!(["rotate", [], "x"])),
        (json!(1), json!("nonsense")),
    ] {
        let mut target = value.clone();
        assert!(apply(&mut target, &json!([edit])).is_err(), "{value} {edit}");
        assert_eq!(target, value);
    }
    assert!(apply(&mut json!(1), &json!({})).is_err());
}

#[test]
fn the_first_data_are_values_and_the_next_edits() {
    let mut outputs = Outputs::default();
    assert!(outputs.advance(vec![json!("a"), json!(1)], true));
    assert!(outputs.advance(vec![json!([["append", [], "b"]]), json!([])], true));
    assert_eq!(outputs.values(), [json!("ab"), json!(1)]);
    assert!(outputs.advance(vec![json!([]), json!([]), json!([["replace", [], 5]])], true));
    assert_eq!(outputs.values()[2], json!(5));
}

#[test]
fn whole_values_replace_each_other() {
    let mut outputs = Outputs::default();
    assert!(outputs.advance(vec![json!([])], false) && outputs.advance(vec![json!("x")], false));
    assert_eq!(outputs.values(), [json!("x")]);
}

#[test]
fn a_misfit_keeps_the_last_good_values_until_the_final_ones() {
    let mut outputs = Outputs::default();
    outputs.advance(vec![json!(["u", ["p1", "p2"], "u2"]), json!("t")], true);
    let before = outputs.values().to_vec();
    let wrong = json!([["delete", [1, 0], null], ["delete", [7], null]]);
    assert!(!outputs.advance(vec![wrong, json!([])], true));
    assert!(outputs.broken().is_some());
    assert_eq!(outputs.values(), before);
    assert!(!outputs.advance(vec![json!([]), json!([["append", [], "x"]])], true));
    assert_eq!(outputs.values(), before);
    outputs.finish(vec![json!(["u"]), json!("done")]);
    assert_eq!(outputs.values(), [json!(["u"]), json!("done")]);
}

fn arbitrary() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        (-3i64..4).prop_map(Value::from),
        "[a-z]{0,3}".prop_map(Value::from),
        prop_oneof![Just("append"), Just("add"), Just("delete"), Just("replace")]
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn edit() -> impl Strategy<Value = Value> {
    let action = prop_oneof![Just("append"), Just("add"), Just("delete"), Just("replace")];
    let key = prop_oneof![(-1i64..4).prop_map(Value::from), "[a-c]".prop_map(Value::from)];
    (action, prop::collection::vec(key, 0..4), arbitrary())
        .prop_map(|(action, path, value)| json!([action, path, value]))
}

/// The edits that turn `from` into `to`, as a server computes them for texts and flat lists.
fn difference(from: &Value, to: &Value) -> Value {
    match (from, to) {
        (Value::String(a), Value::String(b)) if b.starts_with(a.as_str()) => {
            json!([["append", [], b[a.len()..]]])
        }
        (Value::Array(a), Value::Array(b)) => {
            let common = a.iter().zip(b).take_while(|(x, y)| x == y).count();
            let deletes = (common..a.len()).map(|_| json!(["delete", [common], null]));
            let adds = (common..b.len()).map(|index| json!(["add", [index], b[index]]));
            deletes.chain(adds).collect()
        }
        _ => json!([["replace", [], to]]),
    }
}

proptest! {
    #[test]
    fn any_edit_of_any_value_fits_or_is_refused(
        value in arbitrary(),
        edits in prop::collection::vec(edit(), 0..5),
        noise in arbitrary(),
    ) {
        let mut target = value.clone();
        let _ = apply(&mut target, &Value::from(edits.clone()));
        let _ = apply(&mut target, &noise);
        let mut outputs = Outputs::default();
        outputs.advance(vec![value], true);
        let before = outputs.values().to_vec();
        if !outputs.advance(vec![Value::from(edits)], true) {
            prop_assert_eq!(outputs.values(), before);
        }
    }

    #[test]
    fn edits_lead_from_any_value_to_any_other(from in arbitrary(), to in arbitrary()) {
        let mut target = from.clone();
        apply(&mut target, &difference(&from, &to)).unwrap();
        prop_assert_eq!(target, to);
    }
}
