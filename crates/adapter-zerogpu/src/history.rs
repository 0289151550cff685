//! A conversation in the three shapes that Gradio's chatbots have had.

use domain::{Message, Role};
use serde_json::{Value, json};

use crate::endpoint::Input;

/// The shape of a chat history on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `[[user, assistant], …]`, up to Gradio 4 and on request in 5.
    Pairs,
    /// `[{"role", "content": text}, …]`, Gradio 5 and on request in 4.
    Texts,
    /// `[{"role", "content": [part, …]}, …]`, Gradio 6.
    Parts,
}

impl Dialect {
    /// What an app of this major version most likely takes at this input.
    pub(crate) fn expected(input: &Input, major: u32) -> Self {
        match input.chat_type.as_deref() {
            Some("messages") => Self::Texts,
            Some("tuples") => Self::Pairs,
            _ if input.component != "chatbot" => Self::Texts,
            _ if major >= 6 => Self::Parts,
            _ => Self::Pairs,
        }
    }

    /// What a history that came back shows; `None` when it is empty or no history.
    pub(crate) fn seen_in(value: &Value) -> Option<Self> {
        match value.as_array()?.last()? {
            Value::Array(pair) if pair.len() == 2 => Some(Self::Pairs),
            Value::Object(message) if message.contains_key("role") => {
                match message.get("content")? {
                    Value::String(_) => Some(Self::Texts),
                    Value::Array(_) => Some(Self::Parts),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The turns before the message that is to be answered.
    pub(crate) fn encode(self, turns: &[Message]) -> Value {
        match self {
            Self::Pairs => pairs(turns),
            Self::Texts => turns
                .iter()
                .map(|turn| json!({"role": turn.role.as_str(), "content": turn.content}))
                .collect(),
            Self::Parts => turns
                .iter()
                .map(|turn| {
                    json!({
                        "role": turn.role.as_str(),
                        "content": [{"type": "text", "text": turn.content}],
                    })
                })
                .collect(),
        }
    }

    pub(crate) fn as_number(self) -> u8 {
        match self {
            Self::Pairs => 1,
            Self::Texts => 2,
            Self::Parts => 3,
        }
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        [Self::Pairs, Self::Texts, Self::Parts].into_iter().find(|d| d.as_number() == number)
    }
}

/// A turn without its counterpart stands beside `null`.
fn pairs(turns: &[Message]) -> Value {
    let mut pairs: Vec<[Value; 2]> = Vec::new();
    for turn in turns {
        let content = Value::from(turn.content.as_str());
        match (turn.role, pairs.last_mut()) {
            (Role::Assistant, Some([_, answer])) if answer.is_null() => *answer = content,
            (Role::Assistant, _) => pairs.push([Value::Null, content]),
            _ => pairs.push([content, Value::Null]),
        }
    }
    pairs.into_iter().map(|pair| Value::Array(pair.into())).collect()
}

/// The conversation as one text, for Spaces that keep their own history and do not know this one.
pub(crate) fn transcript(turns: &[Message], message: &str) -> String {
    let mut text = String::from("The conversation so far:\n\n");
    for turn in turns {
        let who = if turn.role == Role::Assistant { "Assistant" } else { "User" };
        text.push_str(&format!("{who}: {}\n\n", turn.content));
    }
    text.push_str(&format!("Answer the next message.\n\nUser: {message}"));
    text
}

#[cfg(test)]
mod tests {
    use domain::Message;
    use serde_json::{Value, json};

    use super::{Dialect, transcript};
    use crate::endpoint::Input;

    fn turns() -> Vec<Message> {
        vec![Message::user("a"), Message::assistant("b"), Message::user("c")]
    }

    #[test]
    fn three_shapes_of_the_same_turns() {
        assert_eq!(Dialect::Pairs.encode(&turns()), json!([["a", "b"], ["c", null]]));
        let second = |dialect: Dialect| dialect.encode(&turns())[1].clone();
        assert_eq!(second(Dialect::Texts), json!({"role": "assistant", "content": "b"}));
        let parts = json!({"role": "assistant", "content": [{"type": "text", "text": "b"}]});
        assert_eq!(second(Dialect::Parts), parts);
    }

    #[test]
    fn turns_without_a_counterpart_are_kept() {
        let odd = [
            Message::assistant("hi"),
            Message::user("a"),
            Message::user("b"),
            Message::assistant("c"),
        ];
        assert_eq!(Dialect::Pairs.encode(&odd), json!([[null, "hi"], ["a", null], ["b", "c"]]));
        assert_eq!(Dialect::Pairs.encode(&[]), json!([]));
    }

    #[test]
    fn the_shape_is_chosen_by_type_and_then_by_version() {
        let input = |component: &str, chat_type: Option<&str>| Input {
            component: component.into(),
            chat_type: chat_type.map(str::to_owned),
            ..Input::default()
        };
        for (component, chat_type, major, dialect) in [
            ("chatbot", None, 4, Dialect::Pairs),
            ("chatbot", Some("messages"), 4, Dialect::Texts),
            ("chatbot", Some("tuples"), 5, Dialect::Pairs),
            ("chatbot", None, 6, Dialect::Parts),
            ("json", None, 6, Dialect::Texts),
        ] {
            assert_eq!(Dialect::expected(&input(component, chat_type), major), dialect);
        }
    }

    #[test]
    fn what_comes_back_teaches_the_shape() {
        for dialect in [Dialect::Pairs, Dialect::Texts, Dialect::Parts] {
            assert_eq!(Dialect::seen_in(&dialect.encode(&turns())), Some(dialect));
            assert_eq!(Dialect::from_number(dialect.as_number()), Some(dialect));
        }
        for value in [
            json!([]),
            json!("x"),
            json!([1]),
            json!([{"role": "user", "content": {}}]),
            Value::Null,
        ] {
            assert_eq!(Dialect::seen_in(&value), None);
        }
    }

    #[test]
    fn a_transcript_names_the_speakers() {
        let text = transcript(&turns()[..2], "c");
        assert!(text.contains("User: a\n\nAssistant: b\n") && text.ends_with("User: c"), "{text}");
    }
}
