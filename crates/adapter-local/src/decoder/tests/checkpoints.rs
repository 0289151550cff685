//! Checkpoints in every form against transformers: folders of every dtype, of one file and of
//! several, tied or not, with biases, with every way of scaling positions, short and long, alone
//! and in batches. `scripts/reference/tiny_checkpoints.py` made them and their references.

use serde_json::{Value, json};

use super::{Part, SequenceId, Wanted, argmax, open};
use crate::checkpoint::{Checkpoint, Dtype};
use crate::decoder::{Decoder, Engine, KvPrecision, LoadOptions, load};
use crate::test_folder::{Copy, fixture};

/// One implementation of the trait. New ones join the list [`WAYS`].
struct Way {
    name: &'static str,
    /// Everything is kept in f32, so that logits can be compared.
    exact: bool,
    load: fn(&Checkpoint) -> Box<dyn Decoder>,
}

const WAYS: [Way; 4] = [
    Way {
        name: "processor, f32 cache",
        exact: true,
        load: |model| on_processor(model, KvPrecision::F32),
    },
    Way {
        name: "processor, f16 cache",
        exact: false,
        load: |model| on_processor(model, KvPrecision::F16),
    },
    Way {
        name: "candle, f32 cache",
        exact: true,
        load: |model| on_candle(model, &candle_core::Device::Cpu, KvPrecision::F32),
    },
    Way {
        name: "candle, f16 cache",
        exact: false,
        load: |model| on_candle(model, &candle_core::Device::Cpu, KvPrecision::F16),
    },
];

/// What a GPU machine has to show: the same references, on the GPU.
#[test]
#[cfg(feature = "cuda")]
#[ignore = "needs an NVIDIA GPU"]
fn a_gpu_gives_what_transformers_gives() {
    let chosen = crate::choose_device("cuda").unwrap().device;
    let device = crate::device::open_candle(chosen).unwrap();
    let mut ran = 0;
    for (folder, reference) in FOLDERS {
        let reference = Reference::read(reference);
        let model = open(&fixture(folder)).with_dtype(Dtype::F32);
        for (which, kv_cache) in
            [("text", KvPrecision::F32), ("text", KvPrecision::F16), ("long", KvPrecision::F32)]
        {
            let exact = kv_cache == KvPrecision::F32;
            let decoder = on_candle(&model, &device, kv_cache);
            check_one("cuda", exact, decoder, folder, &reference.case("plain", which));
            ran += 1;
        }
        let batch = reference.batch();
        for size in [1, 2, 5, 9, batch.len()] {
            let mut decoder = on_candle(&model, &device, KvPrecision::F32);
            let found = together(decoder.as_mut(), &batch[..size]);
            for ((_, greedy), found) in batch.iter().zip(&found) {
                assert_eq!(found, greedy, "{folder}, {size} sequences");
            }
        }
    }
    assert_eq!(ran, 3 * FOLDERS.len());
}

fn on_candle(
    model: &Checkpoint,
    device: &candle_core::Device,
    kv_cache: KvPrecision,
) -> Box<dyn Decoder> {
    let engine = Engine::Candle(device.clone());
    load(model, &LoadOptions { engine, kv_cache, ..LoadOptions::default() }).unwrap()
}

fn on_processor(model: &Checkpoint, kv_cache: KvPrecision) -> Box<dyn Decoder> {
    load(model, &LoadOptions { threads: Some(2), kv_cache, ..LoadOptions::default() }).unwrap()
}

/// Folders and the reference that they share.
const FOLDERS: [(&str, &str); 9] = [
    ("llama", "llama"),
    ("llama-bf16", "llama"),
    ("qwen2", "qwen2"),
    ("qwen2-f16", "qwen2"),
    ("qwen3", "qwen3"),
    ("qwen3-f16", "qwen3"),
    ("qwen3-bf16", "qwen3"),
    ("qwen3-bias", "qwen3-bias"),
    ("mistral", "mistral"),
];

/// Tokens, and what transformers makes of them.
pub(super) struct Case {
    pub(super) tokens: Vec<u32>,
    /// After which tokens there are logits.
    pub(super) positions: Vec<usize>,
    pub(super) logits: Vec<Vec<f32>>,
    pub(super) greedy: Vec<u32>,
}

/// The references of one checkpoint.
pub(super) struct Reference {
    about: Value,
    logits: Vec<Vec<f32>>,
}

impl Reference {
    pub(super) fn read(name: &str) -> Self {
        let about = std::fs::read(fixture(&format!("{name}.json"))).unwrap();
        let about: Value = serde_json::from_slice(&about).unwrap();
        let vocabulary = about["vocab_size"].as_u64().unwrap() as usize;
        let bytes = std::fs::read(fixture(&format!("{name}.logits"))).unwrap();
        let flat = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let logits = flat.collect::<Vec<_>>().chunks(vocabulary).map(<[f32]>::to_vec).collect();
        Self { about, logits }
    }

    pub(super) fn case(&self, variant: &str, which: &str) -> Case {
        let case = &self.about["cases"][variant][which];
        let positions: Vec<usize> = serde_json::from_value(case["positions"].clone()).unwrap();
        let row = case["row"].as_u64().unwrap() as usize;
        Case {
            tokens: tokens(case),
            logits: self.logits[row..row + positions.len()].to_vec(),
            greedy: serde_json::from_value(case["greedy"].clone()).unwrap(),
            positions,
        }
    }

    /// Prompts of many lengths and what follows each.
    fn batch(&self) -> Vec<(Vec<u32>, Vec<u32>)> {
        let batch = self.about["batch"].as_array().unwrap().iter();
        let greedy = |case: &Value| serde_json::from_value(case["greedy"].clone()).unwrap();
        batch.map(|case| (tokens(case), greedy(case))).collect()
    }

    /// The ways of scaling positions that there are references for.
    fn variants(&self) -> impl Iterator<Item = (&String, &Value)> {
        let cases = self.about["cases"].as_object().unwrap().iter();
        cases.filter(|(name, _)| *name != "plain").map(|(name, case)| (name, &case["rope"]))
    }
}

/// The token ids that the script makes of a seed.
fn tokens(case: &Value) -> Vec<u32> {
    let seed = case["seed"].as_u64().unwrap();
    let count = case["length"].as_u64().unwrap();
    let token = |i: u64| (((i + 1 + seed * 7919) * 2_654_435_761 % (1 << 32)) >> 7) % 320;
    (0..count).map(|i| token(i) as u32).collect()
}

fn step(decoder: &mut dyn Decoder, sequence: SequenceId, tokens: &[u32]) -> u32 {
    decoder.forward(&[Part { sequence, tokens, wanted: Wanted::Last }]).unwrap();
    argmax(decoder.logits(0).unwrap())
}

/// What follows a sequence whose next token is `next`.
fn go_on(decoder: &mut dyn Decoder, sequence: SequenceId, next: u32, count: usize) -> Vec<u32> {
    let mut found = vec![next];
    while found.len() < count {
        let last = found[found.len() - 1];
        found.push(step(decoder, sequence, &[last]));
    }
    found
}

/// Logits where the reference has them, and the continuation.
pub(super) fn check(name: &str, model: &Checkpoint, case: &Case) {
    for way in &WAYS {
        check_one(way.name, way.exact, (way.load)(model), name, case);
    }
}

fn check_one(way: &str, exact: bool, mut decoder: Box<dyn Decoder>, name: &str, case: &Case) {
    let sequence = decoder.open().unwrap();
    let part = Part { sequence, tokens: &case.tokens, wanted: Wanted::All };
    decoder.forward(&[part]).unwrap();
    let rows: Vec<_> = decoder.logits(0).unwrap().chunks(320).map(<[f32]>::to_vec).collect();
    for (position, wanted) in case.positions.iter().zip(&case.logits).filter(|_| exact) {
        let pairs = wanted.iter().zip(&rows[*position]);
        let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-3, "{name}, {way}, position {position}: off by {worst}");
    }
    let next = argmax(&rows[rows.len() - 1]);
    let found = go_on(decoder.as_mut(), sequence, next, case.greedy.len());
    assert_eq!(found, case.greedy, "{name}, {way}");
}

#[test]
fn every_form_gives_the_logits_and_the_continuation_of_transformers() {
    for (folder, reference) in FOLDERS {
        check(folder, &open(&fixture(folder)), &Reference::read(reference).case("plain", "text"));
    }
}

#[test]
fn every_dtype_that_is_made_at_load_gives_the_same() {
    for (folder, reference) in FOLDERS {
        let case = Reference::read(reference).case("plain", "text");
        for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16] {
            let model = open(&fixture(folder)).with_dtype(dtype);
            check(&format!("{folder} as {dtype}"), &model, &case);
        }
    }
}

#[test]
fn contexts_of_3000_tokens_give_the_same() {
    for (folder, reference) in FOLDERS.into_iter().filter(|(folder, name)| folder == name) {
        check(folder, &open(&fixture(folder)), &Reference::read(reference).case("plain", "long"));
    }
}

#[test]
fn every_way_of_scaling_positions_gives_the_same() {
    for folder in ["llama", "qwen3"] {
        let reference = Reference::read(folder);
        for (variant, rope) in reference.variants() {
            let copy = Copy::of(folder);
            copy.set("config.json", "rope_parameters", rope.clone());
            let model = open(copy.path());
            for which in ["text", "long"] {
                check(
                    &format!("{folder} {variant} {which}"),
                    &model,
                    &reference.case(variant, which),
                );
            }
        }
    }
}

#[test]
fn older_words_for_scaling_mean_the_same() {
    let reference = Reference::read("llama");
    for (variant, rope) in reference.variants() {
        let copy = Copy::of("llama");
        let mut scaling = rope.clone();
        let table = scaling.as_object_mut().unwrap();
        let (base, kind) =
            (table.remove("rope_theta").unwrap(), table.remove("rope_type").unwrap());
        table.insert("type".into(), kind);
        copy.set("config.json", "rope_parameters", Value::Null)
            .set("config.json", "rope_theta", base)
            .set("config.json", "rope_scaling", scaling);
        check(variant, &open(copy.path()), &reference.case(variant, "text"));
    }
}

#[test]
fn a_head_of_its_own_is_used_wherever_it_is_there() {
    let case = Reference::read("llama").case("plain", "text");
    let copy = Copy::of("llama");
    for tied in [json!(true), json!(false), Value::Null] {
        copy.set("config.json", "tie_word_embeddings", tied.clone());
        check(&format!("tie_word_embeddings {tied}"), &open(copy.path()), &case);
    }
}

#[test]
fn a_tied_model_may_have_either_name_or_both() {
    let case = Reference::read("qwen3").case("plain", "text");
    let copy = Copy::of("qwen3-bf16");
    let file = "model.safetensors";
    copy.set("config.json", "tie_word_embeddings", Value::Null);
    check("nothing said", &open(copy.path()), &case);
    copy.set("config.json", "tie_word_embeddings", json!(true));
    let (mut header, mut data) = copy.split(file);
    let embedding = header["model.embed_tokens.weight"].clone();
    header.as_object_mut().unwrap().remove("model.embed_tokens.weight");
    header["lm_head.weight"] = embedding.clone();
    copy.join(file, &header, &data);
    check("the head only", &open(copy.path()), &case);
    let offsets: [usize; 2] = serde_json::from_value(embedding["data_offsets"].clone()).unwrap();
    let end = data.len();
    data.extend_from_within(offsets[0]..offsets[1]);
    header["model.embed_tokens.weight"] = embedding.clone();
    header["lm_head.weight"] = embedding;
    header["lm_head.weight"]["data_offsets"] = json!([end, data.len()]);
    copy.join(file, &header, &data);
    check("both", &open(copy.path()), &case);
}

#[test]
fn ragged_batches_of_1_to_16_give_what_each_sequence_gives() {
    for (folder, reference) in FOLDERS.into_iter().filter(|(folder, name)| folder == name) {
        let batch = Reference::read(reference).batch();
        assert_eq!(batch.len(), 16);
        let model = open(&fixture(folder));
        for way in &WAYS {
            for size in 1..=batch.len() {
                let mut decoder = (way.load)(&model);
                let found = together(decoder.as_mut(), &batch[..size]);
                for ((_, greedy), found) in batch.iter().zip(&found) {
                    assert_eq!(found, greedy, "{folder}, {}, {size} sequences", way.name);
                }
            }
        }
    }
}

/// What follows each sequence, all of them in every step.
fn together(decoder: &mut dyn Decoder, batch: &[(Vec<u32>, Vec<u32>)]) -> Vec<Vec<u32>> {
    let ids: Vec<_> = batch.iter().map(|_| decoder.open().unwrap()).collect();
    let mut found = vec![Vec::new(); batch.len()];
    for round in 0..batch[0].1.len() {
        let last: Vec<_> = found.iter().map(|found| found.last().copied()).collect();
        let parts: Vec<_> = ids
            .iter()
            .enumerate()
            .map(|(index, sequence)| {
                let tokens = if round == 0 { &batch[index].0 } else { last[index].as_slice() };
                Part { sequence: *sequence, tokens, wanted: Wanted::Last }
            })
            .collect();
        decoder.forward(&parts).unwrap();
        for (index, found) in found.iter_mut().enumerate() {
            found.push(argmax(decoder.logits(index).unwrap()));
        }
    }
    found
}

#[test]
fn prefill_in_chunks_and_shared_beginnings_give_the_same() {
    for (folder, reference) in FOLDERS {
        let case = Reference::read(reference).case("plain", "text");
        let model = open(&fixture(folder));
        for way in &WAYS {
            let mut decoder = (way.load)(&model);
            for size in [1, 3, 16, 39] {
                let sequence = decoder.open().unwrap();
                let mut next = 0;
                for chunk in case.tokens.chunks(size) {
                    next = step(decoder.as_mut(), sequence, chunk);
                }
                let found = go_on(decoder.as_mut(), sequence, next, case.greedy.len());
                assert_eq!(found, case.greedy, "{folder}, {}, chunks of {size}", way.name);
                for shared in [1, 16, 33] {
                    let branch = decoder.fork(sequence, shared).unwrap();
                    let next = step(decoder.as_mut(), branch, &case.tokens[shared..]);
                    let found = go_on(decoder.as_mut(), branch, next, case.greedy.len());
                    assert_eq!(found, case.greedy, "{folder}, {}, {shared} shared", way.name);
                }
            }
        }
    }
}
