//! Every file broken in every way: an error that names it, never a panic.

use std::fs::File;

use ports::ErrorKind;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const JSON_FILES: [&str; 5] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "chat_template.json",
];

fn refused(folder: &Folder, file: &str) -> String {
    let error = folder.prompter().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ModelLoad);
    assert!(error.hint().is_some_and(|hint| !hint.is_empty()));
    let (message, path) = (error.to_string(), folder.path().join(file));
    assert!(message.starts_with(&format!("{}: ", path.display())), "{message}");
    message
}

#[test]
fn a_folder_without_a_tokenizer_says_how_to_get_one() {
    let folder = Folder::thinking().without("tokenizer.json").with("tokenizer.model", "x");
    assert!(matches!(
        folder.text().unwrap().with_tokenizer(|_| Ok(())).unwrap_err().cause(),
        TextCause::NoTokenizer
    ));
    assert!(refused(&folder, "tokenizer.json").ends_with("is not there"));
    assert!(folder.prompter().unwrap_err().hint().unwrap().contains("save_pretrained"));
}

#[test]
fn broken_json_is_placed() {
    for file in JSON_FILES {
        let folder = Folder::thinking().with(file, "{\"a\": 1,\n \"b\"");
        let message = refused(&folder, file);
        assert!(message.contains("is damaged") && message.contains("line 2"), "{message}");
        refused(&Folder::thinking().with(file, ""), file);
        refused(&Folder::thinking().with(file, "[1]"), file);
        let deep = "[".repeat(100_000);
        refused(&Folder::thinking().with(file, format!("{{\"chat_template\": {deep}")), file);
    }
}

#[test]
fn values_of_another_type_are_refused() {
    let file = "tokenizer_config.json";
    refused(&Folder::thinking().with(file, b"{\"eos_token\": \"\xff\"}"), file);
    for (file, json) in [
        ("tokenizer_config.json", r#"{"bos_token": 5}"#),
        ("tokenizer_config.json", r#"{"add_bos_token": "yes"}"#),
        ("tokenizer_config.json", r#"{"chat_template": {"a": 1}}"#),
        ("tokenizer_config.json", r#"{"added_tokens_decoder": {"x": {"content": "a"}}}"#),
        ("special_tokens_map.json", r#"{"eos_token": ["a"]}"#),
        ("generation_config.json", r#"{"temperature": "hot"}"#),
        ("generation_config.json", r#"{"eos_token_id": "</s>"}"#),
        ("generation_config.json", r#"{"temperature": 1e999}"#),
        ("config.json", r#"{"eos_token_id": {}}"#),
    ] {
        refused(&Folder::thinking().with(file, json), file);
    }
}

#[test]
fn a_folder_in_place_of_a_file_and_files_without_end_are_refused() {
    let folder = Folder::thinking().without("tokenizer.json");
    fs::create_dir(folder.path().join("tokenizer.json")).unwrap();
    refused(&folder, "tokenizer.json");
    for (file, size) in [("tokenizer.json", 1 << 40), ("chat_template.jinja", 1 << 30)] {
        let folder = Folder::thinking();
        File::create(folder.path().join(file)).unwrap().set_len(size).unwrap();
        assert!(refused(&folder, file).contains("more than"));
    }
    let folder = Folder::thinking().with("chat_template.jinja", b"\xff");
    assert!(refused(&folder, "chat_template.jinja").ends_with("is not UTF-8"));
}

/// The tokenizer with a part replaced.
fn changed(pointer: &str, value: Value) -> Folder {
    let folder = Folder::thinking();
    let text = fs::read_to_string(folder.path().join("tokenizer.json")).unwrap();
    let mut json: Value = serde_json::from_str(&text).unwrap();
    *json.pointer_mut(pointer).unwrap() = value;
    folder.with("tokenizer.json", json.to_string())
}

#[test]
fn tokenizers_that_are_not_whole_or_not_known_are_refused_by_name() {
    let long = "é".repeat(60);
    for (pointer, value, part) in [
        ("/model/type", json!("WordPiece"), "\"WordPiece\" is not supported; known: BPE"),
        ("/model", json!({"type": "Unigram", "unk_id": 0, "vocab": [["a", -1.5]]}), "Unigram"),
        ("/added_tokens/0/id", json!(5_000_000), "the id 5000000, more than"),
        ("/model/vocab", json!({"a": 0, "b": 0}), "the same id 0"),
        ("/model/vocab", json!({"a": 4_000_000_000u32}), "the id 4000000000, more than"),
        ("/model/vocab", json!({"a": -1}), "invalid value"),
        ("/model/merges", json!(["a"]), "is no pair"),
        ("/model/merges", json!(["a b"]), "needs \"ab\", which is no token"),
        ("/model/merges", json!([[long, long]]), "which is no token"),
        ("/model/merges", json!([["a"]]), "did not match"),
        ("/added_tokens/0/single_word", json!(true), "single-word token"),
        ("/added_tokens/0/id", json!(0), "the same id 0"),
        ("/added_tokens/0/id", json!(null), "has no id"),
        (
            "/normalizer",
            json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
            "normalizer \"Precompiled\"",
        ),
        (
            "/pre_tokenizer",
            json!({"type": "FixedLength", "length": 0}),
            "pre-tokenizer \"FixedLength\"",
        ),
        (
            "/pre_tokenizer",
            json!({"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated", "invert": false}),
            "damaged",
        ),
    ] {
        let message = refused(&changed(pointer, value), "tokenizer.json");
        assert!(message.contains(part), "{pointer}: {message}");
    }
}

/// JSON that looks a little like what is expected.
fn likely_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..300i64).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-zĠ▁<|>]{0,3}|BPE|ByteLevel|Metaspace|Split|Sequence|Replace|NFC|Digits|Prepend|Strip"
            .prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("type"),
        Just("vocab"),
        Just("merges"),
        Just("model"),
        Just("content"),
        Just("id"),
        Just("special"),
        Just("pattern"),
        Just("Regex"),
        Just("String"),
        Just("behavior"),
        Just("pretokenizers"),
        Just("normalizers"),
        Just("prepend_scheme"),
        Just("replacement"),
        Just("single"),
        Just("a"),
        Just("unk_token"),
        Just("byte_fallback"),
        Just("ignore_merges"),
        Just("dropout"),
    ];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..5)
                .prop_map(|entries| entries.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_part_may_be_anything(
        pointer in prop::sample::select(vec![
            "/model", "/model/vocab", "/model/merges", "/normalizer", "/pre_tokenizer", "/decoder",
            "/post_processor", "/added_tokens", "/added_tokens/1", "/added_tokens/0/id", "/model/type",
        ]),
        value in likely_json(),
    ) {
        if let Ok(prompter) = changed(pointer, value).prompter() {
            let _ = prompter.render(&Request::user("aé <|im_end|> b"));
        }
    }

    #[test]
    fn the_small_files_may_be_anything(
        file in prop::sample::select(JSON_FILES[1..].to_vec()),
        key in prop::sample::select(vec![
            "bos_token", "eos_token", "additional_special_tokens", "extra_special_tokens", "chat_template",
            "added_tokens_decoder", "eos_token_id", "temperature", "top_k", "do_sample", "text_config",
        ]),
        value in likely_json(),
    ) {
        let folder = Folder::thinking().with(file, json!({key: value}).to_string());
        if let Ok(prompter) = folder.prompter() {
            let _ = prompter.render(&Request::user("a"));
        }
    }

    #[test]
    fn a_flipped_byte_never_panics(at: prop::sample::Index, byte: u8) {
        let folder = Folder::thinking();
        let mut bytes = fs::read(folder.path().join("tokenizer.json")).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(prompter) = folder.with("tokenizer.json", bytes).prompter() {
            let _ = prompter.render(&Request::user("a<|im_end|>"));
        }
    }
}
