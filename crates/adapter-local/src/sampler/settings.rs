//! Sampling options with every gap filled.

use domain::GenerationOptions;

use crate::catalogue::Sampling;
use crate::gguf::Metadata;
use crate::hf_text::GenerationConfig;

/// What applies where neither the request nor the model says anything: lively, but without the
/// improbable tail that makes small models lose the thread.
const DEFAULTS: SamplerSettings = SamplerSettings {
    temperature: 0.7,
    top_k: 40,
    top_p: 0.95,
    min_p: 0.05,
    repeat_penalty: 1.0,
    presence_penalty: 0.0,
    frequency_penalty: 0.0,
    seed: None,
};

/// Where the model recommends some filter: the others are off.
const UNFILTERED: SamplerSettings =
    SamplerSettings { top_k: 0, top_p: 1.0, min_p: 0.0, ..DEFAULTS };

/// How to choose tokens. The fields mean what they mean in [`GenerationOptions`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SamplerSettings {
    pub(crate) temperature: f32,
    /// 0 keeps all.
    pub(crate) top_k: usize,
    pub(crate) top_p: f32,
    pub(crate) min_p: f32,
    pub(crate) repeat_penalty: f32,
    pub(crate) presence_penalty: f32,
    pub(crate) frequency_penalty: f32,
    /// Fresh entropy where absent.
    pub(crate) seed: Option<u64>,
}

impl SamplerSettings {
    /// The model's own defaults (`general.sampling.*`), with ours where it has none. A model that
    /// recommends any filter is taken at its word: filters it does not name are off.
    pub(crate) fn of_model(metadata: &Metadata) -> Self {
        let key = |name: &str| format!("general.sampling.{name}");
        let fraction = |name: &str, low: f32, high: f32| {
            metadata.f32(&key(name)).filter(|value| (low..=high).contains(value))
        };
        let filters = ["top_k", "top_p", "min_p"].iter().any(|name| metadata.has(&key(name)));
        let base = if filters { UNFILTERED } else { DEFAULTS };
        let top_k = metadata.u32(&key("top_k")).map(|k| k as usize);
        Self {
            temperature: fraction("temp", 0.0, 10.0).unwrap_or(base.temperature),
            top_k: top_k.unwrap_or(base.top_k),
            top_p: fraction("top_p", f32::MIN_POSITIVE, 1.0).unwrap_or(base.top_p),
            min_p: fraction("min_p", 0.0, 1.0).unwrap_or(base.min_p),
            repeat_penalty: fraction("penalty_repeat", 0.01, 10.0).unwrap_or(base.repeat_penalty),
            ..base
        }
    }

    /// The same from a model folder. A model that does not want to be sampled is greedy.
    pub(crate) fn of_generation_config(config: &GenerationConfig) -> Self {
        let fraction = |value: Option<f32>, low: f32, high: f32| {
            value.filter(|value| (low..=high).contains(value))
        };
        let filters = config.top_k.is_some() || config.top_p.is_some() || config.min_p.is_some();
        let base = if filters { UNFILTERED } else { DEFAULTS };
        let temperature = match config.do_sample {
            Some(false) => Some(0.0),
            _ => fraction(config.temperature, 0.0, 10.0),
        };
        let top_k = config.top_k.map(|k| usize::try_from(k).unwrap_or(0));
        let penalty = fraction(config.repetition_penalty, 0.01, 10.0);
        Self {
            temperature: temperature.unwrap_or(base.temperature),
            top_k: top_k.unwrap_or(base.top_k),
            top_p: fraction(config.top_p, f32::MIN_POSITIVE, 1.0).unwrap_or(base.top_p),
            min_p: fraction(config.min_p, 0.0, 1.0).unwrap_or(base.min_p),
            repeat_penalty: penalty.unwrap_or(base.repeat_penalty),
            ..base
        }
    }

    /// These, with what the catalogue says in their place; as with a model's own words, filters
    /// that it does not name are off when it names one.
    pub(crate) fn with_sampling(self, sampling: &Sampling) -> Self {
        let filters =
            sampling.top_k.is_some() || sampling.top_p.is_some() || sampling.min_p.is_some();
        let base = if filters { Self { top_k: 0, top_p: 1.0, min_p: 0.0, ..self } } else { self };
        Self {
            temperature: sampling.temperature.unwrap_or(base.temperature),
            top_k: sampling.top_k.map_or(base.top_k, |k| k as usize),
            top_p: sampling.top_p.unwrap_or(base.top_p),
            min_p: sampling.min_p.unwrap_or(base.min_p),
            repeat_penalty: sampling.repeat_penalty.unwrap_or(base.repeat_penalty),
            ..base
        }
    }

    /// These, with what the request sets in their place.
    pub(crate) fn with_options(&self, options: &GenerationOptions) -> Self {
        Self {
            temperature: options.temperature.unwrap_or(self.temperature),
            top_k: options.top_k.map_or(self.top_k, |k| k as usize),
            top_p: options.top_p.unwrap_or(self.top_p),
            min_p: options.min_p.unwrap_or(self.min_p),
            repeat_penalty: options.repeat_penalty.unwrap_or(self.repeat_penalty),
            presence_penalty: options.presence_penalty.unwrap_or(self.presence_penalty),
            frequency_penalty: options.frequency_penalty.unwrap_or(self.frequency_penalty),
            seed: options.seed,
        }
    }
}

#[cfg(test)]
impl Default for SamplerSettings {
    fn default() -> Self {
        DEFAULTS
    }
}
