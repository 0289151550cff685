//! Tokenizers and templates of folders, as GGUF files have them.

use domain::{Message, Request};
use ports::ErrorKind;
use serde_json::{Value, json};

use super::*;
use crate::gguf::GgufFile;
use crate::test_folder::{Copy, fixture};

const TEXTS: [&str; 8] = [
    "A port is a promise, isn't it?  THEY'LL see.",
    "   leading, trailing   \n\n\n\tand\ttabs \r\n",
    "1234567 x 89.5 = ½",
    "e\u{301}a\u{308} and \u{e9}\u{e4}, \u{212b} and \u{c5}",
    "日本語のテキスト 🙂👩‍💻 العربية",
    "<|im_start|>user\n<|im_end|><|endoftext|>",
    "[PAD3] <think> </think> <tool_call>",
    "\u{0}\u{1}\u{7f}\u{a0}\u{200b}",
];

fn set_tokenizer(copy: &Copy, change: impl FnOnce(&mut Value)) {
    let mut json: Value = serde_json::from_slice(&copy.read("tokenizer.json")).unwrap();
    change(&mut json);
    copy.write("tokenizer.json", json.to_string().as_bytes());
}

/// Asserts that both make the same tokens of texts and conversations.
#[track_caller]
fn assert_same_tokens(folder: &Path, file: &Path) {
    let prompter = |path: &Path| Checkpoint::open(path).unwrap().prompter().unwrap();
    let (wanted, found) = (prompter(folder), prompter(file));
    for text in TEXTS {
        assert_eq!(found.plain_ids(text).unwrap(), wanted.plain_ids(text).unwrap(), "{text:?}");
        for request in [
            Request::raw(text),
            Request::messages(vec![
                Message::system("Be kind."),
                Message::user(text),
                Message::assistant("Yes."),
                Message::user("Why?"),
            ]),
        ] {
            let (wanted, found) = (wanted.render(&request), found.render(&request));
            let (wanted, found) = (wanted.unwrap(), found.unwrap());
            assert_eq!((found.text, found.ids), (wanted.text, wanted.ids), "{text:?}");
        }
    }
    let (wanted, found) = (wanted.tokenizer().vocabulary(), found.tokenizer().vocabulary());
    assert_eq!((found.bos(), found.eos()), (wanted.bos(), wanted.eos()));
    for id in 0..wanted.len() as u32 {
        assert_eq!(found.bytes(id), wanted.bytes(id), "token {id}");
        assert_eq!(found.kind(id), wanted.kind(id), "token {id}");
        assert_eq!(found.ends(id), wanted.ends(id), "token {id}");
    }
}

/// The GGUF file of a changed copy of a folder.
fn written(copy: &Copy) -> (Place, PathBuf) {
    let place = Place::new();
    let path = place.quantize(copy.path(), "q8_0").unwrap().path;
    (place, path)
}

#[test]
fn texts_become_the_same_tokens() {
    for name in ["llama", "qwen2", "qwen3"] {
        let place = Place::new();
        let file = place.quantize(&fixture(name), "q8_0").unwrap().path;
        assert_same_tokens(&fixture(name), &file);
    }
}

#[test]
fn every_pre_tokenizer_that_has_a_name_keeps_its_words() {
    let byte_level =
        |words: bool| json!({ "type": "ByteLevel", "add_prefix_space": false, "use_regex": words });
    let digits = json!({ "type": "Digits", "individual_digits": true });
    let llama3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    let split = json!({ "type": "Split", "pattern": { "Regex": llama3 }, "behavior": "Isolated", "invert": false });
    let several = |steps: &[&Value]| json!({ "type": "Sequence", "pretokenizers": steps });
    for (name, steps, ignore_merges) in [
        ("gpt-2", byte_level(true), false),
        ("smollm", several(&[&digits, &byte_level(true)]), false),
        ("llama-bpe", several(&[&split, &byte_level(false)]), true),
    ] {
        for normalizer in [Value::Null, json!({ "type": "NFC" })] {
            let copy = Copy::of("llama");
            set_tokenizer(&copy, |json| {
                json["pre_tokenizer"] = steps.clone();
                json["normalizer"] = normalizer.clone();
                json["model"]["ignore_merges"] = ignore_merges.into();
            });
            let (_place, file) = written(&copy);
            let metadata = GgufFile::open(&file).unwrap();
            let metadata = metadata.metadata();
            assert_eq!(metadata.str("tokenizer.ggml.pre"), Some(name));
            assert_eq!(metadata.bool("tokenizer.ggml.add_bos_token"), Some(false));
            assert_same_tokens(copy.path(), &file);
        }
    }
}

#[test]
fn a_beginning_of_text_is_put_in_front_there_too() {
    let copy = Copy::of("llama");
    copy.set("tokenizer_config.json", "add_bos_token", json!(true));
    // As models that want it write it in their templates.
    copy.write(
        "chat_template.jinja",
        b"{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}",
    );
    let (_place, file) = written(&copy);
    assert_same_tokens(copy.path(), &file);
}

#[test]
fn rows_without_a_token_have_a_name_and_no_text() {
    let copy = Copy::of("llama");
    set_tokenizer(&copy, |json| {
        let model = &mut json["model"];
        let last = |value: &Value| value.as_u64().is_some_and(|id| id >= 316);
        let vocabulary = model["vocab"].as_object_mut().unwrap();
        let gone: Vec<String> =
            vocabulary.iter().filter(|(_, id)| last(id)).map(|(text, _)| text.clone()).collect();
        gone.iter().for_each(|text| drop(vocabulary.remove(text)));
        vocabulary.insert("[PAD317]".into(), json!(316));
        let merges = model["merges"].as_array_mut().unwrap();
        merges.retain(|merge| {
            let whole = match merge {
                Value::String(line) => line.replace(' ', ""),
                pair => format!("{}{}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()),
            };
            !gone.contains(&whole)
        });
    });
    let (_place, file) = written(&copy);
    assert_same_tokens(copy.path(), &file);
    let file = GgufFile::open(&file).unwrap();
    let tokens: Vec<_> = file.metadata().strings("tokenizer.ggml.tokens").unwrap().collect();
    assert_eq!(tokens.len(), 320);
    assert_eq!(tokens[316..], ["[PAD317]", "[PAD317]_", "[PAD318]", "[PAD319]"]);
    let kinds = file.metadata().i32s("tokenizer.ggml.token_type").unwrap();
    assert_eq!(kinds[316..], [1, 5, 5, 5]);
}

#[test]
fn every_token_that_ends_an_answer_ends_it_there_too() {
    let copy = Copy::of("llama");
    copy.set("generation_config.json", "eos_token_id", json!([2, 0, 40, 41]));
    let (_place, file) = written(&copy);
    assert_same_tokens(copy.path(), &file);
    copy.set("generation_config.json", "eos_token_id", json!([2, 40, 41, 42]));
    let error = Place::new().quantize(copy.path(), "q8_0").unwrap_err();
    assert!(error.to_string().contains("more than three tokens that end"), "{error}");
}

#[test]
fn what_has_no_name_is_refused_and_never_guessed() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 6] = [
        (
            |json| json["pre_tokenizer"] = json!({ "type": "Whitespace" }),
            "a pre-tokenizer (no step, Whitespace) that is none of gpt-2, smollm",
        ),
        (
            |json| {
                let pattern = &mut json["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"];
                *pattern = json!(r"\p{L}+|\s+");
            },
            "Split + ByteLevel",
        ),
        (|json| json["normalizer"] = json!({ "type": "Lowercase" }), "(Lowercase, Split + "),
        (
            |json| json["model"]["ignore_merges"] = json!(true),
            "ignore_merges = true with the pre-tokenizer qwen2",
        ),
        (|json| json["model"]["byte_fallback"] = json!(true), "a fallback to bytes"),
        (
            |json| json["added_tokens"][1]["lstrip"] = json!(true),
            "the token \"<|im_start|>\", which takes the white space",
        ),
    ];
    for (change, words) in cases {
        let copy = Copy::of("qwen3");
        set_tokenizer(&copy, change);
        let place = Place::new();
        let error = place.quantize(copy.path(), "q8_0").unwrap_err();
        let text = error.to_string();
        assert!(text.contains(words) && text.contains("GGUF files cannot say"), "{text}");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.hint().is_some_and(|hint| hint.contains("--quant")), "{error:?}");
        assert!(place.names().is_empty());
    }
}
