//! What was said so far.

use textport::{Message, Role};

use crate::history::Exchange;

/// The conversation that is under way.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    /// The system prompt, if any.
    pub(super) system: Option<String>,
    /// What was asked and answered.
    pub(super) exchanges: Vec<Exchange>,
    /// A message whose answer failed: it is no part of the conversation, but can be asked again.
    pub(super) failed: Option<String>,
}

impl Conversation {
    /// What a provider is given to answer `message` as the next one.
    pub(super) fn request(&self, message: &str) -> Vec<Message> {
        let mut messages = self.said();
        messages.push(Message::user(message));
        messages
    }

    /// Everything so far.
    pub(super) fn said(&self) -> Vec<Message> {
        let system = self.system.as_deref().map(Message::system);
        let turns = self
            .exchanges
            .iter()
            .flat_map(|exchange| [exchange.user.clone(), exchange.assistant.clone()]);
        system.into_iter().chain(turns).collect()
    }

    /// As text for people, with answers that were cut short marked.
    pub(super) fn transcript(&self) -> String {
        let mut cut_short = self.exchanges.iter().map(|exchange| exchange.interrupted);
        let mut text = String::new();
        for message in self.said() {
            let mark = match message.role {
                Role::Assistant if cut_short.next() == Some(true) => " (interrupted)",
                _ => "",
            };
            let role = message.role.as_str();
            text.push_str(&format!("## {role}{mark}\n{}\n\n", message.content.trim_end()));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_marks_what_was_cut_short() {
        let exchange = |answer: &str, interrupted| Exchange {
            user: Message::user("q"),
            assistant: Message::assistant(answer),
            interrupted,
            recorded: None,
        };
        let talk = Conversation {
            system: Some("s".into()),
            exchanges: vec![exchange("a", false), exchange("b", true)],
            failed: None,
        };
        assert_eq!(
            talk.transcript(),
            "## system\ns\n\n## user\nq\n\n## assistant\na\n\n## user\nq\n\n\
             ## assistant (interrupted)\nb\n\n"
        );
        assert_eq!(talk.request("next").len(), 6);
    }
}
