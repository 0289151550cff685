//! Both result files of the origin, shortened, and what is no result.

use serde_json::{Value, json};

use super::read;

fn detailed() -> Value {
    json!([
        {"example_id": 0, "agent": "coder", "task_id": "task_1", "success": true, "latency": 13.63,
         "generated_length": 2516, "expected_length": 2137},
        {"agent": "tester", "task_id": 2, "success": false, "latency": 1, "error": "too short"},
    ])
}

#[test]
fn the_result_of_the_space_is_read_as_value_and_as_text() {
    let result = json!({"model": "Qwen3-8B-FP16", "hardware": "ZeroGPU H200", "total_examples": 2,
        "successful": 1, "failed": 1, "success_rate": 50.0, "avg_latency": 13.85, "detailed_results": detailed()});
    for output in [result.clone(), Value::from(result.to_string())] {
        let read = read(&[json!("# Summary"), output]).unwrap();
        assert_eq!((read.total, read.successful, read.failed), (2, 1, 1));
        assert_eq!((read.success_rate, read.mean_latency_s), (50.0, Some(13.85)));
        assert_eq!(read.model.as_deref(), Some("Qwen3-8B-FP16"));
        assert_eq!(read.summary.as_deref(), Some("# Summary"));
        assert_eq!(read.samples[0].generated_length, Some(2516));
        assert_eq!(read.samples[1].task_id.as_deref(), Some("2"));
        assert_eq!(read.samples[1].error.as_deref(), Some("too short"));
        assert_eq!(read.raw, result);
    }
}

#[test]
fn the_result_of_the_machine_has_its_sums_further_in() {
    let read = read(&[json!({"evaluation_metrics": {"success_rate": 48.4, "avg_latency": 592.3,
        "total_examples": 31, "successful_examples": 15, "failed_examples": 16,
        "detailed_results": detailed()}})])
    .unwrap();
    assert_eq!((read.total, read.successful, read.failed, read.samples.len()), (31, 15, 16, 2));
    assert_eq!(read.summary, None);
}

#[test]
fn sums_that_are_not_told_are_counted() {
    let read = read(&[json!({"detailed_results": detailed()})]).unwrap();
    assert_eq!((read.total, read.successful, read.failed, read.success_rate), (2, 1, 1, 50.0));
}

#[test]
fn anything_else_is_no_result() {
    for outputs in [
        vec![],
        vec![json!("text")],
        vec![json!({"a": 1})],
        vec![json!([1]), json!(null), json!("[1]")],
    ] {
        assert_eq!(read(&outputs), None);
    }
}
