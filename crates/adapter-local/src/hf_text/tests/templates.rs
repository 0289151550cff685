//! Which template a folder has, what it may do, and where reasoning begins and ends.

use std::collections::VecDeque;
use std::sync::Arc;

use domain::{Event, GenerationOptions, Message, Think};
use ports::ErrorKind;
use serde_json::json;

use super::*;
use crate::output::Output;

fn said(folder: &Folder) -> String {
    folder.render(&Request::user("x")).unwrap().text
}

#[test]
fn a_folder_makes_the_prompts_of_the_same_gguf_file() {
    let source = "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{{ eos_token }}\n{% endfor %}{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}";
    let models = [
        TestModel::thinking(),
        TestModel::thinking().template(source),
        TestModel::thinking().template(source).number("tokenizer.ggml.bos_token_id", 256),
    ];
    for model in models {
        let (file, folder) = (model.prompter(), Folder(model.folder()).prompter().unwrap());
        assert_eq!(folder.knows_thinking(), file.knows_thinking());
        assert_eq!(folder.end_of_thinking().unwrap(), file.end_of_thinking().unwrap());
        for think in [None, Some(Think::On), Some(Think::Off)] {
            let turns = vec![
                Message::user("a<|im_end|>é"),
                Message::assistant("</think>b"),
                Message::user("😀"),
            ];
            let options = GenerationOptions { think, ..GenerationOptions::default() };
            let request = Request::messages(turns).with_options(options);
            let [one, other] = [&*file, &folder].map(|prompter| prompter.render(&request).unwrap());
            assert_eq!((one.text, one.ids, one.thinking), (other.text, other.ids, other.thinking));
        }
        let raw = Request::raw("a<|im_start|>b");
        assert_eq!(folder.render(&raw).unwrap().ids, file.render(&raw).unwrap().ids);
    }
}

#[test]
fn the_template_file_counts_first_then_the_configuration_then_the_old_file() {
    let folder = Folder::thinking().with("chat_template.json", r#"{"chat_template": "old"}"#);
    assert_eq!(said(&folder), "old");
    let folder = folder.with("tokenizer_config.json", r#"{"chat_template": "config"}"#);
    assert_eq!(said(&folder), "config");
    let folder = folder.with("chat_template.jinja", "file{{ messages[0].content }}");
    assert_eq!(said(&folder), "filex");
}

#[test]
fn of_several_templates_the_default_one_counts() {
    let named = |name: &str| {
        let several = [("tool_use", "tools"), (name, "chat")];
        let several = several.map(|(name, template)| json!({"name": name, "template": template}));
        let config = json!({"chat_template": several});
        Folder::thinking().with("tokenizer_config.json", config.to_string())
    };
    assert_eq!(said(&named("default")), "chat");
    let folder = named("rag");
    let error = folder.render(&Request::user("x")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let message = error.to_string();
    assert!(message.ends_with(r#"tokenizer_config.json: has no chat template that is the default, only: "tool_use", "rag""#), "{message}");
    assert!(folder.render(&Request::raw("x")).is_ok());
}

#[test]
fn a_template_that_loops_or_breaks_leaves_raw_prompts() {
    let endless = "{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}";
    for (source, part) in [
        (endless, "takes too much work"),
        ("{% if", "line 1"),
        ("\n{{ raise_exception('no') }}", "(line 2) refuses the conversation: no"),
    ] {
        let folder = Folder::thinking().with("chat_template.jinja", source);
        let error = folder.render(&Request::user("x")).unwrap_err();
        assert!(error.to_string().contains(part) && error.hint().is_some(), "{error}");
        assert!(folder.render(&Request::raw("x")).is_ok());
    }
}

/// What an answer is parted into.
fn parted(folder: &Folder, request: &Request, answer: &str) -> (String, String, Option<u64>) {
    let prompter = Arc::new(folder.prompter().unwrap());
    let thinking = prompter.render(request).unwrap().thinking;
    let ids = prompter.tokenizer().encode(&prompter.tokenizer().controls().split(answer)).unwrap();
    let (mut output, mut events) = (Output::new(prompter, Vec::new(), thinking), VecDeque::new());
    for id in ids {
        output.push(id, &mut events);
    }
    output.finish(&mut events);
    let (mut reasoning, mut text) = (String::new(), String::new());
    for event in events {
        match event {
            Event::Reasoning(delta) => reasoning.push_str(&delta),
            Event::Text(delta) => text.push_str(&delta),
            other => panic!("{other:?}"),
        }
    }
    (reasoning, text, output.reasoning_tokens())
}

#[test]
fn reasoning_is_parted_where_the_model_or_the_template_opens_it() {
    let opens = "{{ messages[0].content }}<|im_start|>assistant\n{% if enable_thinking is not defined or enable_thinking %}<think>\n{% else %}<think>\n\n</think>\n\n{% endif %}";
    let folder = Folder::thinking().with("chat_template.jinja", opens);
    let parts = |r: &str, t: &str, n: u64| (r.to_owned(), t.to_owned(), Some(n));
    let think = |think| {
        let options = GenerationOptions { think: Some(think), ..GenerationOptions::default() };
        Request::user("x<think>").with_options(options)
    };
    assert_eq!(parted(&folder, &think(Think::On), "hm\n</think>\n\nyes"), parts("hm", "yes", 4));
    assert_eq!(parted(&folder, &think(Think::Auto), "h"), parts("h", "", 1));
    assert_eq!(parted(&folder, &think(Think::Off), "yes"), parts("", "yes", 0));
    let plain = Folder::thinking();
    assert_eq!(parted(&plain, &think(Think::Auto), "<think>hm</think>yes"), parts("hm", "yes", 4));
}

#[test]
fn a_thinking_budget_ends_reasoning_with_the_token_of_the_folder() {
    let end = Folder::thinking().prompter().unwrap().end_of_thinking().unwrap();
    let bytes = |text: &str| text.bytes().map(u32::from).collect::<Vec<_>>();
    assert_eq!(end, [bytes("\n"), vec![259], bytes("\n\n")].concat());
}
