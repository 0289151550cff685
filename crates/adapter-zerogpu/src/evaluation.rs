//! Results of an evaluation, in the shapes that the origin's runners have had.

use ports::{EvaluationResult, SampleResult};
use serde_json::{Map, Value};

/// Reads the outputs of an evaluation endpoint: the one with results in JSON, as a value, as text
/// or in a file's content, and beside it a summary for people. `None` when no output has results.
pub(crate) fn read(outputs: &[Value]) -> Option<EvaluationResult> {
    let (place, raw) =
        outputs.iter().enumerate().find_map(|(place, output)| Some((place, results(output)?)))?;
    let summary = outputs.iter().enumerate().filter(|(other, _)| *other != place);
    let summary =
        summary.filter_map(|(_, output)| output.as_str()).find(|text| !text.trim().is_empty());
    Some(EvaluationResult { summary: summary.map(str::to_owned), ..from_json(raw)? })
}

/// An output that holds sums or samples.
fn results(output: &Value) -> Option<Value> {
    let value = match output {
        Value::String(text) => serde_json::from_str(text).ok()?,
        other => other.clone(),
    };
    let fields = metrics(&value)?;
    let known = ["detailed_results", "results", "success_rate", "total_examples"];
    known.iter().any(|key| fields.contains_key(*key)).then_some(value)
}

/// The sums stand at the top, or under `evaluation_metrics`.
fn metrics(value: &Value) -> Option<&Map<String, Value>> {
    let fields = value.as_object()?;
    match fields.get("evaluation_metrics") {
        Some(Value::Object(metrics)) => Some(metrics),
        _ => Some(fields),
    }
}

fn from_json(raw: Value) -> Option<EvaluationResult> {
    let top = raw.as_object()?;
    let fields = metrics(&raw)?;
    let lists = ["detailed_results", "results"];
    let samples = lists.iter().find_map(|key| fields.get(*key).or_else(|| top.get(*key)));
    let samples: Vec<SampleResult> = samples
        .and_then(Value::as_array)
        .map(|all| all.iter().map(sample).collect())
        .unwrap_or_default();
    let passed = samples.iter().filter(|sample| sample.success).count() as u64;
    let count =
        |keys: [&str; 2]| keys.iter().find_map(|key| fields.get(*key)).and_then(Value::as_u64);
    let total = count(["total_examples", "total"]).unwrap_or(samples.len() as u64);
    let successful = count(["successful_examples", "successful"]).unwrap_or(passed);
    let failed = count(["failed_examples", "failed"]).unwrap_or(total.saturating_sub(successful));
    let rate = if total == 0 { 0.0 } else { successful as f64 * 100.0 / total as f64 };
    let text = |keys: [&str; 2]| {
        let found = keys.iter().find_map(|key| top.get(*key).or_else(|| fields.get(*key)));
        found.and_then(Value::as_str).map(str::to_owned)
    };
    Some(EvaluationResult {
        model: text(["model", "model_name"]),
        hardware: text(["hardware", "device"]),
        total,
        successful,
        failed,
        success_rate: fields.get("success_rate").and_then(Value::as_f64).unwrap_or(rate),
        mean_latency_s: ["avg_latency", "average_latency", "average_generation_time"]
            .iter()
            .find_map(|key| fields.get(*key))
            .and_then(Value::as_f64),
        samples,
        summary: None,
        raw,
    })
}

fn sample(value: &Value) -> SampleResult {
    let text = |key: &str| match value.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let count = |key: &str| value.get(key).and_then(Value::as_u64);
    SampleResult {
        task_id: text("task_id").or_else(|| text("id")),
        agent: text("agent"),
        success: match value.get("success") {
            Some(success) => *success == Value::Bool(true),
            None => value.get("status").is_some_and(|status| status == "success"),
        },
        latency_s: ["latency", "generation_time"]
            .iter()
            .find_map(|key| value.get(*key))
            .and_then(Value::as_f64),
        generated_length: count("generated_length"),
        expected_length: count("expected_length"),
        error: text("error"),
    }
}

#[cfg(test)]
mod tests;
