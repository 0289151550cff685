//! How to generate. Every option is optional: unset means the provider's own default.

use serde::{Deserialize, Serialize};

use crate::Capability;

/// Whether a reasoning model should think before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Think {
    /// Think.
    On,
    /// Answer at once.
    Off,
    /// As the model's template does by itself.
    Auto,
}

/// Sampling, limits and what to report. An option that a provider cannot honour is refused by it,
/// never ignored and never clamped.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GenerationOptions {
    /// Most tokens to generate, reasoning included; reaching it ends with `Length`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// 0 is greedy; higher is more random. In `0.0..=10.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// Keep the most probable tokens until their probabilities sum to this. In `(0.0, 1.0]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f32>,
    /// Keep this many of the most probable tokens; 0 keeps all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// Drop tokens less probable than this share of the most probable one. In `0.0..=1.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f32>,
    /// Divides (or, for negative logits, multiplies) the logits of tokens already seen; 1 is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f32>,
    /// Subtracted once from the logits of tokens already generated. In `-2.0..=2.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f32>,
    /// Subtracted from a generated token's logit once for each time it occurred. In `-2.0..=2.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f32>,
    /// Same seed, same request, same text, where the provider declares it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Texts that end the generation; they are not part of the answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// Whether to think first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub think: Option<Think>,
    /// Most tokens of reasoning before the answer is forced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking_budget: Option<u32>,
    /// Report each generated token's log-probability and this many of the most probable ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<u32>,
}

/// An option outside its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{option} is {value}, but it must be {must}")]
pub struct InvalidOption {
    /// The option's name in configuration and on the wire.
    pub option: &'static str,
    /// What was given.
    pub value: String,
    /// What would do.
    pub must: &'static str,
}

/// Most stop sequences that a request may carry.
pub(crate) const MAX_STOP_SEQUENCES: usize = 64;
/// Most alternatives a token that a request may ask for.
pub(crate) const MAX_LOGPROBS: u32 = 1000;

impl GenerationOptions {
    /// These options, with gaps filled from `defaults`.
    #[must_use]
    pub fn or(self, defaults: &Self) -> Self {
        Self {
            max_tokens: self.max_tokens.or(defaults.max_tokens),
            temperature: self.temperature.or(defaults.temperature),
            top_p: self.top_p.or(defaults.top_p),
            top_k: self.top_k.or(defaults.top_k),
            min_p: self.min_p.or(defaults.min_p),
            repeat_penalty: self.repeat_penalty.or(defaults.repeat_penalty),
            presence_penalty: self.presence_penalty.or(defaults.presence_penalty),
            frequency_penalty: self.frequency_penalty.or(defaults.frequency_penalty),
            seed: self.seed.or(defaults.seed),
            stop: if self.stop.is_empty() { defaults.stop.clone() } else { self.stop },
            think: self.think.or(defaults.think),
            thinking_budget: self.thinking_budget.or(defaults.thinking_budget),
            logprobs: self.logprobs.or(defaults.logprobs),
        }
    }

    /// What a provider must be capable of to honour the options that are set.
    pub fn needs(&self) -> Vec<Capability> {
        let set = [
            (self.max_tokens.is_some(), Capability::MaxTokens),
            (self.temperature.is_some(), Capability::Temperature),
            (self.top_p.is_some(), Capability::TopP),
            (self.top_k.is_some(), Capability::TopK),
            (self.min_p.is_some(), Capability::MinP),
            (self.repeat_penalty.is_some(), Capability::RepeatPenalty),
            (self.presence_penalty.is_some(), Capability::PresencePenalty),
            (self.frequency_penalty.is_some(), Capability::FrequencyPenalty),
            (self.seed.is_some(), Capability::Seed),
            (!self.stop.is_empty(), Capability::Stop),
            (matches!(self.think, Some(Think::On | Think::Off)), Capability::Think),
            (self.thinking_budget.is_some(), Capability::ThinkingBudget),
            (self.logprobs.is_some(), Capability::Logprobs),
        ];
        set.into_iter().filter_map(|(is_set, capability)| is_set.then_some(capability)).collect()
    }

    /// Checks every option's range.
    ///
    /// # Errors
    /// [`InvalidOption`] names the first that is out of range.
    pub fn validate(&self) -> Result<(), InvalidOption> {
        if self.max_tokens == Some(0) {
            return Err(refused("max_tokens", 0, "at least 1"));
        }
        within("temperature", self.temperature, 0.0, 10.0, "between 0 and 10")?;
        within("top_p", self.top_p, f32::MIN_POSITIVE, 1.0, "above 0 and at most 1")?;
        within("min_p", self.min_p, 0.0, 1.0, "between 0 and 1")?;
        within("repeat_penalty", self.repeat_penalty, 0.01, 10.0, "between 0.01 and 10")?;
        within("presence_penalty", self.presence_penalty, -2.0, 2.0, "between -2 and 2")?;
        within("frequency_penalty", self.frequency_penalty, -2.0, 2.0, "between -2 and 2")?;
        if self.stop.len() > MAX_STOP_SEQUENCES {
            return Err(refused("stop", self.stop.len(), "at most 64 sequences"));
        }
        if self.stop.iter().any(String::is_empty) {
            return Err(refused("stop", "an empty text", "a non-empty text"));
        }
        match self.logprobs {
            Some(n) if n > MAX_LOGPROBS => Err(refused("logprobs", n, "at most 1000")),
            _ => Ok(()),
        }
    }
}

fn within(
    option: &'static str,
    value: Option<f32>,
    low: f32,
    high: f32,
    must: &'static str,
) -> Result<(), InvalidOption> {
    match value {
        Some(v) if !(low..=high).contains(&v) => Err(refused(option, v, must)),
        _ => Ok(()),
    }
}

fn refused(option: &'static str, value: impl ToString, must: &'static str) -> InvalidOption {
    InvalidOption { option, value: value.to_string(), must }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_needs_nothing_and_is_valid() {
        let options = GenerationOptions::default();
        assert!(options.needs().is_empty());
        assert_eq!(options.validate(), Ok(()));
    }

    #[test]
    fn out_of_range_and_not_a_number_are_refused_by_name() {
        for (options, name) in [
            (
                GenerationOptions { temperature: Some(f32::NAN), ..Default::default() },
                "temperature",
            ),
            (GenerationOptions { top_p: Some(0.0), ..Default::default() }, "top_p"),
            (GenerationOptions { max_tokens: Some(0), ..Default::default() }, "max_tokens"),
            (GenerationOptions { stop: vec![String::new()], ..Default::default() }, "stop"),
        ] {
            assert_eq!(options.validate().map_err(|e| e.option), Err(name));
        }
    }

    #[test]
    fn gaps_are_filled_but_what_is_set_wins() {
        let defaults = GenerationOptions { seed: Some(1), top_k: Some(4), ..Default::default() };
        let merged = GenerationOptions { seed: Some(2), ..Default::default() }.or(&defaults);
        assert_eq!((merged.seed, merged.top_k), (Some(2), Some(4)));
    }

    #[test]
    fn think_auto_asks_nothing_of_a_provider() {
        let auto = GenerationOptions { think: Some(Think::Auto), ..Default::default() };
        assert!(auto.needs().is_empty());
    }
}
