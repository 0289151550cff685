//! Endpoints as three major versions describe them.

use serde_json::json;

use super::{Endpoint, endpoints};

fn read(config: serde_json::Value, info: serde_json::Value) -> Vec<Endpoint> {
    endpoints(&serde_json::from_value(config).unwrap(), &serde_json::from_value(info).unwrap())
}

#[test]
fn documented_names_skip_state() {
    let all = read(
        json!({"version": "6.31.0", "components": [
            {"id": 1, "type": "textbox", "skip_api": false, "props": {"label": "text", "value": null}},
            {"id": 2, "type": "state", "skip_api": true, "props": {}},
            {"id": 3, "type": "slider", "props": {"label": "n", "minimum": 0, "maximum": 2.5, "value": 1}},
        ], "dependencies": [
            {"id": 7, "api_name": "run", "inputs": [1, 2, 3], "outputs": [1, 2], "types": {"generator": true}},
        ]}),
        json!({"named_endpoints": {"/run": {"parameters": [
            {"label": "text", "parameter_name": "prompt", "parameter_has_default": false},
            {"label": {"key": "i18n"}, "parameter_name": "count", "parameter_has_default": true, "parameter_default": 1.5},
        ]}}}),
    );
    let [run] = &all[..] else { panic!("{all:?}") };
    assert_eq!(
        (run.name.as_str(), run.fn_index, run.generator, run.public),
        ("/run", 7, true, true)
    );
    let names: Vec<_> = run.inputs.iter().map(|input| input.name.as_deref()).collect();
    assert_eq!(names, [Some("prompt"), None, Some("count")]);
    assert_eq!(run.inputs[0].default, None);
    assert_eq!(run.inputs[1].default, Some(json!(null)));
    assert_eq!(
        (run.inputs[2].default.clone(), run.inputs[2].maximum),
        (Some(json!(1.5)), Some(2.5))
    );
    assert_eq!(run.inputs[2].label, "n");
    assert!(run.outputs[1].hidden && !run.outputs[0].hidden);
}

#[test]
fn without_documentation_labels_and_start_values_are_left() {
    let all = read(
        json!({"version": "4.44.1", "components": [
            {"id": 1, "type": "dropdown", "props": {"label": "Model", "value": "a", "choices": [["A", "a"], "b"]}},
            {"id": 2, "type": "dropdown", "props": {"choices": ["x"], "allow_custom_value": true}},
        ], "dependencies": [
            {"api_name": false, "inputs": []}, {"api_name": "go", "inputs": [1, 2, 99], "outputs": []},
            {"id": 5, "api_name": "js", "backend_fn": false}, {"api_name": "video", "connection": "stream"},
        ]}),
        json!({}),
    );
    let [go] = &all[..] else { panic!("{all:?}") };
    assert_eq!(go.fn_index, 1);
    assert_eq!(go.inputs[0].choices, [json!("a"), json!("b")]);
    assert_eq!((go.inputs[0].name.clone(), go.inputs[0].default.clone()), (None, Some(json!("a"))));
    assert!(go.inputs[1].choices.is_empty());
    assert!(go.inputs[2].hidden);
}
