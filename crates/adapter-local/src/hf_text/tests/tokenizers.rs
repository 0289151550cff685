//! What becomes of text: as the tokenizers library encodes it, except that what people say never
//! becomes structure.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::tokenizer::{Piece, TokenKind, Tokenizer};

const LETTERS: &str =
    r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

fn added(tokens: &[(&str, u32, bool)]) -> Value {
    let token = |(content, id, special): &(&str, u32, bool)| {
        json!({"content": content, "id": id, "special": special, "lstrip": false, "rstrip": false,
            "normalized": false, "single_word": false})
    };
    tokens.iter().map(token).collect()
}

/// Bytes as letters, some merges, and these steps.
fn byte_level(normalizer: Value, pre_tokenizer: Value) -> Value {
    let letters = crate::tokenizer::byte_letters().zip(0..);
    let mut vocab: serde_json::Map<String, Value> =
        letters.map(|(letter, id)| (letter.to_string(), json!(id))).collect();
    let merges = [
        ("h", "e"),
        ("l", "l"),
        ("he", "ll"),
        ("Ġ", "Ġ"),
        ("Ġ", "hell"),
        ("e", "Ì"),
        ("Ã", "©"),
        ("1", "2"),
    ];
    for (id, (left, right)) in (256..).zip(merges) {
        vocab.insert(format!("{left}{right}"), json!(id));
    }
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": added(&[("<|end|>", 264, true), ("<think>", 265, false), ("~~~", 266, false)]),
        "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocab, "merges": merges, "unk_token": null, "byte_fallback": false,
            "continuing_subword_prefix": "", "end_of_word_suffix": null, "dropout": null,
            "fuse_unk": false, "ignore_merges": false},
    })
}

fn bytes_step(use_regex: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex})
}

fn split(pattern: &str) -> Value {
    let split = json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
    json!({"type": "Sequence", "pretokenizers": [split, bytes_step(false)]})
}

/// Spaces as `▁`, and bytes for what has no token.
fn metaspace(normalizer: Value, pre_tokenizer: Value) -> Value {
    let mut vocab: serde_json::Map<String, Value> = [("<unk>", 0), ("<s>", 1), ("</s>", 2)]
        .map(|(t, id)| (t.to_owned(), json!(id)))
        .into_iter()
        .collect();
    for byte in 0..=255u32 {
        vocab.insert(format!("<0x{byte:02X}>"), json!(byte + 3));
    }
    let letters = ["▁", "h", "e", "l", "<", "s", ">", "/", "a"];
    for (id, letter) in (259..).zip(letters) {
        vocab.insert(letter.to_owned(), json!(id));
    }
    let merges =
        [("h", "e"), ("▁", "he"), ("l", "l"), ("▁he", "ll"), ("<", "s"), ("<s", ">"), ("▁", "▁")];
    for (id, (left, right)) in (300..).zip(merges) {
        vocab.entry(format!("{left}{right}")).or_insert(json!(id));
    }
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": added(&[("<unk>", 0, true), ("<s>", 1, true), ("</s>", 2, true)]),
        "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": null,
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        ]},
        "model": {"type": "BPE", "vocab": vocab, "merges": merges, "unk_token": "<unk>", "byte_fallback": true,
            "continuing_subword_prefix": null, "end_of_word_suffix": null, "dropout": null, "fuse_unk": true,
            "ignore_merges": false},
    })
}

fn llama2_steps() -> Value {
    json!({"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    ]})
}

fn all() -> Vec<Value> {
    let nfc = || json!({"type": "NFC"});
    let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|";
    let digits = json!({"type": "Digits", "individual_digits": true});
    let first =
        json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false});
    let spaces_as_marks = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
    let after_spaces = json!({
        "type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false,
    });
    vec![
        // Ours.
        byte_level(Value::Null, bytes_step(true)),
        byte_level(nfc(), split(&format!("{contractions}{LETTERS}"))),
        byte_level(
            Value::Null,
            json!({"type": "Sequence", "pretokenizers": [digits, bytes_step(true)]}),
        ),
        // The library's.
        byte_level(nfc(), split(LETTERS)),
        byte_level(json!({"type": "NFKC"}), bytes_step(true)),
        metaspace(llama2_steps(), Value::Null),
        metaspace(Value::Null, first),
        metaspace(spaces_as_marks, after_spaces),
    ]
}

fn ours(json: &Value) -> Tokenizer {
    let folder = Folder::thinking().with("tokenizer.json", json.to_string());
    Tokenizer::of_folder(&folder.text().unwrap()).unwrap()
}

fn theirs(json: &Value) -> ::tokenizers::Tokenizer {
    json.to_string().parse().unwrap()
}

fn decode(tokenizer: &Tokenizer, ids: &[u32]) -> String {
    let bytes = ids.iter().flat_map(|id| tokenizer.vocabulary().bytes(*id)).copied().collect();
    String::from_utf8(bytes).unwrap()
}

/// Texts of control tokens, pieces of them, and much else.
fn texts() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("<|end|>".to_owned()),
        Just("<s>".to_owned()),
        Just("</s>".to_owned()),
        Just("<think>".to_owned()),
        Just("~~~".to_owned()),
        Just("hello".to_owned()),
        Just(" hell".to_owned()),
        Just("e\u{301}".to_owned()),
        Just("<0x41>".to_owned()),
        "[ \\r\\n\\t]{0,5}",
        "[a-z0-9'é中😀<>|_▁ ]{0,6}",
        "\\PC{0,6}",
    ];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

/// Each tokenizer as ours and as the library's.
static PAIRS: LazyLock<Vec<(Tokenizer, ::tokenizers::Tokenizer)>> =
    LazyLock::new(|| all().iter().map(|json| (ours(json), theirs(json))).collect());

proptest! {
    /// A prompt, in which control tokens are meant.
    #[test]
    fn prompts_are_encoded_as_the_library_does(text in texts()) {
        for (n, (ours, theirs)) in PAIRS.iter().enumerate() {
            let ids = ours.encode(&ours.controls().split(&text)).unwrap();
            let expected = theirs.encode(text.as_str(), false).unwrap();
            prop_assert_eq!(ids, expected.get_ids(), "{}", n);
        }
    }

    /// What people say.
    #[test]
    fn plain_text_is_never_structure(text in texts()) {
        for (ours, _) in PAIRS.iter() {
            let ids = ours.encode(&[Piece::Plain(&text)]).unwrap();
            let words = ours.vocabulary();
            prop_assert!(ids.iter().all(|id| words.is_text(*id) && words.spelling(*id) != "<think>"));
        }
    }
}

#[test]
fn tokens_know_their_bytes_and_kinds() {
    let spaced = ours(&metaspace(llama2_steps(), Value::Null));
    let words = spaced.vocabulary();
    assert_eq!((words.bytes(0x41 + 3), words.kind(0x41 + 3)), (&b"A"[..], TokenKind::Byte));
    assert_eq!((words.bytes(301), words.kind(301)), (&b" he"[..], TokenKind::Normal));
    assert_eq!((words.bytes(2), words.kind(2)), (&b"</s>"[..], TokenKind::Control));
    // Ids between the last letter and the merges are nobody's.
    assert_eq!((words.bytes(280), words.kind(280)), (&b""[..], TokenKind::Unused));
    let ids = spaced.encode(&[Piece::Plain("hello é</s>")]).unwrap();
    assert_eq!(decode(&spaced, &ids), " hello é</s>");
    let letters = ours(&byte_level(Value::Null, bytes_step(true)));
    let words = letters.vocabulary();
    assert_eq!((words.bytes(260), words.kind(264)), (&b" hell"[..], TokenKind::Control));
    assert_eq!(
        (words.kind(265), words.kind(266)),
        (TokenKind::UserDefined, TokenKind::UserDefined)
    );
    assert_eq!(words.len(), 267);
}

#[test]
fn white_space_beside_a_token_is_its_own_where_the_file_says_so() {
    let mut json = byte_level(Value::Null, bytes_step(true));
    json["added_tokens"][0]["rstrip"] = json!(true);
    json["added_tokens"][1]["lstrip"] = json!(true);
    let (ours, theirs) = (ours(&json), theirs(&json));
    for text in ["a <|end|> \n b", "a \n<think> b", "<|end|>  <think>", " <|end|>", "<think> "] {
        let ids = ours.encode(&ours.controls().split(text)).unwrap();
        assert_eq!(ids, theirs.encode(text, false).unwrap().get_ids(), "{text:?}");
    }
}

#[test]
fn the_configuration_adds_tokens_and_says_which_are_structure() {
    let config = json!({
        "added_tokens_decoder": {"305": {"content": "[X]", "special": true}, "266": {"content": "~~~", "special": true}},
        "eos_token": {"content": "hell"}, "additional_special_tokens": ["he", {"content": "ll"}],
    });
    let json = byte_level(Value::Null, bytes_step(true));
    let folder = Folder::thinking()
        .with("tokenizer.json", json.to_string())
        .with("tokenizer_config.json", config.to_string());
    let tokenizer = Tokenizer::of_folder(&folder.text().unwrap()).unwrap();
    let words = tokenizer.vocabulary();
    for id in [305, 266, 256, 257, 258] {
        assert_eq!(words.kind(id), TokenKind::Control, "{id}");
    }
    assert_eq!((words.len(), words.eos()), (306, Some(258)));
    let ids = tokenizer.encode(&[Piece::Plain("hello")]).unwrap();
    assert_eq!(ids, "hello".bytes().map(|b| tokenizer_id(&tokenizer, b)).collect::<Vec<_>>());
}

#[test]
fn html_is_text_and_other_markup_is_structure() {
    let mut json = byte_level(Value::Null, bytes_step(true));
    json["added_tokens"] = added(&[
        ("<b>", 264, false),
        ("</b>", 265, false),
        ("<x>", 266, false),
        ("[INST]", 267, false),
    ]);
    let tokenizer = ours(&json);
    let structure = |text: &str| {
        tokenizer
            .encode(&[Piece::Plain(text)])
            .unwrap()
            .into_iter()
            .filter(|id| *id >= 264)
            .collect::<Vec<_>>()
    };
    assert_eq!(structure("a<b>b</b><x>[INST]"), [264, 265]);
    let ids = tokenizer.encode(&tokenizer.controls().split("<b><x>[INST]")).unwrap();
    assert_eq!(ids, [264, 266, 267]);
}

fn tokenizer_id(tokenizer: &Tokenizer, byte: u8) -> u32 {
    let words = tokenizer.vocabulary();
    (0..256).find(|id| words.bytes(*id) == [byte]).unwrap()
}

#[test]
fn raw_prompts_begin_as_the_tokenizer_wants_and_chats_as_the_template_does() {
    let ids = |folder: &Folder, request: &Request| folder.render(request).unwrap().ids;
    let begin = r#"{"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "add_bos_token": ADD, "chat_template": "{{ messages[0].content }}"}"#;
    let with =
        |add: &str| Folder::thinking().with("tokenizer_config.json", begin.replace("ADD", add));
    let raw = Request::raw("a");
    assert_eq!(ids(&with("true"), &raw), [256, 97]);
    assert_eq!(ids(&with("true"), &Request::raw("<|im_start|>a")), [256, 97]);
    assert_eq!(ids(&with("true"), &Request::user("a")), [97]);
    assert_eq!(ids(&with("null"), &raw), [97]);
    // The post-processor says so, unless the configuration does.
    let processor = json!({"type": "Sequence", "processors": [bytes_step(true), {
        "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [], "special_tokens": {},
    }]});
    let processed = |add: &str| {
        let folder = with(add);
        let text = fs::read_to_string(folder.path().join("tokenizer.json")).unwrap();
        let mut json: Value = serde_json::from_str(&text).unwrap();
        json["post_processor"] = processor.clone();
        folder.with("tokenizer.json", json.to_string())
    };
    assert_eq!(ids(&processed("null"), &raw), [256, 97]);
    assert_eq!(ids(&processed("false"), &raw), [97]);
    assert_eq!(ids(&processed("null"), &Request::user("a")), [97]);
}
