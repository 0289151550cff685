//! Headers right and wrong, by hand and by chance.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{SafetensorsFile, Shards};
use crate::error::LoadCause;
use crate::test_folder::{Copy, safetensors};

fn parse(bytes: Vec<u8>) -> Result<SafetensorsFile, LoadCause> {
    super::header::parse(&bytes)?;
    Ok(SafetensorsFile::from_bytes(Path::new("test.safetensors"), bytes).unwrap())
}

fn cause(header: &str, data: &[u8]) -> String {
    parse(safetensors(header, data)).unwrap_err().to_string()
}

/// Two matrices, one after the other.
fn header() -> Value {
    json!({
        "__metadata__": { "format": "pt" },
        "b": { "dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12] },
        "a": { "dtype": "F32", "shape": [2], "data_offsets": [12, 20] },
    })
}

#[test]
fn tensors_are_found_by_name_with_their_bytes() {
    let data: Vec<u8> = (0..20).collect();
    let file = parse(safetensors(&header().to_string(), &data)).unwrap();
    let a = file.tensor("a").unwrap();
    assert_eq!((a.shape, a.data.as_slice()), (vec![2], &data[12..]));
    assert_eq!(file.tensor("b").unwrap().data.as_slice(), &data[..12]);
    assert!(
        matches!(file.tensor("c").unwrap_err().cause(), LoadCause::MissingTensor(name) if name == "c")
    );
}

#[test]
fn a_length_beyond_the_file_or_reason_is_refused_at_once() {
    let mut bytes = (1_u64 << 60).to_le_bytes().to_vec();
    bytes.extend(b"{}");
    let error = parse(bytes).unwrap_err().to_string();
    assert_eq!(error, "is damaged: header's length is 1152921504606846976, more than 100000000");
    let mut bytes = 99_999_999_u64.to_le_bytes().to_vec();
    bytes.extend(b"{}");
    let error = parse(bytes).unwrap_err().to_string();
    let wanted = "is cut short: the header needs 99999999 bytes at byte 8 but the file has 10";
    assert_eq!(error, wanted);
    for len in 0..8 {
        assert!(matches!(parse(vec![0; len]), Err(LoadCause::HeaderCut { .. })));
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let entry = |dtype: &str, shape: Value, from: u64, to: u64| json!({ "dtype": dtype, "shape": shape, "data_offsets": [from, to] });
    let one = |entry: Value| json!({ "x": entry }).to_string();
    let huge = u64::MAX;
    for (header, wanted) in [
        (one(entry("F32", json!([2]), 0, 4)), "tensor \"x\": has 4 bytes for the shape [2] of F32"),
        (one(entry("F32", json!([huge, huge]), 0, 4)), "tensor \"x\": has 4 bytes for the shape"),
        (one(entry("F32", json!([2]), 8, 0)), "tensor \"x\": ends at 0, before it begins at 8"),
        (one(entry("F32", json!([4]), 0, 16)), "tensor \"x\" ends at byte"),
        (one(entry("F32", json!([1]), huge - 4, huge)), "tensor \"x\" ends at byte"),
        (
            one(entry("F32", json!([1]), 4, 8)),
            "the 4 bytes before tensor \"x\" belong to no tensor",
        ),
        (one(entry("F32", json!([1]), 0, 4)), "the 4 bytes after the last tensor"),
        (one(entry("F32", json!(vec![1; 9]), 0, 4)), "tensor \"x\": has 9 dimensions"),
        (
            one(json!({ "dtype": "F32", "shape": [2] })),
            "tensor \"x\": missing field `data_offsets`",
        ),
        (one(entry("F32", json!([-1]), 0, 8)), "tensor \"x\": invalid value"),
        ("[]".to_owned(), "expected an object of tensors"),
        ("{".to_owned(), "EOF while parsing"),
        ("\u{0}{}".to_owned(), "expected value"),
    ] {
        let error = cause(&header, &[0; 8]);
        assert!(error.contains(wanted), "{error} | {wanted}");
    }
}

#[test]
fn overlaps_and_names_that_come_twice_are_refused() {
    let two = |a: &str, b: &str, second: [u64; 2]| {
        let entry =
            |from, to| format!(r#"{{"dtype":"F32","shape":[1],"data_offsets":[{from},{to}]}}"#);
        format!(r#"{{"{a}":{},"{b}":{}}}"#, entry(0, 4), entry(second[0], second[1]))
    };
    assert!(parse(safetensors(&two("a", "b", [4, 8]), &[0; 8])).is_ok());
    assert_eq!(
        cause(&two("a", "b", [2, 6]), &[0; 8]),
        "is damaged: the tensors \"a\" and \"b\" overlap"
    );
    for second in [[4, 8], [0, 4]] {
        assert_eq!(
            cause(&two("a", "a", second), &[0; 8]),
            "is damaged: the tensor \"a\" appears twice"
        );
    }
}

#[test]
fn numbers_that_cannot_be_computed_with_are_refused_when_asked_for() {
    let header = json!({ "x": { "dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4] } });
    let file = parse(safetensors(&header.to_string(), &[0; 4])).unwrap();
    let error = file.tensor("x").unwrap_err().to_string();
    let wanted = "tensor \"x\" is stored as F8_E4M3, which is not supported; known: F32, F16, BF16";
    assert!(error.ends_with(wanted), "{error}");
}

fn shards_error(copy: &Copy) -> String {
    Shards::open(copy.path()).unwrap_err().to_string()
}

#[test]
fn shards_are_found_by_their_index() {
    let copy = Copy::of("qwen3");
    let shards = Shards::open(copy.path()).unwrap();
    assert_eq!((shards.count(), shards.names().count()), (3, 24));
    let (file, entry) = shards.get("model.norm.weight").unwrap();
    assert!(file.path().ends_with("model-00003-of-00003.safetensors"));
    assert_eq!(entry.shape, [32]);
}

#[test]
fn a_shard_that_is_missing_or_cut_is_named() {
    const SECOND: &str = "model-00002-of-00003.safetensors";
    let copy = Copy::of("qwen3");
    let bytes = copy.read(SECOND);
    copy.write(SECOND, &bytes[..bytes.len() - 100]);
    let error = shards_error(&copy);
    assert!(
        error.contains(SECOND) && error.contains("is cut short: tensor \"model.layers."),
        "{error}"
    );
    copy.write(SECOND, b"");
    assert!(shards_error(&copy).contains("the header's length needs 8 bytes"));
    std::fs::remove_file(copy.file(SECOND)).unwrap();
    let error = shards_error(&copy);
    let wanted = format!("{SECOND}: is not there, but model.safetensors.index.json names it");
    assert!(error.ends_with(&wanted), "{error}");
}

#[test]
fn an_index_that_lies_is_refused() {
    const INDEX: &str = "model.safetensors.index.json";
    for (map, wanted) in [
        (json!({ "x": "../model.safetensors" }), "is no file of the folder"),
        (json!({ "x": "/etc/passwd" }), "is no file of the folder"),
        (json!({ "x": "" }), "is no file of the folder"),
        (json!({ "x": ".." }), "is no file of the folder"),
        (json!({ "x": "model-00001-of-00003.safetensors" }), "has no tensor \"x\""),
        (json!([]), "invalid type"),
    ] {
        let copy = Copy::of("qwen3");
        copy.set(INDEX, "weight_map", map);
        let error = shards_error(&copy);
        assert!(error.contains(wanted), "{error}");
    }
    let copy = Copy::of("qwen3");
    copy.write("again.safetensors", &copy.read("model-00003-of-00003.safetensors"));
    let mut index: Value = serde_json::from_slice(&copy.read(INDEX)).unwrap();
    index["weight_map"]["more"] = "again.safetensors".into();
    copy.write(INDEX, index.to_string().as_bytes());
    assert!(shards_error(&copy).contains("appears twice"));
}

#[test]
fn a_folder_without_weights_says_which_are_missing() {
    let folder = tempfile::tempdir().unwrap();
    let error = Shards::open(folder.path()).unwrap_err();
    assert!(matches!(error.cause(), LoadCause::NoWeights));
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(bytes);
    }

    /// What is changed by chance is refused, or read as the format's own implementation reads it.
    #[test]
    fn changed_headers_are_read_as_others_read_them(
        changes in prop::collection::vec((0..300_usize, any::<u8>()), 1..4),
        cut in 0..4_usize,
    ) {
        let mut bytes = safetensors(&header().to_string(), &[7; 20]);
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        bytes.truncate(bytes.len() - cut);
        let Ok(ours) = parse(bytes.clone()) else { return Ok(()) };
        let Ok(theirs) = ::safetensors::SafeTensors::deserialize(&bytes) else {
            // They know the names of all types; ours are asked for when a tensor is.
            prop_assert!(ours.tensors().values().any(|entry| entry.kind().is_none()));
            return Ok(());
        };
        prop_assert_eq!(ours.tensors().len(), theirs.len());
        for (name, entry) in ours.tensors() {
            let tensor = theirs.tensor(name).unwrap();
            prop_assert_eq!(tensor.shape(), &entry.shape);
            prop_assert_eq!(tensor.data(), &bytes[entry.range.clone()]);
        }
    }

    /// Files of that implementation are read.
    #[test]
    fn files_of_others_are_read(shapes in prop::collection::vec((0..5_usize, 1..5_usize), 0..6)) {
        let data = [3; 100];
        let views = shapes.iter().enumerate().map(|(index, (rows, columns))| {
            let (rows, columns) = (*rows, *columns);
            let bytes = &data[..rows * columns * 2];
            let dtype = ::safetensors::Dtype::BF16;
            let view = ::safetensors::tensor::TensorView::new(dtype, vec![rows, columns], bytes);
            (format!("tensor {index}"), view.unwrap())
        });
        let bytes = ::safetensors::serialize(views, None).unwrap();
        let file = parse(bytes).unwrap();
        prop_assert_eq!(file.tensors().len(), shapes.len());
        for (index, (rows, columns)) in shapes.iter().enumerate() {
            let tensor = file.tensor(&format!("tensor {index}")).unwrap();
            prop_assert_eq!(tensor.shape, vec![*rows, *columns]);
            prop_assert_eq!(tensor.data.as_slice().len(), rows * columns * 2);
        }
    }
}
