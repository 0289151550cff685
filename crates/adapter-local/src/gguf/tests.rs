//! The parser against real, damaged and made-up files.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::GgufFile;
use super::writer::Writer;
use crate::inspect::inspect_bytes;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn parse(bytes: Vec<u8>) -> Result<GgufFile, String> {
    GgufFile::from_bytes(Path::new("test.gguf"), bytes).map_err(|error| error.to_string())
}

fn refused(file: &Writer) -> String {
    parse(file.bytes()).unwrap_err()
}

#[test]
fn values_of_every_type_are_read() {
    let strings = [
        &8_u32.to_le_bytes()[..],
        &2_u64.to_le_bytes(),
        &Writer::text(b"a"),
        &Writer::text("é".as_bytes()),
    ];
    let numbers = [
        &5_u32.to_le_bytes()[..],
        &2_u64.to_le_bytes(),
        &7_i32.to_le_bytes(),
        &(-1_i32).to_le_bytes(),
    ];
    let fractions = [&6_u32.to_le_bytes()[..], &1_u64.to_le_bytes(), &0.5_f32.to_le_bytes()];
    let file = Writer::default()
        .entry("u8", 0, &[200])
        .entry("i8", 1, &[0xff])
        .entry("u64", 10, &u64::MAX.to_le_bytes())
        .entry("f32", 6, &1.5_f32.to_le_bytes())
        .entry("bool", 7, &[1])
        .entry("text", 8, &Writer::text("naïve".as_bytes()))
        .entry("strings", 9, &strings.concat())
        .entry("numbers", 9, &numbers.concat())
        .entry("fractions", 9, &fractions.concat())
        .bytes();
    let file = parse(file).unwrap();
    let metadata = file.metadata();
    assert_eq!((metadata.u32("u8"), metadata.u64("i8")), (Some(200), None));
    assert_eq!((metadata.u64("u64"), metadata.u32("u64")), (Some(u64::MAX), None));
    assert_eq!((metadata.f32("f32"), metadata.bool("bool")), (Some(1.5), Some(true)));
    assert_eq!((metadata.str("text"), metadata.str("u8")), (Some("naïve"), None));
    assert_eq!(metadata.strings("strings").unwrap().collect::<Vec<_>>(), ["a", "é"]);
    assert_eq!(metadata.i32s("numbers"), Some(vec![7, -1]));
    assert_eq!(metadata.f32s("fractions"), Some(vec![0.5]));
    assert!(metadata.strings("numbers").is_none() && metadata.i32s("strings").is_none());
    assert_eq!((metadata.len_of("strings"), metadata.len_of("text")), (Some(2), None));
    assert_eq!(metadata.keys().count(), 9);
}

#[test]
fn what_is_not_gguf_is_named() {
    assert!(parse(b"PK\x03\x04rest".to_vec()).unwrap_err().contains("not a GGUF file"));
    assert!(parse(b"GG".to_vec()).unwrap_err().contains("not a GGUF file"));
    assert!(parse(b"GGUF\0\0\0\x03".to_vec()).unwrap_err().contains("big-endian"));
    assert!(parse(b"GGUF\x01\0\0\0".to_vec()).unwrap_err().contains("version 1"));
}

#[test]
fn a_second_key_of_the_same_name_is_refused() {
    let twice = Writer::default().entry("a", 0, &[1]).entry("a", 0, &[1]);
    assert!(refused(&twice).contains("\"a\" appears twice"));
}

#[test]
fn absurd_lengths_are_refused_without_allocating() {
    let text = Writer::default().entry("a", 8, &u64::MAX.to_le_bytes());
    assert!(refused(&text).contains("cut short"));
    let array = [&0_u32.to_le_bytes()[..], &u64::MAX.to_le_bytes()].concat();
    assert!(refused(&Writer::default().entry("a", 9, &array)).contains("more than"));
    let mut counts = b"GGUF\x03\0\0\0".to_vec();
    counts.extend([0xff; 16]);
    assert!(parse(counts).unwrap_err().contains("number of tensors"));
}

#[test]
fn arrays_are_not_followed_into_the_deep() {
    let mut value = Vec::new();
    for _ in 0..10_000 {
        value.extend(9_u32.to_le_bytes());
        value.extend(1_u64.to_le_bytes());
    }
    assert!(refused(&Writer::default().entry("a", 9, &value)).contains("nested deeper"));
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let bad = Writer::default().entry("a", 8, &Writer::text(&[0xff, 0xfe]));
    assert!(refused(&bad).contains("not UTF-8"));
}

#[test]
fn tensors_that_lie_wrong_are_refused() {
    let one = |shape: &[u64], kind, offset| {
        refused(&Writer::default().tensor("t", shape, kind, offset).data(vec![0; 256]))
    };
    assert!(one(&[1024], 0, 0).contains("tensor \"t\" ends at byte"));
    assert!(one(&[4], 0, 8).contains("not a multiple of 32"));
    assert!(one(&[33], 3, 0).contains("whole blocks of 32 for Q4_1"));
    assert!(one(&[1 << 40, 1 << 40], 0, 0).contains("too large"));
    assert!(one(&[4], 0, u64::MAX - 31).contains("too large"));
    assert!(one(&[0, 4], 0, 0).contains("empty dimension"));
    assert!(one(&[4], 16, 0).contains("IQ2_XXS"));
    assert!(one(&[4], 99, 0).contains("number 99"));
    assert!(one(&[1, 1, 1, 1, 1], 0, 0).contains("dimensions"));
    let overlap = Writer::default().tensor("a", &[16], 0, 0).tensor("b", &[16], 0, 32);
    assert!(refused(&overlap.data(vec![0; 256])).contains("\"a\" and \"b\" overlap"));
    let twice = Writer::default().tensor("a", &[8], 0, 0).tensor("a", &[8], 0, 32);
    assert!(refused(&twice.data(vec![0; 256])).contains("\"a\" appears twice"));
}

#[test]
fn an_alignment_that_is_none_is_refused() {
    for value in [0_u32, 3, 1 << 31] {
        let file = Writer::default().entry("general.alignment", 4, &value.to_le_bytes());
        assert!(refused(&file).contains("power of two"));
    }
}

#[test]
fn missing_files_and_folders_are_named() {
    let error = GgufFile::open(Path::new("/nowhere/model.gguf")).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/model.gguf: cannot be read"), "{error}");
    let error = GgufFile::open(&fixture("")).unwrap_err().to_string();
    assert!(error.contains("is a folder"), "{error}");
}

#[test]
fn every_cut_of_a_real_file_is_an_error() {
    let whole = std::fs::read(fixture("tiny-qwen3-q8_0.gguf")).unwrap();
    assert!(parse(whole.clone()).is_ok());
    for len in (0..whole.len()).step_by(97) {
        assert!(parse(whole[..len].to_vec()).is_err(), "cut at {len}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = inspect_bytes(Path::new("x"), bytes.clone());
        let _ = inspect_bytes(Path::new("x"), [b"GGUF\x03\0\0\0".to_vec(), bytes].concat());
    }

    #[test]
    fn a_real_header_with_changed_bytes_never_panics(
        changes in prop::collection::vec((0..14_000_usize, any::<u8>()), 1..6)
    ) {
        let mut bytes = std::fs::read(fixture("tiny-qwen3-q8_0.gguf")).unwrap();
        for (at, value) in changes {
            bytes[at] = value;
        }
        let _ = inspect_bytes(Path::new("x"), bytes);
    }
}
