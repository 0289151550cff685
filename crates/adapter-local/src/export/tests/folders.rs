//! Bases with adapters as folders.

use std::fs;

use ports::ErrorKind;
use serde_json::Value;

use super::*;
use crate::gguf::GgmlType;
use crate::test_folder::{Copy, fixture};

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_merged_folder_computes_what_base_and_adapters_compute() {
    for (base, adapters, parted) in [
        ("qwen3", &["qwen3-linear"][..], false),
        ("qwen3", &["qwen3-linear", "qwen3-rank-stabilized"], false),
        ("qwen3", &["qwen3-embedding"], true),
        ("llama", &["llama-head"], true),
    ] {
        let lora: Vec<_> = adapters.iter().map(|name| adapter(name)).collect();
        let checkpoint = Checkpoint::open(&fixture(base)).unwrap();
        let at_load = crate::arrange::with_adapters(checkpoint, &lora).unwrap();
        let place = Place::new();
        let written = place.merge(&fixture(base), lora).unwrap();
        assert_eq!(place.names(), ["merged"], "nothing else is left");
        assert_eq!(written.files, 1);
        let merged = Checkpoint::open(&written.path).unwrap();
        assert_eq!(merged.parameters(), at_load.parameters());
        assert_eq!(merged.tensors().names(), at_load.tensors().names());
        assert_same(&format!("{adapters:?}"), &at_load, &merged, 60);
        assert_eq!(merged.tensors().facts("output.weight").is_some(), parted);
        let config = json(&written.path.join("config.json"));
        assert_eq!(config["tie_word_embeddings"], !parted, "{adapters:?}");
        assert!(merged.prompter().is_ok(), "the texts came along");
    }
}

#[test]
fn what_belongs_to_the_model_comes_along_as_it_is() {
    let (place, copy) = (Place::new(), Copy::of("qwen3"));
    copy.write("README.md", b"of the base").write("pytorch_model.bin", b"other weights");
    copy.write("merges.txt", b"a b").write("chat_template_old.jinja", b"x");
    fs::create_dir(copy.file("added_tokens.json")).unwrap();
    let merged = place.merge(copy.path(), vec![adapter("qwen3-linear")]).unwrap().path;
    let expected = [
        "chat_template.jinja",
        "chat_template_old.jinja",
        "config.json",
        "generation_config.json",
        "merges.txt",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    assert_eq!(names(&merged), expected);
    for name in expected.iter().filter(|name| **name != "model.safetensors") {
        assert_eq!(fs::read(merged.join(name)).unwrap(), copy.read(name), "{name}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        let made = place.path("made");
        fs::create_dir(&made).unwrap();
        assert_eq!(mode(&merged), mode(&made), "open to whoever other folders are open to");
    }
}

#[test]
fn weights_are_cut_into_files_with_an_index() {
    let place = Place::new();
    let plan = MergePlan {
        shard_bytes: 50_000,
        ..MergePlan::new(fixture("qwen3"), place.path("merged"), vec![adapter("qwen3-linear")])
    };
    let written = merge_lora(&plan, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(written.files, 3);
    let index = json(&written.path.join("model.safetensors.index.json"));
    assert_eq!(index["metadata"]["total_size"], written.bytes);
    let shards: Vec<_> =
        names(&written.path).into_iter().filter(|name| name.ends_with(".safetensors")).collect();
    assert_eq!(shards[2], "model-00003-of-00003.safetensors");
    let whole = Place::new();
    let one = whole.merge(&fixture("qwen3"), vec![adapter("qwen3-linear")]).unwrap();
    let (one, cut) =
        (Checkpoint::open(&one.path).unwrap(), Checkpoint::open(&written.path).unwrap());
    for name in one.tensors().names() {
        let (a, b) = (one.tensors().tensor(name).unwrap(), cut.tensors().tensor(name).unwrap());
        assert_eq!(a.data.as_slice(), b.data.as_slice(), "{name}");
    }
}

#[test]
fn another_dtype_is_that_of_all_numbers() {
    for (dtype, kind, word) in
        [("bf16", GgmlType::Bf16, "bfloat16"), ("f16", GgmlType::F16, "float16")]
    {
        let place = Place::new();
        let plan = MergePlan {
            dtype: Some(dtype.into()),
            ..MergePlan::new(fixture("qwen3"), place.path("merged"), vec![adapter("qwen3-linear")])
        };
        let written = merge_lora(&plan, &mut |_| ControlFlow::Continue(())).unwrap();
        let merged = Checkpoint::open(&written.path).unwrap();
        let tensors = merged.tensors();
        assert!(tensors.names().iter().all(|name| tensors.facts(name).unwrap().kind == kind));
        let config = json(&written.path.join("config.json"));
        assert_eq!((&config["dtype"], config.get("torch_dtype")), (&Value::from(word), None));
    }
    let place = Place::new();
    let merge = |dtype: &str, to: &str| {
        let plan = MergePlan {
            dtype: Some(dtype.into()),
            ..MergePlan::new(fixture("qwen3"), place.path(to), vec![adapter("qwen3-linear")])
        };
        merge_lora(&plan, &mut |_| ControlFlow::Continue(()))
    };
    assert_eq!(merge("f8", "x").unwrap_err().kind(), ErrorKind::ConfigInvalid);
    // A base in half precision stays in it.
    let written = place.merge(&fixture("qwen3-bf16"), vec![adapter("qwen3-linear")]).unwrap();
    let merged = Checkpoint::open(&written.path).unwrap();
    assert_eq!(merged.tensors().facts("blk.0.ffn_up.weight").unwrap().kind, GgmlType::Bf16);
}

#[test]
fn what_cannot_be_merged_leaves_nothing() {
    let place = Place::new();
    let kind = |result: Result<MergedFolder, Error>| {
        let error = result.unwrap_err();
        (error.kind(), error.to_string())
    };
    let (found, text) = kind(place.merge(&fixture("llama"), vec![adapter("qwen3-linear")]));
    assert!(found == ErrorKind::ModelLoad && text.contains("not made for this model"), "{text}");
    let (found, _) = kind(place.merge(&fixture("qwen3"), Vec::new()));
    assert_eq!(found, ErrorKind::InvalidRequest);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny-qwen3-f32.gguf");
    let (found, text) = kind(place.merge(&file, vec![adapter("qwen3-linear")]));
    assert!(
        found == ErrorKind::ModelLoad && text.contains("is no folder of safetensors"),
        "{text}"
    );
    let (_, text) = kind(place.merge(&fixture("gemma3"), vec![adapter("qwen3-linear")]));
    assert!(text.contains("gemma3_text"), "{text}");
    assert!(place.names().is_empty());
    let plan =
        MergePlan::new(fixture("qwen3"), place.path("merged"), vec![adapter("qwen3-linear")]);
    let mut left = 2;
    let (found, _) = kind(merge_lora(&plan, &mut |_| {
        left -= 1;
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }));
    assert_eq!((found, place.names().len()), (ErrorKind::Cancelled, 0));
    fs::create_dir(place.path("merged")).unwrap();
    let (found, text) = kind(place.merge(&fixture("qwen3"), vec![adapter("qwen3-linear")]));
    assert!(found == ErrorKind::InvalidRequest && text.contains("is there already"), "{text}");
    assert_eq!(names(&place.path("merged")).len(), 0, "what is there stays as it is");
}
