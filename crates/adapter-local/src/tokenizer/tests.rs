//! Tokenizers of the fixtures: control tokens, guards, and what is refused.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::gguf::GgufFile;

fn tiny() -> Tokenizer {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny-qwen3-f32.gguf");
    Tokenizer::load(GgufFile::open(Path::new(path)).unwrap().metadata()).unwrap()
}

fn decode(tokenizer: &Tokenizer, ids: &[u32]) -> String {
    let bytes: Vec<u8> =
        ids.iter().flat_map(|id| tokenizer.vocabulary().bytes(*id)).copied().collect();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn control_tokens_are_matched_only_where_asked() {
    let tokenizer = tiny();
    let text = "a<|im_end|>b";
    let split = tokenizer.controls().split(text);
    assert_eq!(split, [Piece::Plain("a"), Piece::Control(2), Piece::Plain("b")]);
    let ids = tokenizer.encode(&[Piece::Plain(text)]).unwrap();
    assert!(ids.iter().all(|id| tokenizer.vocabulary().kind(*id) == TokenKind::Normal));
    assert_eq!(decode(&tokenizer, &ids), text);
}

#[test]
fn the_ends_of_a_generation_are_known() {
    let tokenizer = tiny();
    let ends: Vec<u32> = (0..320).filter(|id| tokenizer.vocabulary().ends(*id)).collect();
    assert_eq!(ends, [0, 2]);
}

#[test]
fn an_unknown_pre_tokenizer_is_refused_with_the_known_ones() {
    let error = pre_tokenizer::PreTokenizer::named(Some("qwen9")).unwrap_err().to_string();
    assert!(error.contains("\"qwen9\"") && error.contains("smollm"), "{error}");
}

/// What Hugging Face's tokenizers make of the same texts: `scripts/reference/tokenizer_reference.py`.
#[derive(serde::Deserialize)]
struct Reference {
    texts: Vec<String>,
    words: std::collections::BTreeMap<String, Vec<Vec<String>>>,
    smollm2: Vec<Vec<u32>>,
    tiny_qwen3: Vec<Vec<u32>>,
}

fn reference() -> Reference {
    let json = include_str!("../../tests/fixtures/tokenizer-reference.json");
    serde_json::from_str(json).unwrap()
}

#[test]
fn words_are_those_of_the_reference() {
    let reference = reference();
    assert_eq!(reference.words.len(), 6);
    for (style, all) in &reference.words {
        let pre_tokenizer = pre_tokenizer::PreTokenizer::named(Some(style)).unwrap();
        for (text, expected) in reference.texts.iter().zip(all) {
            let words: Vec<&str> =
                pre_tokenizer.words(text).into_iter().filter(|w| !w.is_empty()).collect();
            assert_eq!(&words, expected, "{style}: {text:?}");
        }
    }
}

fn assert_ids(tokenizer: &Tokenizer, expected: &[Vec<u32>]) {
    let reference = reference();
    assert_eq!(reference.texts.len(), expected.len());
    for (text, expected) in reference.texts.iter().zip(expected) {
        let ids = tokenizer.encode(&[Piece::Plain(text)]).unwrap();
        assert_eq!(&ids, expected, "{text:?}");
    }
}

#[test]
fn ids_of_the_tiny_tokenizer_are_those_of_the_reference() {
    assert_ids(&tiny(), &reference().tiny_qwen3);
}

/// The default model's tokenizer, from the file that all tests share.
fn smollm2() -> Tokenizer {
    let file = GgufFile::open(&crate::test_model::default_model()).unwrap();
    Tokenizer::load(file.metadata()).unwrap()
}

#[test]
fn ids_of_smollm2_are_those_of_the_reference() {
    assert_ids(&smollm2(), &reference().smollm2);
}

#[test]
fn every_token_of_smollm2_that_is_text_comes_back_as_its_bytes() {
    let tokenizer = smollm2();
    assert_eq!(tokenizer.vocabulary().len(), 49152);
    for id in (17..49152).step_by(7) {
        let bytes = tokenizer.vocabulary().bytes(id);
        let Ok(text) = std::str::from_utf8(bytes) else { continue };
        let ids = tokenizer.encode(&[Piece::Plain(text)]).unwrap();
        assert_eq!(decode(&tokenizer, &ids), text);
    }
}

#[test]
fn control_tokens_inside_text_are_text_to_smollm2() {
    let tokenizer = smollm2();
    for text in ["<|im_end|>", "a<|im_start|>system\n<|im_end|>", "<|endoftext|><repo_name>"] {
        let ids = tokenizer.encode(&[Piece::Plain(text)]).unwrap();
        assert!(ids.iter().all(|id| tokenizer.vocabulary().kind(*id) == TokenKind::Normal));
        assert_eq!(decode(&tokenizer, &ids), text);
    }
    // The reference without special tokens: "<|im_end|>" as plain text.
    assert!(tokenizer.encode(&[Piece::Plain("<|im_end|>")]).unwrap().len() > 3);
}

#[test]
fn a_character_without_tokens_is_shown_as_unreadable() {
    let tokenizer = smollm2();
    let ids = |text| tokenizer.encode(&[Piece::Plain(text)]).unwrap();
    assert_eq!(ids("a\u{4}b\u{80000}c"), ids("a\u{fffd}b\u{fffd}c"));
}

/// What the look-ahead of the original patterns does, spelled out.
#[test]
fn runs_of_spaces_leave_their_last_one_to_the_next_word() {
    let words = |style, text| pre_tokenizer::PreTokenizer::named(Some(style)).unwrap().words(text);
    assert_eq!(words("gpt-2", "a   b  "), ["a", "  ", " b", "  "]);
    assert_eq!(words("gpt-2", "a \n\n b\n"), ["a", " \n\n", " b", "\n"]);
    assert_eq!(words("gpt-2", "a \nb"), ["a", " ", "\n", "b"]);
    assert_eq!(words("qwen2", "a \n  b\n"), ["a", " \n", " ", " b", "\n"]);
    assert_eq!(
        words("qwen2", "x \t1\u{3000}\u{3000}y"),
        ["x", " ", "\t", "1", "\u{3000}", "\u{3000}y"]
    );
    assert_eq!(words("smollm", "in 2024's"), ["in", " ", "2", "0", "2", "4", "'s"]);
    assert_eq!(words("llama-bpe", "1234567"), ["123", "456", "7"]);
    assert_eq!(words("default", "a.12345"), ["a", ".", "123", "45"]);
}

/// What a template would make of the text between two control tokens, and back.
fn round_trip(
    tokenizer: &Tokenizer,
    text: &str,
    before: &str,
    after: &str,
) -> Result<(), TestCaseError> {
    let guard = Guard::for_texts(tokenizer.controls(), std::iter::once(text)).unwrap();
    let prompt = format!("<|im_start|>{before}{}{after}<|im_end|>", guard.protect(text));
    let pieces = tokenizer.controls().split(&prompt);
    let controls = pieces.iter().filter(|piece| matches!(piece, Piece::Control(_))).count();
    prop_assert_eq!(controls, 2, "{}", &prompt);
    let said = guard.remove(&prompt);
    prop_assert_eq!(said, format!("<|im_start|>{before}{text}{after}<|im_end|>"));
    Ok(())
}

proptest! {
    #[test]
    fn words_joined_are_the_text(text in "\\PC{0,40}|[ \\r\\n\\t0-9a'é]{0,40}", style in 0..6usize) {
        let names = ["default", "gpt-2", "smollm", "llama-bpe", "qwen2", "qwen35"];
        let words = pre_tokenizer::PreTokenizer::named(Some(names[style])).unwrap();
        let words = words.words(&text);
        prop_assert_eq!(words.concat(), text.as_str());
        prop_assert!(words.iter().all(|word| !word.is_empty()));
    }

    #[test]
    fn plain_text_never_yields_a_control_token(
        parts in prop::collection::vec(prop_oneof![
            Just("<|im_end|>".to_owned()), Just("<|im_".to_owned()), Just("end|>".to_owned()),
            Just("<".to_owned()), Just("\u{fdd0}".to_owned()), "[ -~é\u{fdd0}\u{fdd1}]{0,4}",
        ], 0..12),
    ) {
        let (tokenizer, text) = (tiny(), parts.concat());
        let ids = tokenizer.encode(&[Piece::Plain(&text)]).unwrap();
        prop_assert!(ids.iter().all(|id| tokenizer.vocabulary().kind(*id) == TokenKind::Normal));
        for (before, after) in [("", ""), ("<|im_", ""), ("", "end|>"), ("<", ">"), ("<|im_end|", "|im_end|>")] {
            round_trip(&tokenizer, &text, before, after)?;
        }
    }
}
