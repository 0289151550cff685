//! Mixtures of storage types under the names that users know.

use std::fmt;
use std::str::FromStr;

use crate::gguf::GgmlType;

/// How a model's matrices are stored: a type, or a mixture that spends more bits where they count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// One type for all matrices.
    Plain(GgmlType),
    /// Q4_K, with Q6_K for the output and for half of the values and down projections.
    Q4Km,
    /// Q5_K, with Q6_K for the same.
    Q5Km,
}

/// Every name, the type or mixture, and the number that GGUF files carry for it
/// (`general.file_type`, llama.cpp's `llama_ftype`).
const NAMES: [(&str, Scheme, u32); 13] = [
    ("f32", Scheme::Plain(GgmlType::F32), 0),
    ("f16", Scheme::Plain(GgmlType::F16), 1),
    ("bf16", Scheme::Plain(GgmlType::Bf16), 32),
    ("q4_0", Scheme::Plain(GgmlType::Q4_0), 2),
    ("q4_1", Scheme::Plain(GgmlType::Q4_1), 3),
    ("q5_0", Scheme::Plain(GgmlType::Q5_0), 8),
    ("q5_1", Scheme::Plain(GgmlType::Q5_1), 9),
    ("q8_0", Scheme::Plain(GgmlType::Q8_0), 7),
    ("q4_k_s", Scheme::Plain(GgmlType::Q4K), 14),
    ("q4_k_m", Scheme::Q4Km, 15),
    ("q5_k_s", Scheme::Plain(GgmlType::Q5K), 16),
    ("q5_k_m", Scheme::Q5Km, 17),
    ("q6_k", Scheme::Plain(GgmlType::Q6K), 18),
];

impl Scheme {
    /// The type of a tensor with this name and shape in a model of `layers` layers.
    pub(crate) fn kind(self, name: &str, shape: &[usize], layers: usize, tied: bool) -> GgmlType {
        if !is_matrix(name, shape) {
            return GgmlType::F32;
        }
        let columns = shape.last().copied().unwrap_or(1);
        fitting(self.wanted(name, layers, tied), columns)
    }

    fn wanted(self, name: &str, layers: usize, tied: bool) -> GgmlType {
        let (base, mixture) = match self {
            Self::Plain(kind) => (kind, false),
            Self::Q4Km => (GgmlType::Q4K, true),
            Self::Q5Km => (GgmlType::Q5K, true),
        };
        let is_k = matches!(base, GgmlType::Q4K | GgmlType::Q5K);
        let is_output = name == "output.weight" || (tied && name == "token_embd.weight");
        if is_output && (is_k || matches!(base, GgmlType::Q4_0 | GgmlType::Q4_1)) {
            return GgmlType::Q6K;
        }
        let counts = name.ends_with("attn_v.weight") || name.ends_with("ffn_down.weight");
        if mixture && counts && takes_more(layer_of(name), layers) {
            return GgmlType::Q6K;
        }
        base
    }

    /// The number of the mixture in GGUF files.
    pub(crate) fn file_type(self) -> u32 {
        NAMES.iter().find(|(_, scheme, _)| *scheme == self).map_or(0, |(_, _, number)| *number)
    }

    /// Every name, for messages and help.
    pub(crate) fn known() -> String {
        NAMES.map(|(name, ..)| name).join(", ")
    }
}

/// Vectors and norms stay as they are: they are small, and every number of them counts.
fn is_matrix(name: &str, shape: &[usize]) -> bool {
    shape.iter().filter(|n| **n > 1).count() > 1 && name.ends_with(".weight")
}

/// The first and last eighth of the layers, and every third between them (llama.cpp's rule).
fn takes_more(layer: usize, layers: usize) -> bool {
    let eighth = layers / 8;
    layer < eighth || layer >= 7 * layers / 8 || layer.saturating_sub(eighth) % 3 == 2
}

fn layer_of(name: &str) -> usize {
    let digits = name.strip_prefix("blk.").and_then(|rest| rest.split('.').next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The type, or the nearest one whose blocks fill rows of `columns`.
fn fitting(kind: GgmlType, columns: usize) -> GgmlType {
    if columns.is_multiple_of(kind.block().0) {
        return kind;
    }
    let smaller = match kind {
        GgmlType::Q2K | GgmlType::Q3K => GgmlType::Q4_0,
        GgmlType::Q4K => GgmlType::Q5_0,
        GgmlType::Q5K => GgmlType::Q5_1,
        GgmlType::Q6K | GgmlType::Q8K => GgmlType::Q8_0,
        _ => GgmlType::F16,
    };
    fitting(smaller, columns)
}

impl FromStr for Scheme {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let lower = name.to_ascii_lowercase();
        let name = match lower.as_str() {
            "q4_k" => "q4_k_m",
            "q5_k" => "q5_k_m",
            other => other,
        };
        let found = NAMES.iter().find(|(known, ..)| *known == name);
        found
            .map(|(_, scheme, _)| *scheme)
            .ok_or_else(|| format!("there is no quantization {name:?}; known: {}", Self::known()))
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, scheme, _)| scheme == self).map_or("", |(name, ..)| name);
        f.write_str(name)
    }
}
