//! Model folders from the outside: answers, settings, and what is refused of a damaged one.

#![expect(clippy::unwrap_used, reason = "a test cannot go on without its folder")]

mod open;

use std::path::Path;

use domain::{GenerationOptions, Request};
use ports::{Error, ErrorKind, TextGenerator};
use serde_json::json;
use tempfile::TempDir;

fn copy(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(open::tiny(&format!("hf/{name}"))).unwrap() {
        let from = entry.unwrap().path();
        std::fs::copy(&from, folder.path().join(from.file_name().unwrap())).unwrap();
    }
    folder
}

fn greedy(text: &str) -> Request {
    let options =
        GenerationOptions { temperature: Some(0.0), max_tokens: Some(12), ..Default::default() };
    Request::user(text).with_options(options)
}

async fn answer(model: &Path, dtype: Option<&str>) -> Result<String, Error> {
    let mut settings = json!({ "model": model, "threads": 1 });
    if let Some(dtype) = dtype {
        settings["dtype"] = dtype.into();
    }
    let generator = open::open_with(settings).await?;
    Ok(generator.generate(greedy("A port is a promise")).await?.text)
}

#[tokio::test]
async fn a_folder_answers_and_in_every_dtype_the_same() {
    for name in ["llama", "qwen2", "qwen3"] {
        let model = open::tiny(&format!("hf/{name}"));
        let plain = answer(&model, None).await.unwrap();
        assert!(!plain.is_empty(), "{name}");
        for dtype in ["f32", "f16", "bf16"] {
            assert_eq!(answer(&model, Some(dtype)).await.unwrap(), plain, "{name} as {dtype}");
        }
    }
}

/// What opening or asking a damaged copy says.
async fn refusal(name: &str, damage: impl FnOnce(&Path)) -> Error {
    let folder = copy(name);
    damage(folder.path());
    answer(folder.path(), None).await.unwrap_err()
}

#[tokio::test]
async fn damaged_folders_are_refused_with_the_file_and_a_next_step() {
    const ONE: &str = "model.safetensors";
    const SHARD: &str = "model-00002-of-00003.safetensors";
    let write = |folder: &Path, name: &str, bytes: &[u8]| {
        std::fs::write(folder.join(name), bytes).unwrap();
    };
    let cut = |folder: &Path| {
        let bytes = std::fs::read(folder.join(SHARD)).unwrap();
        write(folder, SHARD, &bytes[..bytes.len() / 2]);
    };
    let lying = |folder: &Path| {
        let mut bytes = std::fs::read(folder.join(ONE)).unwrap();
        bytes[..8].copy_from_slice(&(1_u64 << 60).to_le_bytes());
        write(folder, ONE, &bytes);
    };
    let config = |key: &'static str, value: serde_json::Value| {
        move |folder: &Path| {
            let path = folder.join("config.json");
            let mut config: serde_json::Value =
                serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            config[key] = value;
            std::fs::write(path, config.to_string()).unwrap();
        }
    };
    for (error, words) in [
        (
            refusal("qwen3", |f| std::fs::remove_file(f.join(SHARD)).unwrap()).await,
            [SHARD, "is not there"],
        ),
        (refusal("qwen3", cut).await, [SHARD, "is cut short: tensor"]),
        (refusal("llama", lying).await, [ONE, "1152921504606846976"]),
        (
            refusal("llama", config("hidden_size", json!(64))).await,
            [
                "tensor \"model.embed_tokens.weight\"",
                "has the shape [320, 32] where the model needs [320, 64]",
            ],
        ),
        (
            refusal("llama", config("num_hidden_layers", json!(1))).await,
            ["model.layers.1.", "which a model of the architecture llama does not use"],
        ),
        (
            refusal("llama", config("num_hidden_layers", json!(3))).await,
            ["has no tensor", "model.layers.2."],
        ),
        (
            refusal("llama", |f| std::fs::remove_file(f.join("config.json")).unwrap()).await,
            ["config.json", ""],
        ),
        (
            refusal("llama", |f| std::fs::remove_file(f.join("tokenizer.json")).unwrap()).await,
            ["tokenizer.json", ""],
        ),
    ] {
        assert_eq!(error.kind(), ErrorKind::ModelLoad, "{error}");
        assert!(words.iter().all(|word| error.to_string().contains(word)), "{error}");
        assert!(error.hint().is_some_and(|hint| !hint.is_empty()), "{error}");
    }
}

#[tokio::test]
async fn weights_that_are_not_numbers_end_in_an_error() {
    let file = |folder: &Path| folder.join("model.safetensors");
    let header = |bytes: &[u8]| -> (usize, serde_json::Value) {
        let (length, rest) = bytes.split_first_chunk::<8>().unwrap();
        let length = u64::from_le_bytes(*length) as usize;
        (8 + length, serde_json::from_slice(&rest[..length]).unwrap())
    };
    for (tensor, words) in [
        (
            "model.norm.weight",
            "tensor \"model.norm.weight\": has a value that is not a finite number",
        ),
        ("model.layers.0.mlp.up_proj.weight", "not a number"),
    ] {
        let damage = |folder: &Path| {
            let mut bytes = std::fs::read(file(folder)).unwrap();
            let (data, header) = header(&bytes);
            let offsets = &header[tensor]["data_offsets"];
            let [from, to] = [0, 1].map(|i| data + offsets[i].as_u64().unwrap() as usize);
            bytes[from..to].fill(0xff);
            std::fs::write(file(folder), bytes).unwrap();
        };
        let error = refusal("llama", damage).await;
        assert_eq!(error.kind(), ErrorKind::ModelLoad, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

/// A copy whose tokenizer was changed after the model was made.
fn with_tokenizer(name: &str, change: impl FnOnce(&mut serde_json::Value)) -> TempDir {
    let folder = copy(name);
    let path = folder.path().join("tokenizer.json");
    let mut tokenizer = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut tokenizer);
    std::fs::write(path, tokenizer.to_string()).unwrap();
    folder
}

#[tokio::test]
async fn a_padding_token_that_the_model_does_not_know_is_refused_only_in_a_prompt() {
    let plain = answer(&open::tiny("hf/llama"), None).await.unwrap();
    let folder = with_tokenizer("llama", |tokenizer| {
        let added = json!({
            "id": 320, "content": "<pad>", "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true,
        });
        tokenizer["added_tokens"].as_array_mut().unwrap().push(added);
    });
    assert_eq!(answer(folder.path(), None).await.unwrap(), plain);
    let settings = json!({ "model": folder.path(), "threads": 1 });
    let generator = open::open_with(settings).await.unwrap();
    // Whatever the penalties count and the probabilities are shown of.
    let options = GenerationOptions {
        max_tokens: Some(12),
        repeat_penalty: Some(1.2),
        logprobs: Some(20),
        ..Default::default()
    };
    let request = Request::user("a text that says <pad> is text").with_options(options);
    assert_eq!(generator.generate(request).await.unwrap().usage.output_tokens, Some(12));
    let error = generator.generate(Request::raw("a<pad>")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    let words = "the token \"<pad>\", which the tokenizer has and the model does not: it knows 320";
    assert!(error.to_string().contains(words) && error.hint().is_some(), "{error}");
}

#[tokio::test]
async fn the_tokenizer_of_another_model_is_refused() {
    let folder = with_tokenizer("llama", |tokenizer| {
        tokenizer["model"]["vocab"]["zz"] = 320.into();
    });
    let error = answer(folder.path(), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ModelLoad);
    assert!(error.to_string().ends_with("321 tokens, but 320 logits"), "{error}");
}
