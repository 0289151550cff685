//! The checkpoints of transformers as GGUF files: the same references hold for them.

use std::path::Path;
use std::sync::Arc;

use super::checkpoints::{Reference, check};
use super::open;
use crate::checkpoint::{Checkpoint, Dtype, StoredTensor};
use crate::gguf::GgufFile;
use crate::gguf::writer::Writer;
use crate::test_folder::fixture;

/// Metadata under the architecture's prefix.
struct Entries {
    writer: Writer,
    prefix: &'static str,
}

impl Entries {
    fn of(model: &Checkpoint) -> Self {
        let (p, prefix) = (model.parameters(), model.family().name);
        let name = Writer::text(prefix.as_bytes());
        let writer = Writer::default().entry("general.architecture", 8, &name);
        Self { writer, prefix }
            .count("block_count", p.layers)
            .count("context_length", p.context_length)
            .count("embedding_length", p.width)
            .count("feed_forward_length", p.feed_forward)
            .count("attention.head_count", p.heads)
            .count("attention.head_count_kv", p.kv_heads)
            .count("attention.key_length", p.head_size)
            .number("attention.layer_norm_rms_epsilon", p.norm_epsilon)
            .number("rope.freq_base", p.rope.base)
    }

    fn count(self, key: &str, value: usize) -> Self {
        self.entry(key, 4, &(value as u32).to_le_bytes())
    }

    fn number(self, key: &str, value: f32) -> Self {
        self.entry(key, 6, &value.to_le_bytes())
    }

    fn text(self, key: &str, value: &str) -> Self {
        self.entry(key, 8, &Writer::text(value.as_bytes()))
    }

    fn entry(mut self, key: &str, kind: u32, value: &[u8]) -> Self {
        self.writer = self.writer.entry(&format!("{}.{key}", self.prefix), kind, value);
        self
    }
}

/// The model as a GGUF file with this metadata.
fn as_gguf(model: &Checkpoint, entries: Entries) -> Checkpoint {
    let (mut writer, mut data) = (entries.writer, Vec::new());
    let p = model.parameters();
    for name in model.tensors().names() {
        let StoredTensor { kind, shape, data: numbers } = model.tensors().tensor(name).unwrap();
        let columns: Vec<u64> = shape.iter().rev().map(|n| *n as u64).collect();
        let offset = data.len().next_multiple_of(32);
        data.resize(offset, 0);
        writer = writer.tensor(name, &columns, kind.number(), offset as u64);
        let row = numbers.as_slice().len() / shape[0];
        let heads = match name.rsplit('.').nth(1) {
            Some("attn_q") => p.heads,
            Some("attn_k") => p.kv_heads,
            _ => 0,
        };
        if entries.prefix == "llama" && heads > 0 {
            data.extend(neighbours(numbers.as_slice(), heads, row));
        } else {
            data.extend(numbers.as_slice());
        }
    }
    let bytes = writer.data(data).bytes();
    let file = GgufFile::from_bytes(Path::new("converted.gguf"), bytes).unwrap();
    Checkpoint::of_gguf(Arc::new(file)).unwrap()
}

/// Rows of queries or keys in the order that GGUF files of llama have: the two numbers that RoPE
/// turns together stand side by side.
fn neighbours(rows: &[u8], heads: usize, row: usize) -> Vec<u8> {
    let head = rows.len() / heads;
    let mut out = Vec::new();
    for head in rows.chunks(head) {
        let (first, second) = head.split_at(head.len() / 2);
        for (a, b) in first.chunks(row).zip(second.chunks(row)) {
            out.extend([a, b].concat());
        }
    }
    out
}

#[test]
fn gguf_files_of_every_dtype_give_what_transformers_gives() {
    for folder in ["llama", "qwen2", "qwen3"] {
        let case = Reference::read(folder).case("plain", "text");
        for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16] {
            let model = open(&fixture(folder)).with_dtype(dtype);
            let converted = as_gguf(&model, Entries::of(&model));
            check(&format!("{folder} as GGUF in {dtype}"), &converted, &case);
        }
    }
}

#[test]
fn positions_are_scaled_as_the_metadata_says() {
    for folder in ["llama", "qwen3"] {
        let reference = Reference::read(folder);
        let model = open(&fixture(folder));
        let yarn = Entries::of(&model)
            .text("rope.scaling.type", "yarn")
            .number("rope.scaling.factor", 8.0)
            .count("rope.scaling.original_context_length", 512);
        let converted = as_gguf(&model, yarn);
        for which in ["text", "long"] {
            check(&format!("{folder}, YaRN"), &converted, &reference.case("yarn", which));
        }
    }
    let model = open(&fixture("llama"));
    let linear =
        Entries::of(&model).text("rope.scaling.type", "linear").number("rope.scaling.factor", 4.0);
    let case = Reference::read("llama").case("linear", "text");
    check("linear", &as_gguf(&model, linear), &case);
}

#[test]
fn yarn_reaches_beyond_the_context_that_the_file_names() {
    let model = open(&fixture("qwen3"));
    let yarn =
        || Entries::of(&model).text("rope.scaling.type", "yarn").number("rope.scaling.factor", 4.0);
    assert_eq!(as_gguf(&model, yarn()).parameters().context_length, 4 * 4096);
    let original = yarn().count("rope.scaling.original_context_length", 512);
    assert_eq!(as_gguf(&model, original).parameters().context_length, 4096);
}
