//! That a steady step is what a CUDA graph can record: few forms, nothing that moves, and nothing that
//! is not in the buffer of numbers. `decoder::tests::candle` compares what steps compute.

use std::collections::BTreeSet;
use std::path::PathBuf;

use candle_core::{CpuStorage, Storage, Tensor};

use super::super::{Engine, Wanted};
use super::*;

/// A file beside the tests. A GPU machine has them elsewhere than the machine that built the tests.
fn fixture(name: &str) -> Checkpoint {
    let here = std::env::var_os("CARGO_MANIFEST_DIR");
    let here = here.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    Checkpoint::open(&here.join("tests/fixtures").join(name)).unwrap()
}

fn load(checkpoint: &Checkpoint, device: &Device, cuda_graphs: bool) -> CandleTransformer {
    let engine = Engine::Candle(device.clone());
    let options = LoadOptions {
        engine,
        kv_cache: KvPrecision::F32,
        at_once: Some(8),
        cuda_graphs,
        ..LoadOptions::default()
    };
    CandleTransformer::load(device, checkpoint, &options).unwrap()
}

fn tokens(seed: usize, len: usize) -> Vec<u32> {
    (0..len).map(|i| ((i * 7919 + seed * 104_729) % 320) as u32).collect()
}

/// Appends one token to every sequence; gives the logits of all.
fn decode(decoder: &mut CandleTransformer, ids: &[SequenceId], token: u32) -> Vec<Vec<f32>> {
    let parts = ids.iter().map(|sequence| Part {
        sequence: *sequence,
        tokens: std::slice::from_ref(&token),
        wanted: Wanted::Last,
    });
    let parts: Vec<_> = parts.collect();
    decoder.forward(&parts).unwrap();
    (0..ids.len()).map(|part| decoder.logits(part).unwrap().to_vec()).collect()
}

fn open(decoder: &mut CandleTransformer, seed: usize, len: usize) -> SequenceId {
    let sequence = decoder.open().unwrap();
    let tokens = tokens(seed, len);
    decoder.forward(&[Part { sequence, tokens: &tokens, wanted: Wanted::None }]).unwrap();
    sequence
}

fn address(tensor: &Tensor) -> usize {
    match &*tensor.storage_and_layout().0 {
        Storage::Cpu(CpuStorage::F32(all)) => all.as_ptr().addr(),
        Storage::Cpu(CpuStorage::F16(all)) => all.as_ptr().addr(),
        Storage::Cpu(CpuStorage::U32(all)) => all.as_ptr().addr(),
        other => panic!("{:?} is not among what stays", other.dtype()),
    }
}

/// Where everything is that outlives a step.
fn addresses(decoder: &mut CandleTransformer) -> BTreeSet<usize> {
    let mut all: BTreeSet<_> = decoder.steps.tensors().into_iter().map(address).collect();
    all.extend(decoder.sequences.pages().0.tensors().map(address));
    all
}

#[test]
fn what_outlives_a_step_never_moves() {
    let mut decoder = load(&fixture("tiny-llama-f32.gguf"), &Device::Cpu, false);
    let first = open(&mut decoder, 0, 5);
    decode(&mut decoder, &[first], 1);
    let mut known = addresses(&mut decoder);
    assert!(known.len() > 8);
    let mut ids = vec![first];
    for seed in 1..8 {
        ids.push(open(&mut decoder, seed, seed * 40));
        decode(&mut decoder, &ids, 2);
        let now = addresses(&mut decoder);
        assert!(now.is_superset(&known), "something moved with {} sequences", ids.len());
        known = now;
    }
    for id in ids {
        decoder.close(id);
    }
    assert_eq!(addresses(&mut decoder), known);
}

#[test]
fn steady_steps_come_in_few_forms() {
    let mut decoder = load(&fixture("tiny-llama-f32.gguf"), &Device::Cpu, false);
    let ids: Vec<_> = (0..5).map(|seed| open(&mut decoder, seed, 1 + seed)).collect();
    for step in 0..250 {
        decode(&mut decoder, &ids, step % 320);
    }
    // 255 positions are four pages: as many forms.
    assert_eq!(decoder.steps.forms(), 4);
    decode(&mut decoder, &ids[..3], 1);
    decode(&mut decoder, &ids[1..], 1);
    assert_eq!(decoder.steps.forms(), 5, "three and four sequences have one form");
}

#[test]
fn forms_that_were_not_used_for_long_are_forgotten() {
    let mut decoder = load(&fixture("tiny-llama-f32.gguf"), &Device::Cpu, false);
    let id = open(&mut decoder, 0, 500);
    // Every rewind to another page is another form.
    for page in 0..8 {
        decoder.truncate(id, 500 - page * PAGE);
        decode(&mut decoder, &[id], 3);
    }
    assert_eq!(decoder.steps.forms(), 8);
    decoder.steps.forget_all_but(2);
    assert_eq!(decoder.steps.forms(), 2);
    let last = decode(&mut decoder, &[id], 4);
    assert_eq!(decoder.steps.forms(), 2, "the form of the last step was kept");
    assert!(last[0].iter().all(|x| x.is_finite()));
}

#[test]
fn warming_up_disturbs_nobody() {
    for file in ["tiny-llama-f32.gguf", "tiny-qwen3-q8_0.gguf"] {
        let checkpoint = fixture(file);
        let [mut plain, mut warm] = [(); 2].map(|()| load(&checkpoint, &Device::Cpu, false));
        let [a, b] = [&mut plain, &mut warm].map(|decoder| open(decoder, 0, 70));
        let free = warm.free_positions();
        warm.steps.warm_up(warm.sequences.pages().0).unwrap();
        assert_eq!(warm.free_positions(), free);
        for token in 0..5 {
            assert_eq!(decode(&mut plain, &[a], token), decode(&mut warm, &[b], token), "{file}");
        }
    }
}

#[test]
fn a_step_is_decided_by_the_numbers_in_its_buffer_alone() {
    let mut decoder = load(&fixture("tiny-qwen3-f32.gguf"), &Device::Cpu, false);
    let [a, b] = [open(&mut decoder, 1, 20), open(&mut decoder, 2, 30)];
    let of_b = decode(&mut decoder, &[b], 7);
    let after_b = decoder.steps.buffered();
    decoder.truncate(b, 30);
    let of_a = decode(&mut decoder, &[a], 9);
    assert_ne!(of_a, of_b);
    // What a graph would do: the same views over the same addresses, with other numbers.
    assert_eq!(decoder.steps.forms(), 1);
    let pages = decoder.sequences.pages().0;
    let again = decoder.steps.replay(&after_b, pages).unwrap();
    assert_eq!(again, of_b.concat());
}

#[test]
fn memory_is_taken_for_what_can_be_used() {
    let checkpoint = fixture("tiny-llama-f32.gguf");
    let context = checkpoint.parameters().context_length;
    let free = |options: LoadOptions| {
        CandleTransformer::load(&Device::Cpu, &checkpoint, &options).unwrap().free_positions()
    };
    assert_eq!(free(LoadOptions { at_once: Some(3), ..LoadOptions::default() }), 3 * context);
    let much = LoadOptions { cache_bytes: Some(u64::MAX), ..LoadOptions::default() };
    assert_eq!(free(much), MOST_SEQUENCES * context);
    assert_eq!(free(LoadOptions { cache_bytes: Some(1), ..LoadOptions::default() }), 0);
}

#[test]
fn graphs_without_a_gpu_are_refused() {
    let options = LoadOptions { cuda_graphs: true, ..LoadOptions::default() };
    let model = fixture("tiny-llama-f32.gguf");
    let error = CandleTransformer::load(&Device::Cpu, &model, &options).unwrap_err();
    assert!(error.to_string().contains("CUDA graphs need a GPU"), "{error}");
}

/// What a GPU machine has to show before graphs may be the default.
#[test]
#[cfg(feature = "cuda")]
#[ignore = "needs an NVIDIA GPU"]
fn a_graph_gives_what_the_plain_step_gives() {
    let device = crate::device::open_candle(crate::device::Device::Cuda(0)).unwrap();
    for file in ["tiny-llama-f32.gguf", "tiny-qwen2-f32.gguf", "tiny-qwen3-q8_0.gguf"] {
        let checkpoint = fixture(file);
        let mut both = [false, true].map(|graphs| load(&checkpoint, &device, graphs));
        let mut ids: [Vec<SequenceId>; 2] = [Vec::new(), Vec::new()];
        for step in 0..200 {
            // Prompts between the steps use the same buffers and scratch.
            if step % 40 == 0 {
                for (decoder, ids) in both.iter_mut().zip(&mut ids) {
                    ids.push(open(decoder, step, 1 + step));
                }
            }
            let token = step as u32 % 320;
            let [plain, graph] = &mut both;
            let found = decode(graph, &ids[1], token);
            for (wanted, found) in decode(plain, &ids[0], token).iter().zip(&found) {
                let furthest = wanted.iter().zip(found).map(|(a, b)| (a - b).abs());
                let furthest = furthest.fold(0.0, f32::max);
                assert!(furthest < 1e-4, "{file}, step {step}: {furthest}");
            }
        }
        assert!(both[1].steps.recorded() > 4, "{file}: {} graphs", both[1].steps.recorded());
        assert_eq!(both[0].steps.recorded(), 0);
    }
}
