//! What checkpoints say of themselves, and what is refused.

use serde_json::{Value, json};

use super::rope::{Llama3, RopeScaling, Yarn};
use super::{Checkpoint, Dtype, Pairing};
use crate::error::LoadCause;
use crate::gguf::GgmlType;
use crate::test_folder::{Copy, fixture};

const CONFIG: &str = "config.json";

fn open(copy: &Copy) -> Checkpoint {
    Checkpoint::open(copy.path()).unwrap()
}

fn error(copy: &Copy) -> String {
    Checkpoint::open(copy.path()).unwrap_err().to_string()
}

fn scaling(copy: &Copy) -> RopeScaling {
    open(copy).parameters().rope.scaling
}

#[test]
fn a_folder_says_how_the_model_is_built() {
    let model = Checkpoint::open(&fixture("qwen3")).unwrap();
    let p = model.parameters();
    assert_eq!((model.family().name, p.layers, p.width, p.feed_forward), ("qwen3", 2, 32, 32));
    assert_eq!((p.heads, p.kv_heads, p.head_size, p.context_length), (4, 2, 16, 4096));
    assert_eq!((p.rope.pairing, p.rope.base, p.rope.size), (Pairing::Halves, 10_000.0, 16));
    assert_eq!((p.rope.scaling, p.norm_epsilon), (RopeScaling::None, 1e-5));
}

#[test]
fn what_a_config_leaves_out_is_what_transformers_takes() {
    let copy = Copy::of("llama-bf16");
    for key in ["num_key_value_heads", "head_dim", "rms_norm_eps", "rope_parameters"] {
        copy.set(CONFIG, key, Value::Null);
    }
    let p = open(&copy).parameters().clone();
    assert_eq!((p.kv_heads, p.head_size, p.norm_epsilon, p.rope.base), (2, 16, 1e-6, 10_000.0));
    let copy = Copy::of("qwen3-bf16");
    copy.set(CONFIG, "head_dim", Value::Null);
    assert_eq!(open(&copy).parameters().head_size, 128);
}

#[test]
fn yarn_reaches_as_far_as_it_says() {
    let yarn =
        json!({ "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 2048 });
    let copy = Copy::of("qwen3-bf16");
    copy.set(CONFIG, "rope_scaling", yarn);
    let wanted = Yarn {
        factor: 4.0,
        original_context: 2048,
        beta_fast: 32.0,
        beta_slow: 1.0,
        truncate: true,
        amplitude: (0.1 * 4_f64.ln() + 1.0) as f32,
    };
    assert_eq!(scaling(&copy), RopeScaling::Yarn(wanted));
    assert_eq!(open(&copy).parameters().context_length, 8192);
    copy.set(CONFIG, "max_position_embeddings", json!(16384));
    assert_eq!(open(&copy).parameters().context_length, 16384);
    // Without a factor: from what the model reaches to what it was trained on.
    copy.set(
        CONFIG,
        "rope_scaling",
        json!({ "type": "yarn", "original_max_position_embeddings": 2048 }),
    );
    assert!(matches!(scaling(&copy), RopeScaling::Yarn(yarn) if yarn.factor == 8.0));
    copy.set(
        CONFIG,
        "rope_scaling",
        json!({ "type": "yarn", "factor": 2.0, "attention_factor": 1.5 }),
    );
    assert!(matches!(
        scaling(&copy),
        RopeScaling::Yarn(yarn) if yarn.amplitude == 1.5 && yarn.original_context == 16384
    ));
    assert_eq!(open(&copy).parameters().context_length, 32768);
}

#[test]
fn the_scaling_of_llama_3_is_read() {
    let copy = Copy::of("llama-bf16");
    let llama3 = json!({
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 512, "rope_theta": 500000.0,
    });
    copy.set(CONFIG, "rope_parameters", llama3);
    let wanted =
        Llama3 { factor: 8.0, low_frequency: 1.0, high_frequency: 4.0, original_context: 512 };
    assert_eq!(scaling(&copy), RopeScaling::Llama3(wanted));
    assert_eq!(open(&copy).parameters().rope.base, 500_000.0);
}

#[test]
fn what_would_be_computed_wrongly_is_refused_by_name() {
    for (key, value, wanted) in [
        ("model_type", json!("mixtral"), "architecture \"mixtral\" is not supported; known: llama"),
        ("hidden_act", json!("gelu"), "asks for the activation \"gelu\""),
        ("mlp_bias", json!(true), "mlp_bias"),
        ("quantization_config", json!({ "quant_method": "gptq" }), "quantization method \"gptq\""),
        (
            "rope_scaling",
            json!({ "rope_type": "dynamic", "factor": 2.0 }),
            "RoPE scaling \"dynamic\"",
        ),
        ("rope_scaling", json!({ "type": "longrope" }), "RoPE scaling \"longrope\""),
        ("rope_parameters", json!({ "full_attention": {} }), "differs between kinds of layers"),
        ("partial_rotary_factor", json!(0.5), "partial_rotary_factor"),
        ("rope_parameters", json!({ "partial_rotary_factor": 0.5 }), "partial_rotary_factor"),
        ("layer_types", json!(["linear_attention"]), "layers of the kind \"linear_attention\""),
        ("rope_scaling", json!({ "type": "linear" }), "does not say \"rope_scaling.factor\""),
        (
            "rope_scaling",
            json!({ "type": "linear", "factor": "x" }),
            "\"rope_scaling.factor\" is not a positive",
        ),
        ("rope_scaling", json!("yarn"), "\"rope_scaling\" is no table"),
        ("num_key_value_heads", json!(3), "\"num_key_value_heads\" is 3, which does not divide"),
        ("head_dim", json!(15), "gives 4 heads of 15"),
        ("head_dim", json!(4096), "\"head_dim\" is 4096, not within 1..=512"),
        ("hidden_size", json!(0), "\"hidden_size\" is 0, not within"),
        ("hidden_size", json!("32"), "\"hidden_size\" is not one whole number"),
        (
            "num_hidden_layers",
            json!(1_u64 << 40),
            "\"num_hidden_layers\" is 1099511627776, not within",
        ),
        ("num_hidden_layers", Value::Null, "does not say \"num_hidden_layers\""),
        ("model_type", Value::Null, "does not say \"model_type\""),
        ("rms_norm_eps", json!(-1.0), "\"rms_norm_eps\" is not a positive number"),
        ("tie_word_embeddings", json!("yes"), "\"tie_word_embeddings\" is neither true nor false"),
    ] {
        let copy = Copy::of("qwen3-bf16");
        copy.set(CONFIG, key, value.clone());
        let error = error(&copy);
        assert!(error.contains(wanted) && error.contains(CONFIG), "{key} {value}: {error}");
    }
}

#[test]
fn a_window_is_refused_only_where_it_matters() {
    let copy = Copy::of("qwen3-bf16");
    copy.set(CONFIG, "sliding_window", json!(1024));
    open(&copy);
    copy.set(CONFIG, "use_sliding_window", json!(true));
    // All layers are full ones, and the first 28 anyway.
    open(&copy);
    copy.set(CONFIG, "layer_types", Value::Null);
    open(&copy);
    copy.set(CONFIG, "max_window_layers", json!(1));
    assert!(error(&copy).contains("sliding-window attention"));
    copy.set(CONFIG, "sliding_window", json!(4096));
    open(&copy);
    copy.set(CONFIG, "sliding_window", json!(4095));
    copy.set(CONFIG, "layer_types", json!(["full_attention", "sliding_attention"]));
    assert!(error(&copy).contains("sliding-window attention"));
}

#[test]
fn folders_that_hold_no_model_say_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let error = Checkpoint::open(folder.path()).unwrap_err();
    assert!(matches!(error.cause(), LoadCause::NoConfig));
    let copy = Copy::of("qwen3-bf16");
    std::fs::remove_file(copy.file("model.safetensors")).unwrap();
    let error = Checkpoint::open(copy.path()).unwrap_err();
    assert!(matches!(error.cause(), LoadCause::NoWeights));
    for bytes in [b"".as_slice(), b"{", b"[]", b"\xff"] {
        copy.write(CONFIG, bytes);
        let error = Checkpoint::open(copy.path()).unwrap_err();
        assert!(matches!(error.cause(), LoadCause::Json { .. }), "{error}");
    }
    let error = Checkpoint::open(&fixture("qwen3-f16/model.safetensors")).unwrap_err();
    assert!(matches!(error.cause(), LoadCause::WeightsOnly));
}

/// Renames a tensor of a copy.
fn rename(copy: &Copy, from: &str, to: &str) {
    let (mut header, data) = copy.split("model.safetensors");
    let entry = header.as_object_mut().unwrap().remove(from).unwrap();
    header[to] = entry;
    copy.join("model.safetensors", &header, &data);
}

#[test]
fn tensors_that_do_not_belong_to_the_model_are_refused() {
    for (from, to, wanted) in [
        (
            "model.layers.0.mlp.up_proj.weight",
            "model.layers.0.mlp.top_proj.weight",
            "top_proj.weight",
        ),
        (
            "model.layers.1.input_layernorm.weight",
            "model.layers.1.self_attn.q_proj.bias",
            "q_proj.bias",
        ),
        (
            "model.norm.weight",
            "score.weight",
            "\"score.weight\", which a model of the architecture qwen3",
        ),
    ] {
        let copy = Copy::of("qwen3-bf16");
        rename(&copy, from, to);
        let error = error(&copy);
        assert!(error.contains("has the tensor") && error.contains(wanted), "{error}");
    }
    let copy = Copy::of("qwen3-bf16");
    let idle = "model.layers.0.self_attn.rotary_emb.inv_freq";
    let (mut header, mut data) = copy.split("model.safetensors");
    header[idle] =
        json!({ "dtype": "I64", "shape": [1], "data_offsets": [data.len(), data.len() + 8] });
    data.extend([0; 8]);
    copy.join("model.safetensors", &header, &data);
    assert!(!open(&copy).tensors().names().iter().any(|name| name.contains("inv_freq")));
    header[idle]["dtype"] = json!("F8_E4M3");
    let entry = header.as_object_mut().unwrap().remove(idle).unwrap();
    header["model.layers.0.extra.weight"] = entry;
    copy.join("model.safetensors", &header, &data);
    assert!(error(&copy).contains("is stored as F8_E4M3, which is not supported"));
}

#[test]
fn promised_tensors_must_be_there() {
    let copy = Copy::of("qwen3-bf16");
    copy.set(CONFIG, "tie_word_embeddings", json!(false));
    assert!(error(&copy).ends_with("has no tensor \"lm_head.weight\""));
    let copy = Copy::of("qwen3-bf16");
    copy.set(CONFIG, "attention_bias", json!(true));
    assert!(error(&copy).ends_with("has no tensor \"model.layers.0.self_attn.q_proj.bias\""));
}

#[test]
fn another_dtype_changes_matrices_and_leaves_the_rest() {
    let model = Checkpoint::open(&fixture("qwen3-bf16")).unwrap();
    let stored = model.tensors().tensor("blk.0.ffn_up.weight").unwrap();
    let same = model.clone().with_dtype(Dtype::Bf16);
    let kept = same.tensors().tensor("blk.0.ffn_up.weight").unwrap();
    // The very bytes of the map, not a copy of them.
    assert_eq!(kept.data.as_slice().as_ptr(), stored.data.as_slice().as_ptr());
    let wide = model.with_dtype(Dtype::F32);
    let facts = wide.tensors().facts("blk.0.ffn_up.weight").unwrap();
    let made = wide.tensors().tensor("blk.0.ffn_up.weight").unwrap();
    assert_eq!((facts.kind, made.kind, &made.shape), (GgmlType::F32, GgmlType::F32, &facts.shape));
    let wanted: Vec<u8> = stored
        .data
        .as_slice()
        .as_chunks::<2>()
        .0
        .iter()
        .flat_map(|[a, b]| [0, 0, *a, *b])
        .collect();
    assert_eq!(made.data.as_slice(), wanted);
    assert_eq!(wide.tensors().facts("output_norm.weight").unwrap().kind, GgmlType::Bf16);
    // A tied model asks twice and gets the same.
    let twice = || wide.tensors().tensor("token_embd.weight").unwrap().data.as_slice().as_ptr();
    assert_eq!(twice(), twice());
}

#[test]
fn numbers_that_another_dtype_has_no_room_for_are_refused() {
    for (number, dtype) in [(1e6_f32, Dtype::F16), (f32::NAN, Dtype::Bf16), (f32::MAX, Dtype::Bf16)]
    {
        let copy = Copy::of("llama");
        let (header, mut data) = copy.split("model.safetensors");
        let name = "model.layers.1.mlp.gate_proj.weight";
        let at = header[name]["data_offsets"][0].as_u64().unwrap() as usize + 40;
        data[at..at + 4].copy_from_slice(&number.to_le_bytes());
        copy.join("model.safetensors", &header, &data);
        let model = open(&copy).with_dtype(dtype);
        let error = model.tensors().tensor("blk.1.ffn_gate.weight").unwrap_err().to_string();
        assert!(
            error.contains(name) && error.contains(&format!("no finite {dtype} number")),
            "{error}"
        );
    }
}
