//! One block of one matrix says that its numbers are none: whatever the matrix and however it is
//! stored, the answer is an error and never nonsense.

use kernels::{F16, Isa};

use super::quantized::{KINDS, MATRICES, VOCABULARY, WIDTH, model, quantize};
use super::{One, open};
use crate::checkpoint::Checkpoint;
use crate::decoder::transformer::Transformer;
use crate::decoder::{LoadOptions, load};
use crate::error::{DecodeError, LoadCause};
use crate::gguf::GgmlType;
use crate::test_folder::Copy;

/// A name, and the bytes in f16, bf16 and f32.
type Strange = (&'static str, [u8; 2], [u8; 2], [u8; 4]);

/// What a scale may be in a damaged file.
const STRANGE: [Strange; 3] = [
    ("NaN", [0x00, 0x7e], [0xc0, 0x7f], [0, 0, 0xc0, 0x7f]),
    ("infinity", [0x00, 0x7c], [0x80, 0x7f], [0, 0, 0x80, 0x7f]),
    ("minus infinity", [0x00, 0xfc], [0x80, 0xff], [0, 0, 0x80, 0xff]),
];

/// Where the scales of a block are.
fn scales(kind: GgmlType) -> &'static [usize] {
    match kind {
        GgmlType::Q4_1 | GgmlType::Q5_1 | GgmlType::Q4K | GgmlType::Q5K => &[0, 2],
        GgmlType::Q2K => &[80, 82],
        GgmlType::Q3K => &[108],
        GgmlType::Q6K => &[208],
        _ => &[0],
    }
}

/// A row of each matrix that the tokens below come by.
const ROW: usize = 5;

/// The model of one layer whose matrix number `which` has a strange scale in its second block, or
/// a strange number.
fn damaged(kind: GgmlType, which: usize, scale: usize, strange: usize) -> Checkpoint {
    let dtype = KINDS.iter().find(|(known, _)| *known == kind).map(|(_, dtype)| *dtype);
    model(|seed, rows| {
        let (bytes, plain) =
            quantize(seed, rows, dtype.unwrap_or(candle_core::quantized::GgmlDType::F16));
        let mut bytes = if kind == GgmlType::F32 { plain } else { bytes };
        if seed == which {
            let (_, half, brain, full) = STRANGE[strange];
            let row = ROW * bytes.len() / rows;
            // Blocks of 256 fill a row.
            let second = if kind.block().0 == WIDTH { 0 } else { kind.block().1 };
            let at = row + second + scale;
            match kind {
                GgmlType::F32 => bytes[at..at + 4].copy_from_slice(&full),
                GgmlType::Bf16 => bytes[at..at + 2].copy_from_slice(&brain),
                _ => bytes[at..at + 2].copy_from_slice(&half),
            }
        }
        (kind, bytes)
    })
}

/// What a prompt and the token after it give.
fn answers(isa: Isa, model: &Checkpoint) -> Result<(), DecodeError> {
    let options = LoadOptions { threads: Some(1), ..LoadOptions::default() };
    let decoder = Transformer::<F16>::load_for(isa, model, &options).unwrap();
    let mut one = One::new(Box::new(decoder));
    let prompt: Vec<u32> = (0..9).map(|i| i % VOCABULARY as u32).collect();
    one.forward(&prompt)?;
    one.forward(&[ROW as u32])?;
    Ok(())
}

#[test]
fn no_matrix_hides_what_is_not_a_number() {
    let kinds = KINDS.iter().map(|(kind, _)| *kind).chain([GgmlType::F32]);
    let mut hidden = Vec::new();
    for kind in kinds {
        for (which, (name, _)) in MATRICES.iter().enumerate() {
            for scale in scales(kind) {
                for (strange, (word, ..)) in STRANGE.iter().enumerate() {
                    let model = damaged(kind, which, *scale, strange);
                    for isa in Isa::available() {
                        if !matches!(answers(isa, &model), Err(DecodeError::NotFinite)) {
                            let kind = kind.as_str();
                            hidden.push(format!("{kind} {name} +{scale} {word} {isa:?}"));
                        }
                    }
                }
            }
        }
    }
    assert!(hidden.is_empty(), "{} are hidden:\n{}", hidden.len(), hidden.join("\n"));
}

#[test]
fn what_is_sound_gives_answers() {
    for (kind, dtype) in KINDS {
        let model = model(|seed, rows| (kind, quantize(seed, rows, dtype).0));
        for isa in Isa::available() {
            answers(isa, &model).unwrap();
        }
    }
}

#[test]
fn short_lists_are_looked_at_when_they_are_loaded() {
    for (folder, name) in [
        ("qwen3", "model.norm.weight"),
        ("qwen3", "model.layers.0.input_layernorm.weight"),
        ("qwen3", "model.layers.1.post_attention_layernorm.weight"),
        ("qwen3", "model.layers.0.self_attn.q_norm.weight"),
        ("qwen3", "model.layers.1.self_attn.k_norm.weight"),
        ("qwen3-bias", "model.layers.0.self_attn.q_proj.bias"),
        ("qwen3-bias", "model.layers.1.self_attn.o_proj.bias"),
    ] {
        let copy = Copy::of(folder);
        let shards = std::fs::read_dir(copy.path()).unwrap().map(|entry| entry.unwrap().path());
        let files = shards.filter(|path| path.extension().is_some_and(|e| e == "safetensors"));
        let mut found = 0;
        for path in files {
            let file = path.file_name().unwrap().to_str().unwrap();
            let (header, mut data) = copy.split(file);
            let Some(tensor) = header.get(name) else { continue };
            let offsets = tensor["data_offsets"].clone();
            let [from, _]: [usize; 2] = serde_json::from_value(offsets).unwrap();
            data[from..from + 4].fill(0xff);
            copy.join(file, &header, &data);
            found += 1;
        }
        assert_eq!(found, 1, "{name}");
        let error = load(&open(copy.path()), &LoadOptions::default()).unwrap_err();
        assert!(
            matches!(error.cause(), LoadCause::Shape { tensor, .. } if tensor == name),
            "{error}"
        );
    }
}
