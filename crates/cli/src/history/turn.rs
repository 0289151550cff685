//! One turn as it is recorded: taken apart once, so that what is kept is decided in one place.

use textport::{
    Error, ErrorKind, GenerationOptions, ModelId, Prompt, ProviderId, Request, Response, Role,
};

/// Most characters of a conversation's title.
const TITLE_CHARS: usize = 60;

/// One turn to record: what was asked of whom, and what came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn<'a> {
    /// Who was asked, by name; who really answered is in the response.
    pub(crate) provider: &'a ProviderId,
    /// With which model, where the response does not say.
    pub(crate) model: Option<&'a ModelId>,
    /// What was asked.
    pub(crate) request: &'a Request,
    /// What came back. An error's partial answer is kept with it.
    pub(crate) outcome: Result<&'a Response, &'a Error>,
}

impl<'a> Turn<'a> {
    /// The system prompt, and the text that this turn adds to the conversation.
    pub(super) fn texts(&self) -> (Option<&'a str>, &'a str) {
        match &self.request.prompt {
            Prompt::Raw(text) => (None, text),
            Prompt::Messages(messages) => {
                let system = messages.first().filter(|message| message.role == Role::System);
                let last = messages.last().map_or("", |message| message.content.as_str());
                (system.map(|message| message.content.as_str()), last)
            }
        }
    }

    pub(super) fn is_raw(&self) -> bool {
        matches!(self.request.prompt, Prompt::Raw(_))
    }

    /// The answer, or as much of it as there was.
    pub(super) fn response(&self) -> Option<&'a Response> {
        match self.outcome {
            Ok(response) => Some(response),
            Err(error) => error.partial(),
        }
    }

    pub(super) fn error_kind(&self) -> Option<ErrorKind> {
        self.outcome.err().map(Error::kind)
    }

    pub(super) fn model(&self) -> Option<&'a ModelId> {
        self.response().and_then(|response| response.model.as_ref()).or(self.model)
    }

    /// The options as they are kept: stop sequences are the user's text like any other.
    pub(super) fn options(&self, texts: bool) -> GenerationOptions {
        let mut options = self.request.options.clone();
        if !texts {
            options.stop.clear();
        }
        options
    }
}

/// The beginning of a conversation's first prompt, on one line.
pub(super) fn title(prompt: &str) -> String {
    let mut words = String::new();
    for word in prompt.split_whitespace() {
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
        if words.chars().count() > TITLE_CHARS {
            return words.chars().take(TITLE_CHARS - 1).chain(['…']).collect();
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_short_line() {
        assert_eq!(title("  What\n is\ta port? "), "What is a port?");
        assert_eq!(title(&"ä".repeat(500)).chars().count(), TITLE_CHARS);
        assert_eq!(title(" \n"), "");
    }
}
