//! Messages to a prompt, by the Jinja template that the model file carries.
//!
//! Templates come with models and are not trusted: they run with a budget of fuel, which bounds
//! their time and their memory, on a thread whose stack is large enough for whatever they nest, and
//! can reach nothing but what is passed in. They see what Hugging
//! Face transformers would show them, block trimming and Python's methods included.

mod error;
mod json;
mod python;

#[cfg(test)]
mod tests;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde::ser::{Serialize, SerializeMap, Serializer};

pub(crate) use error::TemplateError;

/// Instructions, with 64 bytes of data counting as one. A real template takes some ten a message.
const FUEL: u64 = 2_000_000;
/// Values may be nested as deep as the fuel allows, and are compared, written and dropped by functions
/// that call themselves: that takes less than half of this. Only what is used of it is ever memory.
const STACK: usize = if cfg!(target_pointer_width = "64") { 1 << 29 } else { 1 << 27 };
const NAME: &str = "tokenizer.chat_template";

/// What models trained on ChatML expect.
pub(crate) const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// A message as templates see it.
#[derive(Debug, Clone)]
pub(crate) struct ChatMessage<'m> {
    /// `system`, `user`, …
    pub(crate) role: &'m str,
    /// What is said.
    pub(crate) content: &'m str,
    /// What was thought before, where known.
    pub(crate) reasoning_content: Option<&'m str>,
    /// The tools that were called, where any were.
    pub(crate) tool_calls: Option<Value>,
}

impl<'m> ChatMessage<'m> {
    /// A message of a role and a content, and nothing else.
    pub(crate) fn new(role: &'m str, content: &'m str) -> Self {
        Self { role, content, reasoning_content: None, tool_calls: None }
    }
}

impl Serialize for ChatMessage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(None)?;
        fields.serialize_entry("role", self.role)?;
        fields.serialize_entry("content", self.content)?;
        if let Some(reasoning) = self.reasoning_content {
            fields.serialize_entry("reasoning_content", reasoning)?;
            // The name that some templates know it by.
            fields.serialize_entry("thinking", reasoning)?;
        }
        if let Some(calls) = &self.tool_calls {
            fields.serialize_entry("tool_calls", calls)?;
        }
        fields.end()
    }
}

/// What a prompt is made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chat<'m> {
    /// The conversation.
    pub(crate) messages: &'m [ChatMessage<'m>],
    /// A list of tools that the model may call.
    pub(crate) tools: Option<Value>,
    /// Unset leaves it to the template.
    pub(crate) enable_thinking: Option<bool>,
}

/// A compiled template.
#[derive(Debug)]
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    bos: String,
    eos: String,
    mentions_thinking: bool,
}

impl ChatTemplate {
    /// Compiles a template; `bos` and `eos` are the spellings of those tokens.
    pub(crate) fn compile(source: &str, bos: String, eos: String) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| TemplateError::new(&error))?);
        environment.set_fuel(Some(FUEL));
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        python::install(&mut environment);
        environment
            .add_template_owned(NAME, python::without_generation_blocks(source))
            .map_err(|error| TemplateError::new(&error))?;
        let mentions_thinking = source.contains("enable_thinking");
        Ok(Self { environment, bos, eos, mentions_thinking })
    }

    /// Whether thinking can be switched on and off.
    pub(crate) fn mentions_thinking(&self) -> bool {
        self.mentions_thinking
    }

    /// The prompt, up to where the model's turn begins.
    pub(crate) fn render(&self, chat: Chat<'_>) -> Result<String, TemplateError> {
        std::thread::scope(|scope| {
            let thread =
                std::thread::Builder::new().name("textport-template".into()).stack_size(STACK);
            let rendering = thread.spawn_scoped(scope, || self.render_here(chat));
            let rendering = rendering.map_err(|error| TemplateError::no_thread(&error))?;
            rendering.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn render_here(&self, chat: Chat<'_>) -> Result<String, TemplateError> {
        let template = self.environment.get_template(NAME);
        let template = template.map_err(|error| TemplateError::new(&error))?;
        let (bos_token, eos_token) = (self.bos.as_str(), self.eos.as_str());
        let values = context! {
            messages => Value::from(Serde(chat.messages)),
            add_generation_prompt => true,
            tools => chat.tools.unwrap_or_else(|| Value::from(())),
            documents => Value::from(()),
            enable_thinking => chat.enable_thinking.map_or(Value::UNDEFINED, Value::from),
            bos_token,
            eos_token,
        };
        template.render(values).map_err(|error| TemplateError::new(&error))
    }

    /// Whether these messages come through whole.
    fn shows(&self, messages: &[ChatMessage<'_>]) -> bool {
        let prompt = self.render(Chat { messages, ..Chat::default() }).unwrap_or_default();
        messages.iter().all(|message| prompt.contains(message.content))
    }

    /// Whether it takes a system message.
    pub(crate) fn takes_system(&self) -> bool {
        self.shows(&[
            ChatMessage::new("system", "Be brief-1."),
            ChatMessage::new("user", "Hello-2."),
        ])
    }

    /// Whether it takes earlier turns.
    pub(crate) fn takes_turns(&self) -> bool {
        self.shows(&[
            ChatMessage::new("user", "Hello-1."),
            ChatMessage::new("assistant", "Hello-2."),
            ChatMessage::new("user", "Hello-3."),
        ])
    }
}
