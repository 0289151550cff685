//! How exactly keys and values are kept, where that can be chosen, and what it takes.

use std::fmt;
use std::str::FromStr;

use kernels::{CacheNumber, F16, F32, Q8_0};
use ports::{Error, ErrorKind};

use crate::checkpoint::{Checkpoint, Parameters};
use crate::device::Device;

/// How keys and values are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum KvPrecision {
    /// Half the memory, and far more exact than the eight bits of a quantized model's activations.
    #[default]
    F16,
    /// As they were computed.
    F32,
    /// In bytes, with a scale for 32 of them: a little more than a quarter of the memory.
    Q8_0,
}

const WORDS: [(&str, KvPrecision); 3] =
    [("f16", KvPrecision::F16), ("q8_0", KvPrecision::Q8_0), ("f32", KvPrecision::F32)];

impl KvPrecision {
    /// What is asked for, or what is usual for a model.
    pub(crate) fn of(checkpoint: &Checkpoint, asked: Option<Self>) -> Self {
        let usual = if checkpoint.family().single { Self::F32 } else { Self::default() };
        asked.unwrap_or(usual)
    }

    /// The word that settings have for it.
    pub(crate) fn name(self) -> &'static str {
        WORDS.iter().find(|(_, one)| *one == self).map_or("", |(word, _)| word)
    }

    /// Bytes of a key or a value of one head of `size` numbers.
    fn head_bytes(self, size: usize) -> usize {
        match self {
            Self::F16 => F16::per_position(size) * size_of::<F16>(),
            Self::F32 => F32::per_position(size) * size_of::<F32>(),
            Self::Q8_0 => Q8_0::per_position(size) * size_of::<Q8_0>(),
        }
    }
}

impl fmt::Display for KvPrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for KvPrecision {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        let found = WORDS.iter().find(|(known, _)| *known == word).map(|(_, one)| *one);
        found.ok_or_else(|| {
            let message = format!("keys and values cannot be kept as {word:?}");
            Error::new(ErrorKind::ConfigInvalid, message)
                .with_hint(format!("kv_cache can be {}", WORDS.map(|(word, _)| word).join(", ")))
        })
    }
}

/// Bytes that keys and values of a model take per position.
pub(crate) fn bytes_per_position(parameters: &Parameters, precision: KvPrecision) -> u64 {
    let heads = 2 * parameters.layers as u64 * parameters.kv_heads as u64;
    heads * precision.head_bytes(parameters.head_size) as u64
}

/// Refuses what is asked for where keys and values are not kept so.
pub(crate) fn check_kv_cache(
    checkpoint: &Checkpoint,
    wanted: Option<KvPrecision>,
    device: Device,
) -> Result<(), Error> {
    use KvPrecision::{F16, Q8_0};
    let why = match (wanted, device) {
        (Some(F16 | Q8_0), _) if checkpoint.family().single => {
            format!("models of the architecture {} keep f32", checkpoint.family().name)
        }
        (Some(Q8_0), Device::Cuda(_)) => "a GPU keeps f16 or f32".to_owned(),
        _ => return Ok(()),
    };
    let message = format!("kv_cache is {}, but {why}", wanted.unwrap_or_default());
    Err(Error::new(ErrorKind::ConfigInvalid, message).with_hint("leave kv_cache out"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str) -> Checkpoint {
        let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        Checkpoint::open(&fixtures.join(name)).unwrap()
    }

    #[test]
    fn words_are_read_as_they_are_shown() {
        for (word, precision) in WORDS {
            assert_eq!(word.parse::<KvPrecision>().unwrap(), precision);
            assert_eq!(precision.to_string(), word);
        }
        let error = "q4_0".parse::<KvPrecision>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert_eq!(error.hint(), Some("kv_cache can be f16, q8_0, f32"));
    }

    #[test]
    fn a_position_takes_what_its_numbers_and_scales_take() {
        let llama = model("tiny-llama-f32.gguf");
        let p = llama.parameters();
        let numbers = (2 * p.layers * p.kv_width()) as u64;
        assert_eq!(bytes_per_position(p, KvPrecision::F32), 4 * numbers);
        assert_eq!(bytes_per_position(p, KvPrecision::F16), 2 * numbers);
        let scales = (2 * p.layers * p.kv_heads * p.head_size.div_ceil(32)) as u64;
        assert_eq!(bytes_per_position(p, KvPrecision::Q8_0), numbers + 2 * scales);
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let (ours, theirs) = (model("tiny-llama-f32.gguf"), model("hf/gemma3"));
        let [cpu, gpu] = [Device::Cpu, Device::Cuda(0)];
        let all = [None, Some(KvPrecision::F32), Some(KvPrecision::F16), Some(KvPrecision::Q8_0)];
        for (checkpoint, device, allowed) in
            [(&ours, cpu, 4), (&ours, gpu, 3), (&theirs, cpu, 2), (&theirs, gpu, 2)]
        {
            for (index, wanted) in all.into_iter().enumerate() {
                let checked = check_kv_cache(checkpoint, wanted, device);
                assert_eq!(checked.is_ok(), index < allowed, "{wanted:?} {device:?}");
                if let Err(error) = checked {
                    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
                    assert!(error.to_string().starts_with("kv_cache is "), "{error}");
                }
            }
        }
    }
}
