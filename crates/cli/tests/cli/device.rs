//! `--device`: where a local model is computed, or why not there.

use crate::world::{World, tiny};

fn ask(device: &str) -> crate::world::Ended {
    let model = tiny("tiny-qwen3-q8_0.gguf");
    let words = ["-m", &model, "--device", device, "--max-tokens", "4", "hello"];
    World::new().run(&words)
}

#[test]
fn the_processor_answers_when_it_is_named() {
    ask("cpu").ok();
}

#[test]
fn an_unknown_device_is_refused_with_the_known_ones() {
    ask("tpu").fails(2, &["there is no device \"tpu\"", "  try: ", "auto, cpu, cuda, cuda:N"]);
}

#[test]
fn a_gpu_that_is_not_there_is_an_error_and_never_the_processor() {
    let code = if cfg!(feature = "cuda") { 5 } else { 2 };
    ask("cuda:99").fails(code, &["cuda:99 was asked for, but ", "  try: "]);
}
