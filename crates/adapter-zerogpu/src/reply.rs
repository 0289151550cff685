//! The answer inside whatever an endpoint gives: a text, a chat history of any shape, JSON.

use serde_json::Value;

/// What a value says, as far as it has grown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) text: String,
    /// Messages that the app marks as thoughts.
    pub(crate) reasoning: String,
}

impl Reply {
    fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), reasoning: String::new() }
    }
}

/// Reads the answer. `sent` is how long the history was that went with the call: an intermediate
/// history that is no longer does not hold the answer yet, but an earlier one.
pub(crate) fn read(value: &Value, sent: usize, last: bool) -> Option<Reply> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(Reply::text(text)),
        Value::Array(list) if is_history(list) => {
            if !last && list.len() <= sent {
                return None;
            }
            Some(from_history(list))
        }
        Value::Array(list) if list.is_empty() => None,
        other => Some(Reply::text(content(other))),
    }
}

fn is_history(list: &[Value]) -> bool {
    !list.is_empty() && list.iter().all(|turn| is_pair(turn) || turn.get("role").is_some())
}

fn is_pair(turn: &Value) -> bool {
    turn.as_array().is_some_and(|pair| pair.len() == 2)
}

/// What stands after the last message of the user.
fn from_history(list: &[Value]) -> Reply {
    if let Some(pair) = list.last().and_then(Value::as_array) {
        return Reply::text(content(&pair[1]));
    }
    let is_user = |turn: &&Value| turn.get("role").is_some_and(|role| role == "user");
    let answers = list.iter().rev().take_while(|turn| !is_user(turn));
    let answers: Vec<&Value> = answers.collect();
    let mut reply = Reply::default();
    for answer in answers.into_iter().rev() {
        let thought = answer.get("metadata").and_then(|data| data.get("title"));
        let into = match thought {
            Some(Value::String(_)) => &mut reply.reasoning,
            _ => &mut reply.text,
        };
        let text = answer.get("content").map(content).unwrap_or_default();
        if !into.is_empty() && !text.is_empty() {
            into.push('\n');
        }
        into.push_str(&text);
    }
    reply
}

/// The text of a message's content: a text, one part or a list of parts. Files say nothing.
fn content(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<String> =
                parts.iter().map(content).filter(|text| !text.is_empty()).collect();
            texts.join("\n")
        }
        Value::Object(fields) => {
            let known = ["text", "content", "response", "answer", "output", "generated_text"];
            known.iter().find_map(|key| fields.get(*key)).map(content).unwrap_or_default()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Reply, read};

    fn text(value: &Value, sent: usize, last: bool) -> Option<String> {
        read(value, sent, last).map(|reply| reply.text)
    }

    #[test]
    fn the_last_answer_of_every_shape() {
        let part = |text: &str| json!([{"type": "text", "text": text}]);
        for value in [
            json!("hi"),
            json!([["u", "x"], ["v", "hi"]]),
            json!([{"role": "user", "content": "u"}, {"role": "assistant", "content": "hi"}]),
            json!([{"role": "user", "content": part("u")},
                {"role": "assistant", "metadata": null, "content": part("hi"), "options": null}]),
            json!({"text": "hi", "files": []}),
            json!({"role": "assistant", "content": "hi"}),
            json!(["hi"]),
        ] {
            assert_eq!(text(&value, 0, true).as_deref(), Some("hi"), "{value}");
        }
        assert_eq!(text(&json!(7), 0, true).as_deref(), Some("7"));
        for nothing in [json!(null), json!([])] {
            assert_eq!(text(&nothing, 0, true), None);
        }
    }

    #[test]
    fn an_earlier_answer_is_not_taken_for_the_new_one() {
        let before = json!([["a", "old"]]);
        assert_eq!(text(&before, 1, false), None);
        assert_eq!(text(&json!([["a", "old"], ["b", null]]), 1, false).as_deref(), Some(""));
        let asked = json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "old"},
            {"role": "user", "content": "b"}]);
        assert_eq!(text(&asked, 2, false).as_deref(), Some(""));
        // An app that keeps its history short gives no more turns than it took.
        assert_eq!(text(&json!([["b", "new"]]), 1, true).as_deref(), Some("new"));
    }

    #[test]
    fn thoughts_are_reasoning() {
        let value = json!([{"role": "user", "content": "q"},
            {"role": "assistant", "content": "hm", "metadata": {"title": "Thinking"}},
            {"role": "assistant", "content": "a", "metadata": {"title": null}},
            {"role": "assistant", "content": {"path": "x.png"}},
            {"role": "assistant", "content": [{"text": "b"}, {"file": {}}]}]);
        assert_eq!(
            read(&value, 0, true),
            Some(Reply { text: "a\nb".into(), reasoning: "hm".into() })
        );
    }
}
