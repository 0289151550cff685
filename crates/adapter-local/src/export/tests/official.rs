//! What is written, read by the official packages of both formats.

use std::process::Command;

use testkit::Venv;

use super::*;
use crate::test_folder::fixture;

/// Runs a script of `tests/official` with the packages that it names.
fn check(script: &str, arguments: &[&Path]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/official");
    let venv = Venv::ensure(&folder.join("requirements.txt")).unwrap();
    let output =
        Command::new(venv.python()).arg(folder.join(script)).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} {arguments:?}: {said}");
}

#[test]
fn the_gguf_package_reads_the_same_model() {
    // A step of each type, as a share of the largest number of its tensor.
    for (name, quantization, tolerance) in [
        ("llama", "f32", "0"),
        ("qwen2", "f32", "0"),
        ("qwen3", "f32", "0"),
        ("qwen3", "bf16", "0"),
        ("llama", "q8_0", "0.008"),
        ("qwen2", "q8_0", "0.008"),
        ("qwen3", "q4_k_m", "0.2"),
    ] {
        let place = Place::new();
        let file = place.quantize(&fixture(name), quantization).unwrap().path;
        check("check_gguf.py", &[&fixture(name), &file, Path::new(tolerance)]);
    }
}

#[test]
fn the_safetensors_package_reads_the_merged_weights() {
    let place = Place::new();
    let lora = LoraSetting { scale: 0.5, ..adapter("qwen3-linear") };
    let from = lora.path.clone();
    let plan = MergePlan {
        shard_bytes: 50_000,
        ..MergePlan::new(fixture("qwen3"), place.path("merged"), vec![lora])
    };
    let merged = merge_lora(&plan, &mut |_| ControlFlow::Continue(())).unwrap().path;
    check("check_merged.py", &[&fixture("qwen3"), &from, Path::new("0.5"), &merged]);
}
