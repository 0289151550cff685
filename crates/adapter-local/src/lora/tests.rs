//! Merged adapters against PEFT's own, at work and not merged, and adapters that are refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::AdapterConfig;
use super::{Adapter, Merged};
use crate::checkpoint::Checkpoint;
use crate::decoder::{KvPrecision, LoadOptions, Part, Wanted, load};
use crate::error::{LoadCause, LoadError};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn merged(base: &str, adapters: &[(&str, f32)]) -> Result<Checkpoint, LoadError> {
    let checkpoint = Checkpoint::open(&fixtures().join(base))?;
    let adapters = adapters
        .iter()
        .map(|(name, scale)| Adapter::open(&fixtures().join("lora").join(name), *scale))
        .collect::<Result<Vec<_>, _>>()?;
    let tensors = Arc::clone(checkpoint.tensors());
    let merged = Merged::new(tensors, checkpoint.family(), checkpoint.parameters(), adapters)?;
    Ok(checkpoint.with_tensors(Arc::new(merged)))
}

/// Logits after every one of `tokens`, and the ids that follow.
fn run(checkpoint: &Checkpoint, tokens: &[u32], greedy: usize) -> (Vec<Vec<f32>>, Vec<u32>) {
    let options = LoadOptions { kv_cache: KvPrecision::F32, ..LoadOptions::default() };
    let mut decoder = load(checkpoint, &options).unwrap();
    let sequence = decoder.open().unwrap();
    decoder.forward(&[Part { sequence, tokens, wanted: Wanted::All }]).unwrap();
    let rows: Vec<Vec<f32>> =
        decoder.logits(0).unwrap().chunks(decoder.vocab_size()).map(<[f32]>::to_vec).collect();
    let mut found = Vec::new();
    let mut logits = rows.last().unwrap().clone();
    while found.len() < greedy {
        let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
        found.push(best.0 as u32);
        let tokens = &found[found.len() - 1..];
        decoder.forward(&[Part { sequence, tokens, wanted: Wanted::Last }]).unwrap();
        logits = decoder.logits(0).unwrap().to_vec();
    }
    (rows, found)
}

struct Case {
    base: String,
    adapters: Vec<String>,
    tokens: Vec<u32>,
    greedy: Vec<u32>,
    /// After the first, the middle and the last token.
    rows: Vec<Vec<f32>>,
}

fn cases() -> Vec<(String, Case)> {
    let folder = fixtures().join("lora");
    let about = std::fs::read(folder.join("reference.json")).unwrap();
    let about: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&about).unwrap();
    let bytes = std::fs::read(folder.join("reference.logits")).unwrap();
    let all: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let rows: Vec<Vec<f32>> = all.chunks(320).map(<[f32]>::to_vec).collect();
    let case = |value: &serde_json::Value| Case {
        base: value["base"].as_str().unwrap().to_owned(),
        adapters: serde_json::from_value(value["adapters"].clone()).unwrap(),
        tokens: serde_json::from_value(value["tokens"].clone()).unwrap(),
        greedy: serde_json::from_value(value["greedy"].clone()).unwrap(),
        rows: rows[value["row"].as_u64().unwrap() as usize..][..3].to_vec(),
    };
    about.iter().map(|(name, value)| (name.clone(), case(value))).collect()
}

#[test]
fn merged_adapters_compute_what_peft_computes() {
    let cases = cases();
    assert_eq!(cases.len(), 5);
    for (name, case) in cases {
        let adapters: Vec<_> = case.adapters.iter().map(|name| (name.as_str(), 1.0)).collect();
        let checkpoint = merged(&format!("hf/{}", case.base), &adapters).unwrap();
        let (rows, greedy) = run(&checkpoint, &case.tokens, case.greedy.len());
        let places = [0, case.tokens.len() / 2, case.tokens.len() - 1];
        for (place, wanted) in places.into_iter().zip(&case.rows) {
            let worst = wanted.iter().zip(&rows[place]).map(|(a, b)| (a - b).abs());
            let worst = worst.fold(0.0, f32::max);
            assert!(worst < 1e-3, "{name}, position {place}: off by {worst}");
        }
        assert_eq!(greedy, case.greedy, "{name}");
    }
}

#[test]
fn a_scale_counts_and_zero_leaves_the_base() {
    let base = Checkpoint::open(&fixtures().join("hf/qwen3")).unwrap();
    let tokens: Vec<u32> = (1..20).collect();
    let (plain, _) = run(&base, &tokens, 0);
    let last = |scales: &[f32]| {
        let adapters: Vec<_> = scales.iter().map(|scale| ("qwen3-linear", *scale)).collect();
        run(&merged("hf/qwen3", &adapters).unwrap(), &tokens, 0).0.pop().unwrap()
    };
    assert_eq!(&last(&[0.0]), plain.last().unwrap());
    let (once, halves) = (last(&[1.0]), last(&[0.5, 0.5]));
    let worst = once.iter().zip(&halves).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-4, "two halves are off by {worst}");
    assert!(once.iter().zip(plain.last().unwrap()).any(|(a, b)| (a - b).abs() > 0.1));
}

#[test]
fn an_adapter_of_another_base_is_refused_by_the_tensor() {
    let error = merged("hf/llama", &[("qwen3-linear", 1.0)]).unwrap_err();
    assert!(matches!(error.cause(), LoadCause::OtherBase { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("model.layers.0.self_attn.k_proj.weight"), "{text}");
    assert!(text.contains("was not made for this model"), "{text}");
}

#[test]
fn what_is_not_there_or_broken_is_named() {
    let error = Adapter::open(&fixtures().join("hf/qwen3"), 1.0).unwrap_err();
    assert!(matches!(error.cause(), LoadCause::NoAdapter));
    let folder = tempfile::tempdir().unwrap();
    let from = fixtures().join("lora/qwen3-linear");
    std::fs::copy(from.join("adapter_config.json"), folder.path().join("adapter_config.json"))
        .unwrap();
    let error = Adapter::open(folder.path(), 1.0).unwrap_err();
    assert!(matches!(error.cause(), LoadCause::NoAdapterWeights), "{error}");
    let weights = std::fs::read(from.join("adapter_model.safetensors")).unwrap();
    let path = folder.path().join("adapter_model.safetensors");
    std::fs::write(&path, &weights[..weights.len() - 100]).unwrap();
    assert!(Adapter::open(folder.path(), 1.0).unwrap_err().to_string().contains("is cut short"));
    std::fs::write(folder.path().join("adapter_config.json"), r#"{"r": 8, "lora_alpha": 8}"#)
        .unwrap();
    std::fs::write(&path, &weights).unwrap();
    let error = Adapter::open(folder.path(), 1.0).unwrap_err().to_string();
    assert!(error.contains("not the rank 8"), "{error}");
}

#[test]
fn other_kinds_of_adapters_are_refused_by_name() {
    for (key, value) in [
        ("use_dora", "true"),
        ("bias", "\"all\""),
        ("modules_to_save", "[\"lm_head\"]"),
        ("fan_in_fan_out", "true"),
        ("layer_replication", "[[0, 4]]"),
        ("init_lora_weights", "\"pissa\""),
        ("a_kind_of_next_year", "true"),
    ] {
        let text = format!(r#"{{"r": 4, "lora_alpha": 8, "{key}": {value}}}"#);
        let LoadCause::Adapter(what) = AdapterConfig::parse(text.as_bytes()).unwrap_err() else {
            panic!("{key} is refused for another reason");
        };
        assert!(what.starts_with(key), "{what}");
    }
    let error = AdapterConfig::parse(br#"{"peft_type": "IA3", "r": 4}"#).unwrap_err();
    assert!(error.to_string().contains("IA3"), "{error}");
}

#[test]
fn ranks_and_scales_follow_the_patterns() {
    let text = br#"{"r": 4, "lora_alpha": 8, "rank_pattern": {"v_proj": 16},
        "alpha_pattern": {"layers.1.self_attn.q_proj": 2}, "bias": "none"}"#;
    let config = AdapterConfig::parse(text).unwrap();
    assert_eq!(config.rank("model.layers.0.self_attn.v_proj"), 16);
    assert_eq!(config.scale("model.layers.0.self_attn.v_proj"), 0.5);
    assert_eq!(config.scale("model.layers.0.self_attn.q_proj"), 2.0);
    assert_eq!(config.scale("model.layers.1.self_attn.q_proj"), 0.5);
    assert_eq!(config.scale("model.layers.11.self_attn.q_proj"), 2.0);
    let text = br#"{"r": 4, "lora_alpha": 8, "use_rslora": true}"#;
    assert_eq!(AdapterConfig::parse(text).unwrap().scale("x"), 4.0);
    for rank in ["0", "100000000", "-1"] {
        let text = format!(r#"{{"r": {rank}, "lora_alpha": 8}}"#);
        assert!(AdapterConfig::parse(text.as_bytes()).is_err(), "{rank}");
    }
}
