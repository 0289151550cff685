//! Folders as GGUF files.

use ports::ErrorKind;
use serde_json::{Value, json};

use super::*;
use crate::checkpoint::{Pairing, TensorSource as _};
use crate::gguf::GgufFile;
use crate::test_folder::{Copy, fixture};

const CONFIG: &str = "config.json";
/// The texts that make a folder of weights a whole model.
const TEXTS: [&str; 4] =
    ["chat_template.jinja", "generation_config.json", "tokenizer.json", "tokenizer_config.json"];

/// A copy of a folder of weights, with texts.
fn with_texts(name: &str) -> Copy {
    let copy = Copy::of(name);
    for file in TEXTS {
        std::fs::copy(fixture("llama").join(file), copy.file(file)).unwrap();
    }
    copy
}

fn open(path: &Path) -> Checkpoint {
    Checkpoint::open(path).unwrap()
}

#[test]
fn a_file_computes_what_its_folder_computes() {
    for (name, tied) in [("llama", false), ("qwen2", true), ("qwen3", true)] {
        let place = Place::new();
        let written = place.quantize(&fixture(name), "f32").unwrap();
        assert_eq!(place.names(), ["out.gguf"], "nothing else is left");
        assert!(written.bytes > written.bytes_before, "{written:?}");
        let (folder, file) = (open(&fixture(name)), open(&written.path));
        assert_eq!(file.tensors().facts("output.weight").is_none(), tied, "{name}");
        let (wanted, mut found) = (folder.parameters(), file.parameters().clone());
        assert_eq!(found.rope.pairing == Pairing::Neighbours, name == "llama");
        found.rope.pairing = Pairing::Halves;
        assert_eq!(&found, wanted, "{name}");
        assert_eq!(file.sampling().unwrap(), folder.sampling().unwrap(), "{name}");
        assert_same(name, &folder, &file, 60);
    }
}

#[test]
fn half_precision_stays_what_it_is() {
    for (name, quantization) in
        [("llama-bf16", "bf16"), ("qwen2-f16", "f16"), ("qwen3-bf16", "bf16")]
    {
        let (place, copy) = (Place::new(), with_texts(name));
        let written = place.quantize(copy.path(), quantization).unwrap();
        assert_same(name, &open(copy.path()), &open(&written.path), 40);
        // Norms are stored in f32: that is all that grows, beside the texts.
        assert!(written.bytes < written.bytes_before + 30_000, "{name}: {written:?}");
    }
}

#[test]
fn a_model_that_is_quantized_in_a_file_is_the_one_that_is_quantized_at_load() {
    for quantization in ["q8_0", "q4_0", "q4_k_m"] {
        let place = Place::new();
        let written = place.quantize(&fixture("qwen3"), quantization).unwrap();
        let folder = open(&fixture("qwen3"));
        let (source, layers) = (folder.tensors().clone(), folder.parameters().layers);
        let scheme = quantization.parse().unwrap();
        let at_load = crate::quantize::Quantized::new(source, scheme, layers).unwrap();
        let file = open(&written.path);
        assert_eq!(file.tensors().names(), at_load.names());
        for name in at_load.names() {
            let (a, b) = (at_load.tensor(name).unwrap(), file.tensors().tensor(name).unwrap());
            assert_eq!((a.kind, &a.shape), (b.kind, &b.shape), "{name}");
            assert_eq!(a.data.as_slice(), b.data.as_slice(), "{name} as {quantization}");
        }
    }
}

#[test]
fn mistral_is_a_llama_there() {
    let (place, copy) = (Place::new(), with_texts("mistral"));
    let written = place.quantize(copy.path(), "f32").unwrap();
    let file = open(&written.path);
    assert_eq!(file.family().name, "llama");
    assert_same("mistral", &open(copy.path()), &file, 60);
}

#[test]
fn positions_are_scaled_the_same() {
    let llama3 = json!({
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 512, "rope_theta": 10000.0,
    });
    let yarn =
        json!({ "rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 512 });
    let tuned = json!({
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 256,
        "attention_factor": 1.5,
    });
    let linear = json!({ "rope_type": "linear", "factor": 4.0 });
    for (name, scaling) in [
        ("llama", &llama3),
        ("llama", &yarn),
        ("llama", &linear),
        ("qwen3", &yarn),
        ("qwen3", &tuned),
    ] {
        let (place, copy) = (Place::new(), Copy::of(name));
        copy.set(CONFIG, "rope_parameters", scaling.clone());
        let written = place.quantize(copy.path(), "f32").unwrap();
        let (folder, file) = (open(copy.path()), open(&written.path));
        assert_eq!(file.parameters().context_length, folder.parameters().context_length);
        assert_same(&format!("{name} with {scaling}"), &folder, &file, 700);
    }
}

#[test]
fn what_its_files_have_no_place_for_is_refused() {
    let llama3 = json!({
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 512,
    });
    let whole = json!({ "rope_type": "yarn", "factor": 8.0, "truncate": false });
    let steep = json!({ "rope_type": "yarn", "factor": 8.0, "beta_slow": 2.0 });
    for (name, scaling, words) in [
        ("qwen3", llama3, "\"llama3\" in a GGUF file of the architecture qwen3"),
        ("llama", whole, "truncate = false"),
        ("qwen3", steep, "another beta_fast or beta_slow"),
        ("qwen3-bias", Value::Null, "a bias of the attention's output"),
    ] {
        let (place, copy) = (Place::new(), with_texts(name));
        if !scaling.is_null() {
            copy.set(CONFIG, "rope_parameters", scaling);
        }
        let error = place.quantize(copy.path(), "f32").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ModelLoad);
        assert!(error.to_string().contains(words), "{error}");
        assert!(place.names().is_empty(), "nothing is left");
    }
    let place = Place::new();
    let error = place.quantize(&fixture("gemma3"), "f32").unwrap_err().to_string();
    assert!(error.contains("a GGUF file of a model of the architecture gemma3_text"), "{error}");
    let error = place.quantize(&fixture("llama-bf16"), "f32").unwrap_err().to_string();
    assert!(error.contains("tokenizer.json"), "{error}");
}

#[test]
fn adapters_are_merged_before_numbers_are_rounded() {
    let base = open(&fixture("qwen3"));
    let lora =
        vec![adapter("qwen3-linear"), LoraSetting { scale: 0.5, ..adapter("qwen3-embedding") }];
    let at_load = crate::arrange::with_adapters(base.clone(), &lora).unwrap();
    let place = Place::new();
    let written = place.quantize_with(&fixture("qwen3"), "f32", lora).unwrap();
    let file = open(&written.path);
    // The adapter tells embedding and output apart.
    assert!(file.tensors().facts("output.weight").is_some());
    assert_same("merged", &at_load, &file, 60);
    let llama = Place::new();
    let lora = vec![adapter("llama-head")];
    let at_load = crate::arrange::with_adapters(open(&fixture("llama")), &lora).unwrap();
    let written = llama.quantize_with(&fixture("llama"), "f32", lora.clone()).unwrap();
    assert_same("merged llama", &at_load, &open(&written.path), 60);
    // Into the rows as GGUF files have them, too.
    let (plain, again) = (Place::new(), Place::new());
    let file = plain.quantize(&fixture("llama"), "f32").unwrap().path;
    let written = again.quantize_with(&file, "f32", lora).unwrap();
    assert_same("merged file", &at_load, &open(&written.path), 60);
}

#[test]
fn the_model_is_named_after_its_folder_or_its_repository() {
    let place = Place::new();
    let named = |from: &Path, to: &str| {
        let plan = QuantizePlan {
            from: from.to_owned(),
            to: place.path(to),
            quantization: "q8_0".into(),
            lora: Vec::new(),
        };
        quantize_file(&plan, &mut |_| ControlFlow::Continue(())).unwrap();
        let file = GgufFile::open(&plan.to).unwrap();
        file.metadata().str("general.name").unwrap().to_owned()
    };
    assert_eq!(named(&fixture("qwen3"), "a.gguf"), "qwen3");
    let snapshot = place.path("models--acme--Tiny-3B/snapshots/0123");
    std::fs::create_dir_all(&snapshot).unwrap();
    for name in names(&fixture("llama")) {
        std::fs::copy(fixture("llama").join(&name), snapshot.join(&name)).unwrap();
    }
    assert_eq!(named(&snapshot, "b.gguf"), "Tiny-3B");
}
