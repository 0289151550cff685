//! `--kv-cache`: how keys and values are kept, or who cannot keep them so.

use crate::world::{Ended, World, tiny};

fn ask(model: &str, kept: &str) -> Ended {
    let model = tiny(model);
    let words = ["-m", &model, "--device", "cpu", "--kv-cache", kept, "--max-tokens", "4", "hello"];
    World::new().run(&words)
}

#[test]
fn a_model_answers_with_keys_and_values_of_every_kind() {
    for kept in ["f16", "q8_0", "f32"] {
        ask("tiny-qwen3-q8_0.gguf", kept).ok();
    }
}

#[test]
fn other_kinds_are_refused_with_the_known_ones() {
    let words = ["kept as \"q4_0\"", "  try: ", "kv_cache can be f16, q8_0, f32"];
    ask("tiny-qwen3-q8_0.gguf", "q4_0").fails(2, &words);
}
