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

/// An answer with these kernels.
fn with_kernels(kernels: &str) -> crate::world::Ended {
    let model = tiny("tiny-qwen3-q8_0.gguf");
    let words = ["-m", &model, "--temperature", "0", "--max-tokens", "4", "--raw", "hello"];
    World::new().command(&words).env("TEXTPORT_CPU", kernels).output().unwrap().into()
}

#[test]
fn kernels_can_be_chosen_and_are_never_replaced() {
    with_kernels("scalar").ok();
    with_kernels("sse").fails(2, &["TEXTPORT_CPU", "\"sse\"", "scalar, avx2", "  try: "]);
    for kernels in ["avx2", "avxvnni", "avx512", "amx", "neon", "neon-dotprod"] {
        let ended = with_kernels(kernels);
        if ended.code != Some(0) {
            ended.fails(2, &["TEXTPORT_CPU", "this machine has no", kernels]);
        }
    }
    let doctor = World::new().command(&["doctor"]).env("TEXTPORT_CPU", "scalar").output().unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("scalar kernels in use"), "{said}");
}
