//! Conversations that a Space keeps itself: which session holds which turns.

use std::collections::VecDeque;

use domain::Message;

use crate::payload::Conversation;

/// Conversations worth keeping; a Space forgets old ones, too.
const MOST: usize = 64;

/// Sessions by the turns that the Space saw under them.
#[derive(Debug, Default)]
pub(crate) struct Sessions(VecDeque<(Known, String)>);

/// A conversation up to an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    system: Option<String>,
    turns: Vec<(&'static str, String)>,
}

impl Known {
    /// The turns before the message; `None` at the beginning of a conversation.
    pub(crate) fn before(conversation: &Conversation) -> Option<Self> {
        (!conversation.turns.is_empty()).then(|| Self {
            system: conversation.system.clone(),
            turns: conversation.turns.iter().map(turn).collect(),
        })
    }

    /// The turns once `answer` has come.
    pub(crate) fn after(conversation: &Conversation, answer: &str) -> Self {
        let asked = Message::user(conversation.message.as_str());
        let said = Message::assistant(answer);
        let turns = conversation.turns.iter().chain([&asked, &said]);
        Self { system: conversation.system.clone(), turns: turns.map(turn).collect() }
    }
}

fn turn(message: &Message) -> (&'static str, String) {
    (message.role.as_str(), message.content.trim().to_owned())
}

impl Sessions {
    /// Takes out the session of these turns: one conversation is in one place only.
    pub(crate) fn take(&mut self, known: &Known) -> Option<String> {
        let at = self.0.iter().position(|(turns, _)| turns == known)?;
        self.0.remove(at).map(|(_, session)| session)
    }

    /// Keeps a session for the next message.
    pub(crate) fn keep(&mut self, known: Known, session: String) {
        self.0.push_back((known, session));
        if self.0.len() > MOST {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{Message, Request};

    use super::{Known, MOST, Sessions};
    use crate::payload::Conversation;

    fn conversation(messages: Vec<Message>) -> Conversation {
        Conversation::of(&Request::messages(messages)).unwrap()
    }

    #[test]
    fn a_conversation_is_found_again_by_its_turns_and_once_only() {
        let first = conversation(vec![Message::system("s"), Message::user("a")]);
        assert_eq!(Known::before(&first), None);
        let mut sessions = Sessions::default();
        sessions.keep(Known::after(&first, " b\n"), "x".into());
        let second = |system: &str, answer: &str| {
            let turns = vec![
                Message::system(system),
                Message::user("a"),
                Message::assistant(answer),
                Message::user("c"),
            ];
            Known::before(&conversation(turns)).unwrap()
        };
        assert_eq!(sessions.take(&second("s", "other")), None);
        assert_eq!(sessions.take(&second("t", "b")), None);
        assert_eq!(sessions.take(&second("s", "b")).as_deref(), Some("x"));
        assert_eq!(sessions.take(&second("s", "b")), None);
    }

    #[test]
    fn old_conversations_go() {
        let mut sessions = Sessions::default();
        let known = |n: usize| Known::after(&conversation(vec![Message::user(n.to_string())]), "b");
        (0..=MOST).for_each(|n| sessions.keep(known(n), n.to_string()));
        assert_eq!(sessions.take(&known(0)), None);
        assert!(sessions.take(&known(1)).is_some());
    }
}
