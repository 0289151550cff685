//! One thing to generate.

use serde::{Deserialize, Serialize};

use crate::{Capability, GenerationOptions, InvalidOption, Message, Role};

/// What the model is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// A conversation, rendered by the model's chat template.
    Messages(Vec<Message>),
    /// Text that the model continues as it stands, without the chat template. Control tokens in it
    /// are control tokens: whoever sends a raw prompt owns its format.
    Raw(String),
}

/// One generation: a prompt and how to answer it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// What the model is given.
    pub prompt: Prompt,
    /// How to answer.
    #[serde(default)]
    pub options: GenerationOptions,
}

/// A request that no provider could answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRequest {
    /// There is no text to answer.
    #[error("the prompt is empty")]
    EmptyPrompt,
    /// A system message stands after the first turn.
    #[error("a system message must come first, but message {position} is one")]
    SystemNotFirst {
        /// Counted from 1.
        position: usize,
    },
    /// The conversation does not end with something to answer.
    #[error("the last message is the assistant's: there is nothing to answer")]
    NothingToAnswer,
    /// An option is out of range.
    #[error(transparent)]
    Option(#[from] InvalidOption),
}

impl Request {
    /// Answers a conversation.
    pub fn messages(messages: Vec<Message>) -> Self {
        Self { prompt: Prompt::Messages(messages), options: GenerationOptions::default() }
    }

    /// Answers one user's message.
    pub fn user(content: impl Into<String>) -> Self {
        Self::messages(vec![Message::user(content)])
    }

    /// Continues a text without the chat template.
    pub fn raw(prompt: impl Into<String>) -> Self {
        Self { prompt: Prompt::Raw(prompt.into()), options: GenerationOptions::default() }
    }

    /// Replaces the options.
    #[must_use]
    pub fn with_options(mut self, options: GenerationOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets the most tokens to generate.
    #[must_use]
    pub fn with_max_tokens(mut self, max_tokens: u32) -> Self {
        self.options.max_tokens = Some(max_tokens);
        self
    }

    /// What a provider must be capable of to answer this.
    pub fn needs(&self) -> Vec<Capability> {
        let mut needs = self.options.needs();
        match &self.prompt {
            Prompt::Raw(_) => needs.push(Capability::RawPrompt),
            Prompt::Messages(messages) => {
                if messages.iter().any(|m| m.role == Role::System) {
                    needs.push(Capability::SystemPrompt);
                }
                if messages.iter().any(|m| m.role == Role::Assistant) {
                    needs.push(Capability::MultiTurn);
                }
            }
        }
        needs
    }

    /// Checks what needs no model to know.
    ///
    /// # Errors
    /// [`InvalidRequest`] says what is wrong.
    pub fn validate(&self) -> Result<(), InvalidRequest> {
        self.options.validate()?;
        let messages = match &self.prompt {
            Prompt::Raw(text) if text.is_empty() => return Err(InvalidRequest::EmptyPrompt),
            Prompt::Raw(_) => return Ok(()),
            Prompt::Messages(messages) => messages,
        };
        if let Some(late) = messages.iter().skip(1).position(|m| m.role == Role::System) {
            return Err(InvalidRequest::SystemNotFirst { position: late + 2 });
        }
        match messages.last() {
            None => Err(InvalidRequest::EmptyPrompt),
            Some(m) if m.role == Role::Assistant => Err(InvalidRequest::NothingToAnswer),
            Some(m) if m.content.trim().is_empty() => Err(InvalidRequest::EmptyPrompt),
            Some(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_answered_is_refused() {
        use InvalidRequest::{EmptyPrompt, NothingToAnswer, SystemNotFirst};
        let cases = [
            (Request::messages(vec![]), EmptyPrompt),
            (Request::user("  \n"), EmptyPrompt),
            (Request::raw(""), EmptyPrompt),
            (Request::messages(vec![Message::user("a"), Message::assistant("b")]), NothingToAnswer),
            (
                Request::messages(vec![Message::user("a"), Message::system("b")]),
                SystemNotFirst { position: 2 },
            ),
        ];
        for (request, expected) in cases {
            assert_eq!(request.validate(), Err(expected));
        }
    }

    #[test]
    fn needs_follow_from_the_turns() {
        let turns = vec![
            Message::system("s"),
            Message::user("a"),
            Message::assistant("b"),
            Message::user("c"),
        ];
        assert_eq!(
            Request::messages(turns).needs(),
            [Capability::SystemPrompt, Capability::MultiTurn]
        );
        assert_eq!(Request::raw("x").needs(), [Capability::RawPrompt]);
    }
}
