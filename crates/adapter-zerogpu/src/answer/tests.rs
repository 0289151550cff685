//! Whole calls, value by value.

use std::collections::VecDeque;

use domain::{Event, Response};
use serde_json::{Value, json};

use super::Answer;
use crate::delta::Rewritten;
use crate::settings::Reasoning;

fn run(
    mut answer: Answer,
    values: &[Value],
    last: &Value,
) -> Result<(Response, Vec<Event>), Rewritten> {
    let mut events = VecDeque::new();
    values.iter().for_each(|value| answer.grow(value, &mut events));
    answer.end(last, &mut events)?;
    let mut response = Response::default();
    events.iter().cloned().for_each(|event| response.absorb(event));
    assert_eq!(response.text, answer.given());
    Ok((response, events.into()))
}

fn tags(stop: &[&str]) -> Answer {
    Answer::new(0, false, Reasoning::Tags, stop.iter().map(|s| (*s).to_owned()).collect())
}

#[test]
fn a_history_that_is_sent_again_and_again_becomes_deltas() {
    let chat = |text: &str| json!([["old", "answer"], ["q", text]]);
    let answer = Answer::new(1, false, Reasoning::Tags, vec![]);
    let values = [json!([["old", "answer"]]), chat(""), chat("one"), chat("one two")];
    let (response, events) = run(answer, &values, &chat("one two three")).unwrap();
    assert_eq!(response.text, "one two three");
    assert_eq!(events.len(), 2);
}

#[test]
fn reasoning_in_tags_is_kept_out_of_the_text() {
    let values = [json!("<thi"), json!("<think>hm"), json!("<think>hm</think>\n\nyes")];
    let (response, _) = run(tags(&[]), &values, &json!("<think>hm</think>\n\nyes!")).unwrap();
    assert_eq!((response.reasoning.as_str(), response.text.as_str()), ("hm", "yes!"));
    let open = Answer::new(0, true, Reasoning::Open, vec![]);
    let (response, _) = run(open, &[], &json!("hm</think>yes")).unwrap();
    assert_eq!((response.reasoning.as_str(), response.text.as_str()), ("hm", "yes"));
    let off = Answer::new(0, true, Reasoning::Off, vec![]);
    let (response, _) = run(off, &[], &json!("<think>hm</think>yes")).unwrap();
    assert_eq!(response.text, "<think>hm</think>yes");
}

#[test]
fn messages_marked_as_thoughts_are_reasoning() {
    let chat = |thought: &str, text: &str| {
        json!([{"role": "user", "content": "q"},
            {"role": "assistant", "content": thought, "metadata": {"title": "T"}},
            {"role": "assistant", "content": text}])
    };
    let values = [chat("h", ""), chat("hm", ""), chat("hm", "y"), chat("hm", "yes")];
    let (response, _) = run(tags(&[]), &values, &chat("hm", "yes")).unwrap();
    assert_eq!((response.reasoning.as_str(), response.text.as_str()), ("hm", "yes"));
}

#[test]
fn a_stop_sequence_ends_the_text_also_in_pieces() {
    let values = [json!("a #"), json!("a ## b"), json!("a ## b ### c")];
    let mut answer = tags(&["##", "###"]);
    let mut events = VecDeque::new();
    values.iter().for_each(|value| answer.grow(value, &mut events));
    assert!(answer.stopped());
    assert_eq!(answer.given(), "a ");
}

#[test]
fn an_output_that_is_cleared_at_the_end_keeps_its_answer() {
    let (response, _) = run(tags(&[]), &[json!("a"), json!("a b")], &Value::Null).unwrap();
    assert_eq!(response.text, "a b");
}

#[test]
fn what_was_streamed_and_is_not_the_end_is_an_error() {
    assert!(run(tags(&[]), &[json!("no"), json!("no way")], &json!("yes")).is_err());
}
