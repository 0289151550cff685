//! The same sequence gives the same bits, however it is cut, rewound and shared out.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::{decoder, fixture};

/// More than a block of the KV cache and than a step of prefill.
const LEN: usize = 330;

fn tokens() -> Vec<u32> {
    (0..LEN as u32).map(|i| i.wrapping_mul(2_654_435_761) % 320).collect()
}

fn bits(logits: &[f32]) -> Vec<u32> {
    logits.iter().map(|x| x.to_bits()).collect()
}

/// Logits after every token, one token per call, one thread.
fn one_by_one(file: &str) -> Vec<Vec<u32>> {
    let mut decoder = decoder(&fixture(file), 1);
    tokens().iter().map(|token| bits(decoder.forward(&[*token]).unwrap())).collect()
}

static F32: LazyLock<Vec<Vec<u32>>> = LazyLock::new(|| one_by_one("tiny-llama-f32.gguf"));
static Q8: LazyLock<Vec<Vec<u32>>> = LazyLock::new(|| one_by_one("tiny-qwen3-q8_0.gguf"));

fn check(file: &str, wanted: &[Vec<u32>], cuts: &[(usize, usize)], threads: usize) {
    let tokens = tokens();
    let mut decoder = decoder(&fixture(file), threads);
    for (back, forth) in cuts {
        let keep = decoder.position().saturating_sub(*back);
        decoder.truncate(keep);
        let to = (keep + forth).min(LEN);
        if keep < to {
            let found = bits(decoder.forward(&tokens[keep..to]).unwrap());
            assert!(found == wanted[to - 1], "after {keep}..{to} on {threads} threads");
            assert_eq!(decoder.position(), to);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_way_of_cutting_a_sequence_gives_the_same_bits(
        cuts in prop::collection::vec((0..40_usize, 1..180_usize), 1..8),
        threads in 1..4_usize,
    ) {
        check("tiny-llama-f32.gguf", &F32, &cuts, threads);
        check("tiny-qwen3-q8_0.gguf", &Q8, &cuts, threads);
    }
}

#[test]
fn a_whole_prefill_equals_single_steps() {
    check("tiny-llama-f32.gguf", &F32, &[(0, LEN), (LEN, LEN), (7, 7)], 2);
    check("tiny-qwen3-q8_0.gguf", &Q8, &[(0, LEN), (LEN, 257), (1, 74)], 2);
}
