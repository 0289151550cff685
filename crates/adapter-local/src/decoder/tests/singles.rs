//! Architectures that candle's own models compute, against transformers and against the seam.

use domain::{GenerationOptions, ProviderId, Request};
use ports::{BuildContext, ProviderSpec, TextGenerator};
use serde_json::json;

use super::checkpoints::Reference;
use super::{Decoder, One, Part, SequenceId, Wanted, argmax, open};
use crate::decoder::{LoadOptions, check, load};
use crate::error::{DecodeError, LoadCause};
use crate::test_folder::{Copy, fixture};
use crate::{Catalogue, LocalFactory, LocalGenerator, ModelStore};

const FOLDERS: [&str; 5] = ["gemma3", "gemma3-one", "glm4", "phi3", "phi3-half"];

fn model(folder: &str) -> Box<dyn Decoder> {
    load(&open(&fixture(folder)), &LoadOptions::default()).unwrap()
}

fn close(name: &str, wanted: &[f32], found: &[f32]) {
    assert_eq!(wanted.len(), found.len());
    let worst = wanted.iter().zip(found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-3, "{name}: off by {worst}");
}

#[test]
fn logits_and_continuations_are_those_of_transformers() {
    for folder in FOLDERS {
        for which in ["text", "long"] {
            let case = Reference::read(folder).case("plain", which);
            let name = format!("{folder}, {which}");
            let mut one = One::new(model(folder));
            let mut next = argmax(one.forward(&case.tokens).unwrap());
            if let Some((last, wanted)) = case.positions.last().zip(case.logits.last()) {
                assert_eq!(last + 1, case.tokens.len());
                close(&name, wanted, one.decoder.logits(0).unwrap());
            }
            let mut found = vec![next];
            while found.len() < case.greedy.len() {
                next = argmax(one.forward(&[next]).unwrap());
                found.push(next);
            }
            assert_eq!(found, case.greedy, "{name}");
        }
    }
}

#[test]
fn logits_of_every_token_are_there_where_they_are_wanted() {
    for folder in FOLDERS {
        let case = Reference::read(folder).case("plain", "text");
        let mut decoder = model(folder);
        let sequence = decoder.open().unwrap();
        let (before, after) = case.tokens.split_at(3);
        for (tokens, wanted) in [(before, Wanted::None), (after, Wanted::All)] {
            decoder.forward(&[Part { sequence, tokens, wanted }]).unwrap();
        }
        let rows: Vec<_> = decoder.logits(0).unwrap().chunks(320).collect();
        assert_eq!(rows.len(), after.len());
        for (position, wanted) in case.positions.iter().zip(&case.logits) {
            if let Some(at) = position.checked_sub(before.len()) {
                close(&format!("{folder}, position {position}"), wanted, rows[at]);
            }
        }
    }
}

#[test]
fn tokens_that_the_model_has_seen_before_have_logits_again() {
    let case = Reference::read("phi3").case("plain", "text");
    let mut one = One::new(model("phi3"));
    one.forward(&case.tokens[..35]).unwrap();
    one.truncate(20);
    let part = Part { sequence: one.sequence, tokens: &case.tokens[20..], wanted: Wanted::All };
    one.decoder.forward(&[part]).unwrap();
    let rows: Vec<_> = one.decoder.logits(0).unwrap().chunks(320).collect();
    assert_eq!(rows.len(), 20);
    close("phi3", case.logits.last().unwrap(), rows[19]);
}

#[test]
fn any_way_of_cutting_and_rewinding_gives_the_same() {
    for folder in FOLDERS {
        let case = Reference::read(folder).case("plain", "text");
        let wanted = case.logits.last().unwrap();
        let mut one = One::new(model(folder));
        for size in [1, 3, 17, 40] {
            for chunk in case.tokens.chunks(size) {
                one.forward(chunk).unwrap();
            }
            close(&format!("{folder}, chunks of {size}"), wanted, one.decoder.logits(0).unwrap());
            for keep in [39, 20, 1] {
                one.truncate(keep);
                assert_eq!(one.position(), keep);
                let found = one.forward(&case.tokens[keep..]).unwrap();
                close(&format!("{folder}, {keep} kept"), wanted, found);
            }
            one.truncate(0);
        }
        // Another text in the same place, and back.
        one.forward(&[5, 6, 7]).unwrap();
        one.truncate(0);
        close(folder, wanted, one.forward(&case.tokens).unwrap());
    }
}

#[test]
fn there_is_one_sequence_and_it_is_not_forked() {
    let mut decoder = model("phi3");
    let tokens = [1, 2, 3];
    let part = |sequence| Part { sequence, tokens: &tokens, wanted: Wanted::Last };
    assert_eq!(decoder.most_sequences(), 1);
    let all = decoder.free_positions();
    let only = decoder.open().unwrap();
    assert!(matches!(decoder.open(), Err(DecodeError::TooManySequences { most: 1 })));
    decoder.forward(&[part(only)]).unwrap();
    assert!(decoder.free_positions() < all);
    assert!(matches!(decoder.fork(only, 2), Err(DecodeError::TooManySequences { most: 1 })));
    assert!(matches!(decoder.forward(&[]), Err(DecodeError::NoTokens)));
    assert!(matches!(decoder.forward(&[part(only), part(only)]), Err(DecodeError::WrongSequence)));
    let other = part(SequenceId::new(7));
    assert!(matches!(decoder.forward(&[other]), Err(DecodeError::WrongSequence)));
    let wrong = Part { tokens: &[320], ..part(only) };
    assert!(matches!(decoder.forward(&[wrong]), Err(DecodeError::UnknownToken { .. })));
    assert_eq!(decoder.len(only), 3);
    decoder.close(only);
    assert_eq!((decoder.len(only), decoder.free_positions()), (0, all));
    decoder.open().unwrap();
}

#[test]
fn what_would_be_computed_wrongly_is_refused() {
    for (folder, key, value, words) in [
        ("phi3", "rope_parameters", json!({"rope_type": "longrope"}), "RoPE scaling \"longrope\""),
        ("phi3", "rope_scaling", json!({"type": "longrope"}), "RoPE scaling \"longrope\""),
        ("phi3", "hidden_act", json!("gelu"), "hidden_act"),
        ("glm4", "rope_parameters", json!({"rope_type": "yarn"}), "RoPE scaling \"yarn\""),
        ("gemma3", "query_pre_attn_scalar", json!(99), "query_pre_attn_scalar"),
        ("gemma3", "hidden_activation", json!("relu"), "hidden_activation"),
        ("gemma3", "quantization_config", json!({"quant_method": "gptq"}), "quantized"),
    ] {
        let copy = Copy::of(folder);
        copy.set("config.json", key, value);
        let error = check(&open(copy.path())).unwrap_err();
        assert!(matches!(error.cause(), LoadCause::Unsupported(_)), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let copy = Copy::of("gemma3");
    let layers = json!(["full_attention", "full_attention"]);
    copy.set("config.json", "layer_types", layers);
    assert_eq!(super::super::check(&open(copy.path())).unwrap().vocabulary, 320);
    copy.set("config.json", "layer_types", json!(["full_attention", "sliding_attention"]));
    let error = check(&open(copy.path())).unwrap_err();
    assert!(error.to_string().contains("layer_types"), "{error}");
}

#[test]
fn damaged_weights_are_named() {
    let copy = Copy::of("glm4");
    let (mut header, data) = copy.split("model.safetensors");
    let name = "model.layers.1.mlp.down_proj.weight";
    let taken = header.as_object_mut().unwrap().remove(name).unwrap();
    header["model.layers.1.mlp.other.weight"] = taken;
    copy.join("model.safetensors", &header, &data);
    let error = load(&open(copy.path()), &LoadOptions::default()).unwrap_err();
    assert!(matches!(error.cause(), LoadCause::MissingTensor(tensor) if tensor == name), "{error}");
    assert!(!error.to_string().contains('\n'));
    let copy = Copy::of("glm4");
    let (mut header, data) = copy.split("model.safetensors");
    header[name]["shape"] = json!([16, 64]);
    copy.join("model.safetensors", &header, &data);
    let error = load(&open(copy.path()), &LoadOptions::default()).unwrap_err();
    assert!(matches!(error.cause(), LoadCause::Shape { tensor, .. } if tensor == name), "{error}");
}

#[test]
fn a_window_that_is_not_computed_limits_the_context() {
    let copy = Copy::of("phi3");
    copy.set("config.json", "sliding_window", json!(100));
    let decoder = load(&open(copy.path()), &LoadOptions::default()).unwrap();
    assert_eq!(decoder.context_length(), 100);
}

#[test]
fn what_needs_our_own_names_of_weights_is_refused() {
    let model = open(&fixture("phi3"));
    let error = model.refuse_single("quantization").unwrap_err().to_string();
    let words = "asks for quantization of a model of the architecture phi3, which is not supported";
    assert!(error.ends_with(words), "{error}");
    assert!(open(&fixture("llama")).refuse_single("quantization").is_ok());
}

/// A provider with a model that has the texts of another.
async fn provider(copy: &Copy) -> LocalGenerator {
    with_speculation(copy, "auto".into()).await.unwrap()
}

async fn with_speculation(
    copy: &Copy,
    speculation: serde_json::Value,
) -> Result<LocalGenerator, ports::Error> {
    for text in ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"] {
        std::fs::copy(fixture("llama").join(text), copy.file(text)).unwrap();
    }
    let catalogue = Catalogue::with_entries(&Default::default()).unwrap();
    let factory = LocalFactory::new(catalogue, ModelStore::new(copy.path()));
    let settings = json!({
        "model": copy.path(), "device": "cpu", "max_batch": 8, "speculation": speculation,
    });
    let settings = settings.as_object().cloned().unwrap();
    let spec = ProviderSpec { id: ProviderId::new("local").unwrap(), settings };
    factory.open(spec, &BuildContext::default()).await
}

#[tokio::test]
async fn nothing_is_drafted_where_each_token_is_a_step() {
    let copy = Copy::of("glm4");
    let error = with_speculation(&copy, 4.into()).await.err().unwrap();
    assert_eq!(error.kind(), ports::ErrorKind::ConfigInvalid);
    assert!(error.to_string().contains("speculation is 4, but this architecture"), "{error}");
    with_speculation(&copy, "off".into()).await.unwrap();
    let health = provider(&copy).await.health().await.unwrap();
    assert!(health.detail.contains("no drafts: this architecture computes token by token"));
}

#[tokio::test]
async fn requests_that_come_together_are_answered_one_after_the_other() {
    let copy = Copy::of("glm4");
    let provider = provider(&copy).await;
    assert_eq!(provider.capabilities().concurrency, Some(1));
    let request = |index: usize| {
        let options = GenerationOptions {
            temperature: Some(0.0),
            max_tokens: Some(12),
            ..GenerationOptions::default()
        };
        Request::user(["A port", "A port is", "A promise", "42"][index]).with_options(options)
    };
    let mut alone = Vec::new();
    for index in 0..4 {
        alone.push(provider.generate(request(index)).await.unwrap().text);
    }
    assert!(alone.iter().all(|text| !text.is_empty()));
    assert_ne!(alone[0], alone[2]);
    for _ in 0..2 {
        let together = provider.generate_batch((0..4).map(request).collect()).await;
        let together: Vec<_> = together.into_iter().map(|answer| answer.unwrap().text).collect();
        assert_eq!(together, alone);
    }
}
