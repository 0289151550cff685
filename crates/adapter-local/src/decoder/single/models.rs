//! Candle's models, and what must be true of a checkpoint for each to be computed as it was trained.

use candle_core::{Error, Result, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::{gemma3, glm4_new, phi3};
use serde_json::{Value, json};

use super::settings::Settings;
use crate::error::LoadError;

/// A model and the keys and values of one sequence.
pub(super) trait Model: Send {
    /// The logits after the last of some tokens (1 x tokens), of which `offset` came before.
    fn forward(&mut self, tokens: &Tensor, offset: usize) -> Result<Tensor>;

    /// Forgets all tokens.
    fn clear(&mut self);

    /// Most tokens of a call when `offset` tokens came before.
    fn at_once(&self, _offset: usize) -> usize {
        512
    }
}

/// What candle needs to know.
enum Config {
    Gemma3(gemma3::Config),
    Glm4(glm4_new::Config),
    Phi3(phi3::Config),
}

/// Refuses what would be computed wrongly.
pub(super) fn check(settings: &Settings) -> std::result::Result<(), LoadError> {
    config(settings).map(drop)
}

/// The one match over architectures.
fn config(settings: &Settings) -> std::result::Result<Config, LoadError> {
    if settings.get("quantization_config").is_some() {
        return Err(settings.refuse("weights that are quantized in another form than GGUF"));
    }
    match settings.architecture {
        "gemma3_text" => gemma3_config(settings).map(Config::Gemma3),
        "glm4" => glm4_config(settings).map(Config::Glm4),
        "phi3" => phi3_config(settings).map(Config::Phi3),
        other => Err(settings.refuse(&format!("the architecture {other:?}"))),
    }
}

/// A model with its weights.
pub(super) fn load(settings: &Settings, weights: VarBuilder<'_>) -> Result<Box<dyn Model>> {
    Ok(match config(settings).map_err(|error| Error::Msg(error.to_string()))? {
        Config::Gemma3(config) => Box::new(Gemma3 {
            // With several heads of keys it takes tokens one by one only.
            first: if config.num_key_value_heads == 1 { config.sliding_window } else { 1 },
            model: gemma3::Model::new(false, &config, weights)?,
        }),
        Config::Glm4(config) => Box::new(glm4_new::ModelForCausalLM::new(&config, weights)?),
        Config::Phi3(config) => Box::new(phi3::Model::new(&config, weights)?),
    })
}

const USUAL_BASE: f64 = 10_000.0;

/// Layers with a window, and each so many without.
fn gemma3_config(settings: &Settings) -> std::result::Result<gemma3::Config, LoadError> {
    let (full, sliding) = (Some("full_attention"), Some("sliding_attention"));
    settings.refuse_scaling(full)?;
    settings.refuse_scaling(sliding)?;
    settings.refuse_scaling(None)?;
    settings.only("use_bidirectional_attention", &json!(false))?;
    // candle scales by the size of a head.
    settings.only("query_pre_attn_scalar", &json!(settings.size("head_dim")?))?;
    let usual = json!("gelu_pytorch_tanh");
    settings.only("hidden_activation", &usual)?;
    settings.only("tie_word_embeddings", &json!(true))?;
    let local = settings.rope_number(sliding, "rope_theta").filter(|_| {
        settings
            .get("rope_parameters")
            .is_some_and(|table| table.get("sliding_attention").is_some())
    });
    let local = local.or_else(|| settings.rope_number(None, "rope_local_base_freq"));
    settings.parse(json!({
        "attention_bias": settings.get("attention_bias").cloned().unwrap_or(json!(false)),
        "hidden_activation": usual,
        "rope_theta": settings.rope_number(full, "rope_theta").unwrap_or(1_000_000.0),
        "rope_local_base_freq": local.unwrap_or(USUAL_BASE),
        "sliding_window_pattern": pattern(settings)?,
    }))
}

/// Which layers have no window: each so many-th.
fn pattern(settings: &Settings) -> std::result::Result<usize, LoadError> {
    let said = ["sliding_window_pattern", "_sliding_window_pattern"];
    let said = said.iter().find(|key| settings.get(key).is_some());
    let Some(layers) = settings.get("layer_types").and_then(Value::as_array) else {
        return said.map_or(Ok(6), |key| settings.size(key));
    };
    let full = |layer: &Value| layer == "full_attention";
    let pattern = layers.iter().position(full).map_or(layers.len(), |first| first) + 1;
    let regular = (1..).zip(layers).all(|(number, layer)| (number % pattern == 0) == full(layer));
    if !regular || layers.len() != settings.size("num_hidden_layers")? {
        return Err(settings.wrong("layer_types", "does not repeat itself".to_owned()));
    }
    Ok(pattern)
}

fn glm4_config(settings: &Settings) -> std::result::Result<glm4_new::Config, LoadError> {
    settings.refuse_scaling(None)?;
    settings.only("hidden_act", &json!("silu"))?;
    let part = settings.rope_number(None, "partial_rotary_factor").unwrap_or(0.5);
    settings.parse(json!({
        "hidden_act": "silu",
        "partial_rotary_factor": part,
        "rope_theta": settings.rope_number(None, "rope_theta").unwrap_or(USUAL_BASE),
        "tie_word_embeddings": settings.get("tie_word_embeddings").cloned().unwrap_or(json!(false)),
        // Stop tokens are ours to know.
        "eos_token_id": null,
    }))
}

fn phi3_config(settings: &Settings) -> std::result::Result<phi3::Config, LoadError> {
    settings.refuse_scaling(None)?;
    settings.only("hidden_act", &json!("silu"))?;
    settings.only("attention_bias", &json!(false))?;
    settings.parse(json!({
        "hidden_act": "silu",
        "partial_rotary_factor": settings.rope_number(None, "partial_rotary_factor"),
        "rope_theta": settings.rope_number(None, "rope_theta").unwrap_or(USUAL_BASE),
        "bos_token_id": null,
        "eos_token_id": null,
    }))
}

/// Its masks know nothing of windows where something came before, and let one position too many
/// through where nothing did: a window's worth at first, then token by token.
struct Gemma3 {
    model: gemma3::Model,
    /// Most tokens of the first call.
    first: usize,
}

impl Model for Gemma3 {
    fn forward(&mut self, tokens: &Tensor, offset: usize) -> Result<Tensor> {
        self.model.forward(tokens, offset)
    }

    fn clear(&mut self) {
        self.model.clear_kv_cache();
    }

    fn at_once(&self, offset: usize) -> usize {
        if offset == 0 { self.first } else { 1 }
    }
}

impl Model for glm4_new::ModelForCausalLM {
    fn forward(&mut self, tokens: &Tensor, offset: usize) -> Result<Tensor> {
        Self::forward(self, tokens, offset)
    }

    fn clear(&mut self) {
        self.clear_kv_cache();
    }
}

impl Model for phi3::Model {
    fn forward(&mut self, tokens: &Tensor, offset: usize) -> Result<Tensor> {
        Self::forward(self, tokens, offset)
    }

    fn clear(&mut self) {
        self.clear_kv_cache();
    }
}
