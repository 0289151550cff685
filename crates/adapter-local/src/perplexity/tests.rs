//! Figures against single steps, a model beside itself and beside others.

use super::*;
use crate::checkpoint::Checkpoint;
use crate::decoder::{self, LoadOptions, Part, Wanted};

fn tiny(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn text() -> String {
    (0..400).map(|i| format!("line {} of {}\n", i * 7919 % 101, i % 13)).collect()
}

fn measured(model: &str, reference: Option<&str>) -> Perplexity {
    let plan = PerplexityPlan {
        context: 100,
        threads: Some(2),
        windows: Some(2),
        reference: reference.map(tiny),
    };
    perplexity(&tiny(model), &text(), &plan, &mut |_| {}).unwrap()
}

/// The logits after each token of the second half of two windows, but for the last token, one
/// step per token; and the tokens that followed.
fn single_steps(model: &str) -> Vec<(Vec<f32>, u32)> {
    let checkpoint = Checkpoint::open(&tiny(model)).unwrap();
    let prompter = checkpoint.prompter().unwrap();
    let ids = prompter.plain_ids(&text()).unwrap();
    let bos = prompter.tokenizer().vocabulary().bos();
    assert_ne!(Some(ids[0]), bos, "windows are as they are");
    let mut decoder = decoder::load(&checkpoint, &LoadOptions::default()).unwrap();
    let mut all = Vec::new();
    for start in [0, 100] {
        let sequence = decoder.open().unwrap();
        let window = &ids[start..start + 100];
        for at in 0..99 {
            let tokens = &window[at..=at];
            decoder.forward(&[Part { sequence, tokens, wanted: Wanted::Last }]).unwrap();
            if at >= 50 {
                all.push((decoder.logits(0).unwrap().to_vec(), window[at + 1]));
            }
        }
    }
    all
}

#[test]
fn the_figure_is_that_of_single_steps() {
    let plan = PerplexityPlan {
        context: 100,
        threads: Some(2),
        windows: Some(2),
        ..PerplexityPlan::default()
    };
    let path = tiny("tiny-llama-f32.gguf");
    let mut told = Vec::new();
    let found = perplexity(&path, &text(), &plan, &mut |so_far| told.push(*so_far)).unwrap();
    assert_eq!((found.windows, found.scored, told.len()), (2, 98, 2));
    assert_eq!((told[1], found.divergence), (found, None));
    let surprise = |(logits, next): &(Vec<f32>, u32)| Distribution::of(logits).surprise(*next);
    let sum: f64 = single_steps("tiny-llama-f32.gguf").iter().map(surprise).sum();
    assert!((found.perplexity.ln() - sum / 98.0).abs() < 1e-9, "{found:?}");
    assert!(found.error > 0.0 && found.error < found.perplexity);
}

#[test]
fn a_model_in_full_precision_is_its_own_reference() {
    let found = measured("tiny-qwen3-f32.gguf", Some("tiny-qwen3-f32.gguf"));
    let own = found.divergence.unwrap();
    // Keys and values in half precision are all that is between them.
    assert!(own.mean < 1e-5 && own.max < 1e-4, "{own:?}");
    assert!(own.median <= own.p99 && own.p99 <= own.max);
    assert!((own.reference_perplexity / found.perplexity - 1.0).abs() < 1e-3, "{found:?}");
}

#[test]
fn a_quantized_model_is_compared_token_by_token() {
    let found = measured("tiny-qwen3-q8_0.gguf", Some("tiny-qwen3-f32.gguf"));
    let divergence = found.divergence.unwrap();
    let mut expected = Divergences::default();
    let both = single_steps("tiny-qwen3-f32.gguf").into_iter();
    for ((theirs, next), (ours, same)) in both.zip(single_steps("tiny-qwen3-q8_0.gguf")) {
        assert_eq!(next, same);
        expected.add(Distribution::of(&theirs), Distribution::of(&ours), next);
    }
    let expected = expected.figures();
    assert!(expected.mean > 0.0);
    // The reference here has its keys and values in half precision.
    let close = |a: f64, b: f64| (a - b).abs() < 0.02 * b + 1e-6;
    assert!(close(divergence.mean, expected.mean), "{divergence:?} {expected:?}");
    assert!(close(divergence.p99, expected.p99), "{divergence:?} {expected:?}");
    assert!((divergence.same_top - expected.same_top).abs() < 0.03);
    // What computing with quantized numbers costs is not what quantizing costs.
    let computing = measured("tiny-qwen3-q8_0.gguf", Some("tiny-qwen3-q8_0.gguf"));
    let computing = computing.divergence.unwrap();
    assert!(computing.mean > 0.0 && computing.mean < divergence.mean, "{computing:?}");
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let path = tiny("tiny-llama-f32.gguf");
    let measure = |text: &str, plan: &PerplexityPlan| {
        let error = perplexity(&path, text, plan, &mut |_| {}).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}");
        error.to_string()
    };
    let windows = |context| PerplexityPlan { context, ..PerplexityPlan::default() };
    assert!(measure("short", &windows(64)).contains("a window needs 64"));
    assert!(measure(&text(), &windows(513)).contains("context of 512"));
    assert!(measure(&text(), &windows(3)).contains("nothing to count"));
    let other = PerplexityPlan { reference: Some(tiny("tiny-thinking-q8_0.gguf")), ..windows(64) };
    let words = measure(&text(), &other);
    assert!(words.contains("different vocabularies"), "{words}");
}
