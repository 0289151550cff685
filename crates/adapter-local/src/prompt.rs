//! Requests to token ids: the chat template, the guards around what people say, the tokenizer.

use std::path::Path;
use std::sync::Arc;

use domain::{Message, Prompt, Request, THINK_CLOSE, THINK_OPEN, Think};
use ports::{Error, ErrorKind};

use crate::chat_template::{CHATML, Chat, ChatMessage, ChatTemplate};
use crate::checkpoint::Checkpoint;
use crate::gguf::Metadata;
use crate::hf_text::HfText;
use crate::tokenizer::{Guard, Piece, TokenKind, Tokenizer};

/// What forces the answer when the thinking budget is used up.
const END_OF_THINKING: &str = "\n</think>\n\n";

/// What the model is given for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The prompt as text, control tokens spelled out.
    pub text: String,
    /// Its token ids. Control tokens in messages are plain text here.
    pub tokens: Vec<u32>,
}

/// Shows what the GGUF file at `path` would be given for a request, without loading its weights.
///
/// # Errors
/// [`ErrorKind::ModelLoad`] for a file that cannot be used, otherwise what keeps the request from
/// being rendered.
pub fn render_prompt(path: &Path, request: &Request) -> Result<Rendered, Error> {
    let rendered = Checkpoint::open(path)?.prompter()?.render(request)?;
    Ok(Rendered { text: rendered.text, tokens: rendered.ids })
}

/// A prompt ready for the model.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) text: String,
    pub(crate) ids: Vec<u32>,
    /// The prompt ends inside the model's reasoning.
    pub(crate) thinking: bool,
}

/// Makes prompts for one model.
#[derive(Debug)]
pub(crate) struct Prompter {
    tokenizer: Arc<Tokenizer>,
    template: Result<ChatTemplate, Error>,
    thinks: bool,
    longest_token: usize,
}

impl Prompter {
    /// Reads tokenizer and template from a GGUF file's metadata. A template that does not work is
    /// no error yet: raw prompts do without.
    pub(crate) fn load(metadata: &Metadata) -> Result<Self, Error> {
        let source = metadata.str("tokenizer.chat_template");
        Ok(Self::new(Tokenizer::load(metadata)?, Ok(source)))
    }

    /// The same from a model folder.
    pub(crate) fn of_folder(text: &HfText) -> Result<Self, Error> {
        Ok(Self::new(Tokenizer::of_folder(text)?, text.template().map_err(Error::from)))
    }

    fn new(tokenizer: Tokenizer, source: Result<Option<&str>, Error>) -> Self {
        let mentions = |mark: &str| {
            source.as_ref().is_ok_and(|source| source.is_some_and(|source| source.contains(mark)))
        };
        let thinks = tokenizer.controls().id(THINK_CLOSE).is_some()
            || mentions(THINK_OPEN)
            || mentions(THINK_CLOSE);
        let template = source.and_then(|source| template(source, &tokenizer));
        let words = tokenizer.vocabulary();
        let longest_token =
            (0..words.len() as u32).map(|id| words.bytes(id).len()).max().unwrap_or(1).max(1);
        Self { tokenizer: Arc::new(tokenizer), template, thinks, longest_token }
    }

    /// The tokenizer.
    pub(crate) fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The template, where there is one that works.
    pub(crate) fn template(&self) -> Option<&ChatTemplate> {
        self.template.as_ref().ok()
    }

    /// Whether the model may write `<think>`.
    pub(crate) fn knows_thinking(&self) -> bool {
        self.thinks
    }

    /// Whether a token's text takes part in the output. The marks of reasoning do, whatever kind of
    /// token they are: the splitter needs them.
    pub(crate) fn is_visible(&self, id: u32) -> bool {
        let words = self.tokenizer.vocabulary();
        let is_mark = |mark: &str| words.bytes(id) == mark.as_bytes();
        words.is_text(id) || (self.thinks && (is_mark(THINK_OPEN) || is_mark(THINK_CLOSE)))
    }

    /// The tokens that end the model's reasoning.
    pub(crate) fn end_of_thinking(&self) -> Result<Vec<u32>, Error> {
        let pieces = self.tokenizer.controls().split(END_OF_THINKING);
        let ids = self.tokenizer.encode(&pieces)?;
        let bos = self.tokenizer.vocabulary().bos();
        Ok(ids.into_iter().filter(|id| Some(*id) != bos).collect())
    }

    /// Whether this is the tokenizer of a model that knows so many tokens. It may have more: those
    /// that were added later, for padding as a rule, are no part of any text and are never chosen.
    pub(crate) fn suits(&self, known: usize) -> bool {
        let words = self.tokenizer.vocabulary();
        (known..words.len()).all(|id| {
            use TokenKind::{Control, Unused, UserDefined};
            matches!(words.kind(id as u32), Control | UserDefined | Unused)
        })
    }

    /// Refuses a prompt with one of the tokens that a model of so many tokens does not know.
    pub(crate) fn check_known(&self, ids: &[u32], known: usize) -> Result<(), Error> {
        let Some(id) = ids.iter().find(|id| **id as usize >= known) else { return Ok(()) };
        let spelling = self.tokenizer.vocabulary().spelling(*id);
        let message = format!(
            "the prompt has the token {spelling:?}, which the tokenizer has and the model does not: \
             it knows {known} tokens, and this is number {id}"
        );
        Err(Error::new(ErrorKind::InvalidRequest, message).with_hint("leave it out of the prompt"))
    }

    /// A text as a model reads one from its beginning: plain all through.
    pub(crate) fn plain_ids(&self, text: &str) -> Result<Vec<u32>, Error> {
        Ok(self.tokenizer.encode(&[Piece::Plain(text)])?)
    }

    /// Fewest tokens that a request's texts can have, found without tokenizing them.
    pub(crate) fn fewest_tokens(&self, request: &Request) -> usize {
        let bytes: usize = match &request.prompt {
            Prompt::Raw(text) => text.len(),
            Prompt::Messages(messages) => messages.iter().map(|m| m.content.len()).sum(),
        };
        bytes / self.longest_token
    }

    /// The prompt of a request.
    pub(crate) fn render(&self, request: &Request) -> Result<Prepared, Error> {
        let prepared = match &request.prompt {
            Prompt::Raw(text) => {
                let ids = self.tokenizer.encode(&self.tokenizer.controls().split(text))?;
                Prepared { text: text.clone(), ids, thinking: self.opens_thinking(text) }
            }
            Prompt::Messages(messages) => self.render_messages(messages, request.options.think)?,
        };
        if prepared.ids.is_empty() {
            return Err(Error::new(ErrorKind::InvalidRequest, "the prompt has no tokens"));
        }
        Ok(prepared)
    }

    fn render_messages(
        &self,
        messages: &[Message],
        think: Option<Think>,
    ) -> Result<Prepared, Error> {
        let template = self.template.as_ref().map_err(no_template)?;
        let controls = self.tokenizer.controls();
        let texts =
            messages.iter().flat_map(|m| [Some(m.content.as_str()), m.reasoning.as_deref()]);
        let Some(guard) = Guard::for_texts(controls, texts.flatten()) else {
            let message =
                "the messages use every character that could keep them apart from structure";
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        };
        let guarded: Vec<_> = messages
            .iter()
            .map(|m| (guard.protect(&m.content), m.reasoning.as_deref().map(|r| guard.protect(r))))
            .collect();
        let shown: Vec<ChatMessage<'_>> = messages
            .iter()
            .zip(&guarded)
            .map(|(message, (content, reasoning))| ChatMessage {
                role: message.role.as_str(),
                content,
                reasoning_content: reasoning.as_deref(),
                tool_calls: None,
            })
            .collect();
        let enable_thinking = match think {
            Some(Think::On) => Some(true),
            Some(Think::Off) => Some(false),
            Some(Think::Auto) | None => None,
        };
        let prompt = template.render(Chat { messages: &shown, tools: None, enable_thinking })?;
        let ids = self.tokenizer.encode_guarded(&prompt, &guard)?;
        let thinking = self.opens_thinking(&prompt);
        Ok(Prepared { text: guard.remove(&prompt).into_owned(), ids, thinking })
    }

    fn opens_thinking(&self, prompt: &str) -> bool {
        self.thinks && prompt.trim_end().ends_with(THINK_OPEN)
    }
}

/// The file's template, or ChatML for a model that has its control tokens.
fn template(source: Option<&str>, tokenizer: &Tokenizer) -> Result<ChatTemplate, Error> {
    let words = tokenizer.vocabulary();
    let spelling = |id: Option<u32>| id.map(|id| words.spelling(id)).unwrap_or_default();
    let (bos, eos) = (spelling(words.bos()), spelling(words.eos()));
    let is_control = |text: &str| tokenizer.controls().id(text).is_some();
    match source {
        Some(source) => Ok(ChatTemplate::compile(source, bos, eos)?),
        None if is_control("<|im_start|>") && is_control("<|im_end|>") => {
            Ok(ChatTemplate::compile(CHATML, bos, eos)?)
        }
        None => Err(Error::new(ErrorKind::Unsupported, "the model file has no chat template")
            .with_hint("send a raw prompt instead, or use an instruction-tuned model")),
    }
}

/// The error of loading, for each request that needs what could not be loaded.
fn no_template(error: &Error) -> Error {
    let copy = Error::new(error.kind(), error.to_string());
    match error.hint() {
        Some(hint) => copy.with_hint(hint),
        None => copy,
    }
}

#[cfg(test)]
mod tests;
