//! A model of a true shape without its weights: random numbers, made when they are asked for, the
//! same ones every time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use rayon::prelude::*;

use super::dtype::{Dtype, is_matrix};
use super::shapes::Shape;
use super::tensor::{StoredTensor, TensorFacts, TensorSource};
use crate::bytes::{Blob, NoMemory, zeros};
use crate::error::{LoadCause, LoadError};
use crate::gguf::GgmlType;

/// What the weights of models are before they are trained.
const DEVIATION: f64 = 0.02;
/// Different numbers that a matrix holds, each as often as any other.
const LEVELS: usize = 1 << 16;
/// Numbers made by one task, from a seed of its own.
const TASK: usize = 1 << 16;

/// Every tensor of a shape: matrices and biases of normally distributed numbers, norms of ones.
#[derive(Debug)]
pub(crate) struct RandomWeights {
    name: PathBuf,
    shapes: BTreeMap<String, Vec<usize>>,
    dtype: Dtype,
    levels: Vec<f32>,
}

impl RandomWeights {
    /// Matrices are stored as `dtype`, short lists in f32.
    pub(crate) fn new(shape: &Shape, dtype: Dtype) -> Self {
        let shapes = tensors(shape).into_iter().collect();
        Self { name: PathBuf::from(&shape.name), shapes, dtype, levels: levels() }
    }

    fn numbers(&self, name: &str, kind: GgmlType, count: usize) -> Result<Vec<u8>, LoadError> {
        let seed = seed(name);
        match kind {
            GgmlType::F16 => self.fill(name, seed, count, |x| f16::from_f32(x).to_le_bytes()),
            GgmlType::Bf16 => self.fill(name, seed, count, |x| bf16::from_f32(x).to_le_bytes()),
            _ => self.fill(name, seed, count, f32::to_le_bytes),
        }
    }

    fn fill<const N: usize>(
        &self,
        name: &str,
        seed: u64,
        count: usize,
        bytes: impl Fn(f32) -> [u8; N],
    ) -> Result<Vec<u8>, LoadError> {
        let mut out = self.room(name, count, N)?;
        let levels: Vec<[u8; N]> = self.levels.iter().map(|level| bytes(*level)).collect();
        out.par_chunks_mut(TASK * N).enumerate().for_each(|(task, out)| {
            let mut state = seed ^ (task as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93);
            for four in out.as_chunks_mut::<N>().0.chunks_mut(4) {
                let mut bits = next(&mut state);
                for number in four {
                    *number = levels[bits as usize % LEVELS];
                    bits >>= 16;
                }
            }
        });
        Ok(out)
    }

    fn room(&self, name: &str, count: usize, size: usize) -> Result<Vec<u8>, LoadError> {
        zeros(count.saturating_mul(size)).map_err(|NoMemory { bytes }| {
            self.error(LoadCause::OutOfMemory { tensor: name.to_owned(), bytes })
        })
    }

    fn error(&self, cause: LoadCause) -> LoadError {
        LoadError::new(&self.name, cause)
    }
}

impl TensorSource for RandomWeights {
    fn path(&self) -> &Path {
        &self.name
    }

    fn names(&self) -> Vec<&str> {
        self.shapes.keys().map(String::as_str).collect()
    }

    fn facts(&self, name: &str) -> Option<TensorFacts> {
        let mut facts = TensorFacts { kind: GgmlType::F32, shape: self.shapes.get(name)?.clone() };
        if is_matrix(&facts) {
            facts.kind = self.dtype.kind();
        }
        Some(facts)
    }

    fn tensor(&self, name: &str) -> Result<StoredTensor, LoadError> {
        let missing = || self.error(LoadCause::MissingTensor(name.to_owned()));
        let TensorFacts { kind, shape } = self.facts(name).ok_or_else(missing)?;
        let count = shape.iter().product();
        let data = if name.ends_with("norm.weight") {
            1_f32.to_le_bytes().repeat(count)
        } else {
            self.numbers(name, kind, count)?
        };
        Ok(StoredTensor { kind, shape, data: Blob::held(data) })
    }
}

/// Every tensor that a model of this shape has.
fn tensors(shape: &Shape) -> Vec<(String, Vec<usize>)> {
    let p = &shape.parameters;
    let mut all = vec![
        ("token_embd.weight".to_owned(), vec![shape.vocabulary, p.width]),
        ("output_norm.weight".to_owned(), vec![p.width]),
    ];
    if !shape.tied {
        all.push(("output.weight".to_owned(), vec![shape.vocabulary, p.width]));
    }
    let (q, kv) = (p.query_width(), p.kv_width());
    let mut layer = vec![
        ("attn_norm.weight", vec![p.width]),
        ("attn_q.weight", vec![q, p.width]),
        ("attn_k.weight", vec![kv, p.width]),
        ("attn_v.weight", vec![kv, p.width]),
        ("attn_output.weight", vec![p.width, q]),
        ("ffn_norm.weight", vec![p.width]),
        ("ffn_gate.weight", vec![p.feed_forward, p.width]),
        ("ffn_up.weight", vec![p.feed_forward, p.width]),
        ("ffn_down.weight", vec![p.width, p.feed_forward]),
    ];
    if shape.family.qk_norm {
        layer.extend(["attn_q_norm.weight", "attn_k_norm.weight"].map(|x| (x, vec![p.head_size])));
    }
    if shape.qkv_bias {
        layer.extend(
            [("attn_q.bias", q), ("attn_k.bias", kv), ("attn_v.bias", kv)]
                .map(|(name, len)| (name, vec![len])),
        );
    }
    if shape.out_bias {
        layer.push(("attn_output.bias", vec![p.width]));
    }
    for index in 0..p.layers {
        all.extend(
            layer.iter().map(|(name, shape)| (format!("blk.{index}.{name}"), shape.clone())),
        );
    }
    all
}

/// The normal distribution cut into [`LEVELS`] equally likely pieces, and the middle of each: found
/// by adding up its density in small steps.
fn levels() -> Vec<f32> {
    const STEP: f64 = 1.0 / 8192.0;
    let density = |z: f64| (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let mut levels = Vec::with_capacity(LEVELS);
    let (mut z, mut below) = (-6.0, 0.0);
    for level in 0..LEVELS {
        let wanted = (level as f64 + 0.5) / LEVELS as f64;
        while below < wanted && z < 6.0 {
            below += density(z + STEP / 2.0) * STEP;
            z += STEP;
        }
        levels.push((z * DEVIATION) as f32);
    }
    levels
}

/// A seed for each tensor (FNV-1a of its name).
fn seed(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

/// SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use ports::ErrorKind;

    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::decoder;
    use crate::quantize::expand;
    use crate::test_folder::{Copy, fixture};

    fn weights(shape: &str, dtype: Dtype) -> RandomWeights {
        RandomWeights::new(&Shape::find(shape).unwrap(), dtype)
    }

    /// As the Hub counts the tensors of the published files.
    #[test]
    fn the_known_shapes_have_as_many_numbers_as_the_published_models() {
        for (name, wanted) in [
            ("smollm2-135m", 134_515_008),
            ("qwen3-0.6b", 596_049_920),
            ("qwen3-1.7b", 1_720_574_976),
            ("qwen3-4b", 4_022_468_096),
            ("Qwen3-8B", 8_190_735_360),
            ("qwen3-14b", 14_768_307_200),
            ("qwen3-32b", 32_762_123_264),
            ("qwen2.5-coder-1.5b", 1_543_714_304),
            ("llama-3.2-1b", 1_235_814_400),
            ("llama-3.2-3b", 3_212_749_824),
            ("llama-3.1-8b", 8_030_261_248_u64),
        ] {
            let source = weights(name, Dtype::Bf16);
            let numbers = |name| source.facts(name).unwrap().shape.iter().product::<usize>() as u64;
            let found: u64 = source.names().into_iter().map(numbers).sum();
            assert_eq!(found, wanted, "{name}");
        }
    }

    #[test]
    fn an_unknown_shape_lists_the_known_ones() {
        let error = Shape::find("qwen9-1t").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.hint().unwrap().contains("qwen3-0.6b"), "{error:?}");
        let error = Shape::find(fixture("gemma3").to_str().unwrap()).unwrap_err();
        assert!(error.to_string().contains("random weights of"), "{error}");
    }

    #[test]
    fn numbers_are_normal_and_the_same_every_time() {
        let source = weights("smollm2-135m", Dtype::F32);
        let name = "blk.3.ffn_up.weight";
        let numbers = expand(&source.tensor(name).unwrap()).unwrap();
        let count = numbers.len() as f64;
        let moment = |power: i32| {
            numbers.iter().map(|x| f64::from(*x / 0.02).powi(power)).sum::<f64>() / count
        };
        assert!(moment(1).abs() < 0.01, "{}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.01, "{}", moment(2));
        assert!((moment(4) - 3.0).abs() < 0.1, "{}", moment(4));
        let again = weights("smollm2-135m", Dtype::F32).tensor(name).unwrap();
        assert_eq!(expand(&again).unwrap(), numbers);
        let other = expand(&source.tensor("blk.4.ffn_up.weight").unwrap()).unwrap();
        assert_ne!(other[..64], numbers[..64]);
        let norm = expand(&source.tensor("blk.3.attn_norm.weight").unwrap()).unwrap();
        assert!(norm.iter().all(|x| *x == 1.0));
    }

    #[test]
    fn every_dtype_holds_the_same_numbers_as_nearly_as_it_can() {
        let folder = fixture("qwen3");
        let shape = folder.to_str().unwrap();
        let name = "blk.0.attn_q.weight";
        let wanted = expand(&weights(shape, Dtype::F32).tensor(name).unwrap()).unwrap();
        for (dtype, kind) in [(Dtype::F16, GgmlType::F16), (Dtype::Bf16, GgmlType::Bf16)] {
            let tensor = weights(shape, dtype).tensor(name).unwrap();
            assert_eq!(tensor.kind, kind);
            for (found, wanted) in expand(&tensor).unwrap().iter().zip(&wanted) {
                assert!((found - wanted).abs() <= wanted.abs() / 256.0 + 1e-6);
            }
        }
    }

    /// Decoders refuse a tensor too many and one too few.
    #[test]
    fn a_decoder_takes_every_family() {
        for name in ["qwen3", "llama", "mistral"] {
            let shape = Shape::find(fixture(name).to_str().unwrap()).unwrap();
            let model = Checkpoint::of_shape(&shape, Dtype::F16);
            let facts = decoder::check(&model).unwrap();
            assert_eq!((facts.vocabulary, facts.tied), (shape.vocabulary, shape.tied), "{name}");
            assert!(model.prompter().is_err(), "there is no tokenizer");
        }
        let biased = Copy::of("llama");
        biased.set("config.json", "attention_bias", serde_json::json!(true));
        biased.set("config.json", "model_type", serde_json::json!("qwen2"));
        let shape = Shape::find(biased.file("config.json").to_str().unwrap()).unwrap();
        assert!(shape.qkv_bias && !shape.out_bias);
        decoder::check(&Checkpoint::of_shape(&shape, Dtype::F32)).unwrap();
        biased.set("config.json", "model_type", serde_json::json!("llama"));
        let shape = Shape::find(biased.path().to_str().unwrap()).unwrap();
        assert!(shape.qkv_bias && shape.out_bias);
        decoder::check(&Checkpoint::of_shape(&shape, Dtype::F32)).unwrap();
    }
}
