//! What ends an answer, and how a model wants to be sampled.

use proptest::prelude::*;

use super::*;
use crate::sampler::SamplerSettings;

fn ends(folder: &Folder) -> Vec<u32> {
    let prompter = folder.prompter().unwrap();
    let words = prompter.tokenizer().vocabulary();
    (0..words.len() as u32).filter(|id| words.ends(*id)).collect()
}

#[test]
fn every_end_that_the_files_name_ends_an_answer() {
    let with = |file: &str, json: &str| ends(&Folder::thinking().with(file, json));
    // By its role in the tokenizer, and by its spelling.
    assert_eq!(ends(&Folder::thinking()), [257]);
    let file = "generation_config.json";
    assert_eq!(with(file, r#"{"eos_token_id": 256}"#), [256, 257]);
    assert_eq!(with(file, r#"{"eos_token_id": [65, 256]}"#), [65, 256, 257]);
    assert_eq!(with(file, r#"{"eos_token_id": null}"#), [257]);
    // No token has these.
    assert_eq!(with(file, r#"{"eos_token_id": [-1, 260, 99999999999]}"#), [257]);
    let file = "config.json";
    assert_eq!(with(file, r#"{"eos_token_id": 66}"#), [66, 257]);
    assert_eq!(with(file, r#"{"text_config": {"eos_token_id": [66, 67]}}"#), [66, 67, 257]);
    let both = Folder::thinking().with("config.json", r#"{"eos_token_id": 66}"#);
    assert_eq!(ends(&both.with("generation_config.json", r#"{"eos_token_id": 67}"#)), [67, 257]);
}

#[test]
fn every_end_that_a_gguf_file_names_ends_an_answer() {
    let model = TestModel::bytes()
        .number("tokenizer.ggml.eos_token_id", 65)
        .number("tokenizer.ggml.eot_token_id", 66)
        .number("tokenizer.ggml.eom_token_id", 67);
    let tokenizer = model.tokenizer();
    let ends: Vec<u32> = (0..256).filter(|id| tokenizer.vocabulary().ends(*id)).collect();
    assert_eq!(ends, [65, 66, 67]);
}

#[test]
fn a_beginning_comes_from_the_roles_else_from_the_generation() {
    let bos = |folder: Folder| folder.prompter().unwrap().tokenizer().vocabulary().bos();
    let file = "generation_config.json";
    assert_eq!(bos(Folder::thinking()), None);
    assert_eq!(bos(Folder::thinking().with(file, r#"{"bos_token_id": 256}"#)), Some(256));
    let map = r#"{"bos_token": {"content": "<|im_end|>"}}"#;
    let folder = Folder::thinking().with("special_tokens_map.json", map);
    assert_eq!(bos(folder.with(file, r#"{"bos_token_id": 256}"#)), Some(257));
}

fn settings(json: &str) -> SamplerSettings {
    let folder = Folder::thinking().with("generation_config.json", json);
    SamplerSettings::of_generation_config(folder.text().unwrap().generation())
}

#[test]
fn recommendations_become_defaults() {
    let qwen3 = r#"{"bos_token_id": 151643, "do_sample": true, "eos_token_id": [151645, 151643],
        "pad_token_id": 151643, "temperature": 0.6, "top_k": 20, "top_p": 0.95, "transformers_version": "4.51.0"}"#;
    let expected = SamplerSettings {
        temperature: 0.6,
        top_k: 20,
        top_p: 0.95,
        min_p: 0.0,
        ..SamplerSettings::default()
    };
    assert_eq!(settings(qwen3), expected);
    assert_eq!(settings("{}"), SamplerSettings::default());
    assert_eq!(settings(r#"{"do_sample": false, "temperature": 0.6}"#).temperature, 0.0);
    assert_eq!(settings(r#"{"repetition_penalty": 1.1}"#).repeat_penalty, 1.1);
    let odd = settings(r#"{"top_k": -1, "top_p": 7.0, "min_p": -1, "temperature": -2}"#);
    let unfiltered =
        SamplerSettings { top_k: 0, top_p: 1.0, min_p: 0.0, ..SamplerSettings::default() };
    assert_eq!(odd, unfiltered);
}

#[test]
fn a_request_overrides_what_the_model_recommends() {
    let greedy = settings(r#"{"do_sample": false}"#);
    let options = domain::GenerationOptions { temperature: Some(0.9), ..Default::default() };
    assert_eq!(greedy.with_options(&options).temperature, 0.9);
}

proptest! {
    /// Whatever numbers a file has, what comes out can be sampled with.
    #[test]
    fn settings_are_always_in_range(
        temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: i64, sample: Option<bool>,
    ) {
        let numbers = [temperature, top_p, min_p, penalty].map(|n| if n.is_finite() { n } else { 0.5 });
        let [temperature, top_p, min_p, repetition_penalty] = numbers;
        let json = serde_json::json!({
            "temperature": temperature, "top_p": top_p, "min_p": min_p, "top_k": top_k,
            "repetition_penalty": repetition_penalty, "do_sample": sample,
        });
        let settings = SamplerSettings::of_generation_config(&serde_json::from_value(json).unwrap());
        prop_assert!((0.0..=10.0).contains(&settings.temperature));
        prop_assert!(settings.top_p > 0.0 && settings.top_p <= 1.0);
        prop_assert!((0.0..=1.0).contains(&settings.min_p));
        prop_assert!(settings.repeat_penalty > 0.0);
    }
}
