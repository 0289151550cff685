//! What `adapter_config.json` says of an adapter.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{LoadCause, LoadError};

const FILE: &str = "adapter_config.json";
/// Real ones have a few kB.
const LARGEST: u64 = 1 << 20;
/// More than any matrix has rows.
const HIGHEST_RANK: usize = 1 << 16;

/// Keys that say nothing about how the product is merged. Everything else must be unset: a later
/// kind of adapter is refused, not merged as if it were a plain one.
const IDLE: [&str; 20] = [
    "auto_mapping",
    "base_model_name_or_path",
    "eva_config",
    "exclude_modules",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "lora_dropout",
    "megatron_config",
    "megatron_core",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "r",
    "lora_alpha",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
    "use_rslora",
];

/// The keys that are computed with.
#[derive(Debug, Deserialize)]
struct Raw {
    r: Option<usize>,
    lora_alpha: Option<f64>,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    rank_pattern: BTreeMap<String, usize>,
    #[serde(default)]
    alpha_pattern: BTreeMap<String, f64>,
}

/// How strongly each module's delta counts.
#[derive(Debug)]
pub(super) struct AdapterConfig {
    rank: usize,
    alpha: f64,
    rank_stabilized: bool,
    ranks: Vec<(Regex, usize)>,
    alphas: Vec<(Regex, f64)>,
}

impl AdapterConfig {
    pub(super) fn read(folder: &Path) -> Result<Self, LoadError> {
        let path = folder.join(FILE);
        let failed = |cause| LoadError::new(&path, cause);
        let about = fs::metadata(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => LoadError::new(folder, LoadCause::NoAdapter),
            _ => failed(LoadCause::Io(error)),
        })?;
        if about.len() > LARGEST {
            let what = "its size".to_owned();
            return Err(failed(LoadCause::Absurd { what, value: about.len(), most: LARGEST }));
        }
        let bytes = fs::read(&path).map_err(|error| failed(LoadCause::Io(error)))?;
        Self::parse(&bytes).map_err(failed)
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, LoadCause> {
        let json = |error: serde_json::Error| LoadCause::Json {
            what: "the adapter's configuration".into(),
            problem: error.to_string(),
        };
        let all: Map<String, Value> = serde_json::from_slice(bytes).map_err(json)?;
        refuse_others(&all)?;
        let raw = Raw::deserialize(Value::Object(all)).map_err(json)?;
        let wrong =
            |problem: &str| LoadCause::Metadata { key: "r".into(), problem: problem.into() };
        let rank = raw.r.ok_or_else(|| LoadCause::MissingKey("r".into()))?;
        let all_ranks = raw.rank_pattern.values().chain([&rank]);
        if all_ranks.into_iter().any(|rank| !(1..=HIGHEST_RANK).contains(rank)) {
            return Err(wrong("is no rank of a matrix"));
        }
        let alpha = raw.lora_alpha.ok_or_else(|| LoadCause::MissingKey("lora_alpha".into()))?;
        Ok(Self {
            rank,
            alpha,
            rank_stabilized: raw.use_rslora,
            ranks: patterns(raw.rank_pattern)?,
            alphas: patterns(raw.alpha_pattern)?,
        })
    }

    /// The rank that a module's matrices must have.
    pub(super) fn rank(&self, module: &str) -> usize {
        let found = self.ranks.iter().find(|(pattern, _)| pattern.is_match(module));
        found.map_or(self.rank, |(_, rank)| *rank)
    }

    /// What B A is multiplied by.
    pub(super) fn scale(&self, module: &str) -> f64 {
        let found = self.alphas.iter().find(|(pattern, _)| pattern.is_match(module));
        let alpha = found.map_or(self.alpha, |(_, alpha)| *alpha);
        let rank = self.rank(module) as f64;
        alpha / if self.rank_stabilized { rank.sqrt() } else { rank }
    }
}

/// Refuses what merging B A into matrices does not cover.
fn refuse_others(all: &Map<String, Value>) -> Result<(), LoadCause> {
    if let Some(kind) = all.get("peft_type").filter(|kind| *kind != "LORA") {
        return Err(LoadCause::Adapter(format!("the peft_type {kind}")));
    }
    let is_set = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    };
    let is_plain = |key: &str, value: &Value| match key {
        "rank_pattern" | "alpha_pattern" => true,
        "bias" => value == "none",
        // Other starting points change the base model's weights before training.
        "init_lora_weights" => value.is_boolean() || value == "gaussian" || value == "eva",
        _ => IDLE.contains(&key),
    };
    match all.iter().find(|(key, value)| is_set(value) && !is_plain(key, value)) {
        Some((key, value)) => {
            let value: String = value.to_string().chars().take(80).collect();
            Err(LoadCause::Adapter(format!("{key} = {value}")))
        }
        None => Ok(()),
    }
}

/// PEFT looks a module up by `(.*\.)?(KEY)$`.
fn patterns<T>(map: BTreeMap<String, T>) -> Result<Vec<(Regex, T)>, LoadCause> {
    let compile = |(key, value): (String, T)| {
        let pattern = Regex::new(&format!(r"^(.*\.)?({key})$"));
        let wrong = |error: regex::Error| LoadCause::Metadata {
            key: "rank_pattern".into(),
            problem: format!("has the pattern {key:?}: {error}"),
        };
        pattern.map(|pattern| (pattern, value)).map_err(wrong)
    };
    map.into_iter().map(compile).collect()
}
