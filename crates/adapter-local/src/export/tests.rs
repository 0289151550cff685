//! Written models against what they were made of.

mod folders;
mod ggufs;
mod official;
mod tokenizers;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use ports::Error;

use super::{MergePlan, MergedFolder, merge_lora};
use crate::LoraSetting;
use crate::checkpoint::Checkpoint;
use crate::decoder::{KvPrecision, LoadOptions, Part, Wanted, load};
use crate::quantize::{QuantizePlan, QuantizedFile, quantize_file};

/// An adapter beside the tests.
fn adapter(name: &str) -> LoraSetting {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lora");
    LoraSetting { path: folder.join(name), scale: 1.0 }
}

/// A place to write to; it goes when it is dropped.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        names(self.0.path())
    }

    fn quantize(&self, from: &Path, quantization: &str) -> Result<QuantizedFile, Error> {
        self.quantize_with(from, quantization, Vec::new())
    }

    fn quantize_with(
        &self,
        from: &Path,
        quantization: &str,
        lora: Vec<LoraSetting>,
    ) -> Result<QuantizedFile, Error> {
        let (from, to) = (from.to_owned(), self.path("out.gguf"));
        let plan = QuantizePlan { from, to, quantization: quantization.to_owned(), lora };
        quantize_file(&plan, &mut |_| ControlFlow::Continue(()))
    }

    fn merge(&self, base: &Path, lora: Vec<LoraSetting>) -> Result<MergedFolder, Error> {
        let plan = MergePlan::new(base.to_owned(), self.path("merged"), lora);
        merge_lora(&plan, &mut |_| ControlFlow::Continue(()))
    }
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// Logits after every one of `tokens`.
fn logits(checkpoint: &Checkpoint, tokens: &[u32]) -> Vec<f32> {
    let options = LoadOptions { kv_cache: KvPrecision::F32, ..LoadOptions::default() };
    let mut decoder = load(checkpoint, &options).unwrap();
    let sequence = decoder.open().unwrap();
    decoder.forward(&[Part { sequence, tokens, wanted: Wanted::All }]).unwrap();
    decoder.logits(0).unwrap().to_vec()
}

/// Asserts that both compute the same.
#[track_caller]
fn assert_same(what: &str, wanted: &Checkpoint, found: &Checkpoint, length: u32) {
    let tokens: Vec<u32> = (0..length).map(|n| (n * 37 + 11) % 320).collect();
    let (wanted, found) = (logits(wanted, &tokens), logits(found, &tokens));
    assert_eq!(wanted.len(), found.len(), "{what}");
    let worst = wanted.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-3, "{what}: off by {worst}");
}
