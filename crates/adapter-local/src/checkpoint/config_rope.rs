//! What `config.json` says of rotary positions: `rope_parameters` of transformers 5, or
//! `rope_scaling` and `rope_theta` of older ones.

use super::config::Keys;
use super::parameters::MOST_CONTEXT;
use super::rope::{Llama3, RopeScaling, Yarn};
use crate::error::LoadError;

const USUAL_BASE: f32 = 10_000.0;

/// The base and how it is scaled; `context_length` is what the file says it is.
pub(super) fn read(
    keys: &Keys<'_>,
    context_length: usize,
) -> Result<(f32, RopeScaling), LoadError> {
    let outer = keys.positive("rope_theta", Some(USUAL_BASE))?;
    let table = match keys.table("rope_scaling")? {
        Some(table) => Some(table),
        None => keys.table("rope_parameters")?,
    };
    refuse_partial(keys)?;
    let Some(table) = table else { return Ok((outer, RopeScaling::None)) };
    refuse_partial(&table)?;
    if table.any("full_attention").is_some() || table.any("sliding_attention").is_some() {
        return Err(keys.refuse("RoPE that differs between kinds of layers"));
    }
    let base = table.positive("rope_theta", Some(outer))?;
    let kind = match table.text("rope_type")? {
        Some(kind) => Some(kind),
        None => table.text("type")?,
    };
    let scaling = match kind {
        None | Some("default") => RopeScaling::None,
        Some("linear") => RopeScaling::Linear(table.positive("factor", None)?),
        Some("llama3") => RopeScaling::Llama3(llama3(keys, &table, context_length)?),
        Some("yarn") => RopeScaling::Yarn(yarn(keys, &table, context_length)?),
        Some(other) => return Err(keys.refuse(&format!("RoPE scaling {other:?}"))),
    };
    Ok((base, scaling))
}

/// Refuses heads that are turned in part only.
fn refuse_partial(keys: &Keys<'_>) -> Result<(), LoadError> {
    if keys.positive("partial_rotary_factor", Some(1.0))? == 1.0 {
        return Ok(());
    }
    Err(keys.refuse("RoPE on a part of each head (partial_rotary_factor)"))
}

/// Positions that the model was trained on. What the file says outside the table comes first.
fn original(keys: &Keys<'_>, table: &Keys<'_>, context_length: usize) -> Result<usize, LoadError> {
    const KEY: &str = "original_max_position_embeddings";
    let inner = table.size_or(KEY, MOST_CONTEXT, context_length)?;
    keys.size_or(KEY, MOST_CONTEXT, inner)
}

fn llama3(keys: &Keys<'_>, table: &Keys<'_>, context_length: usize) -> Result<Llama3, LoadError> {
    let low_frequency = table.positive("low_freq_factor", None)?;
    let high_frequency = table.positive("high_freq_factor", None)?;
    if high_frequency <= low_frequency {
        return Err(table.wrong("high_freq_factor", "is not above low_freq_factor".into()));
    }
    Ok(Llama3 {
        factor: table.positive("factor", None)?,
        low_frequency,
        high_frequency,
        original_context: original(keys, table, context_length)?,
    })
}

fn yarn(keys: &Keys<'_>, table: &Keys<'_>, context_length: usize) -> Result<Yarn, LoadError> {
    let original_context = original(keys, table, context_length)?;
    let factor = table.positive("factor", Some(context_length as f32 / original_context as f32))?;
    // Zero counts as absent, as in transformers.
    let weight = |key: &str| -> Result<Option<f32>, LoadError> {
        match table.any(key).and_then(serde_json::Value::as_f64) {
            Some(0.0) => Ok(None),
            _ if table.any(key).is_none() => Ok(None),
            _ => table.positive(key, None).map(Some),
        }
    };
    let usual = match (weight("mscale")?, weight("mscale_all_dim")?) {
        (Some(mscale), Some(all)) => {
            Yarn::amplitude_for(factor, mscale) / Yarn::amplitude_for(factor, all)
        }
        _ => Yarn::amplitude_for(factor, 1.0),
    };
    Ok(Yarn {
        factor,
        original_context,
        beta_fast: weight("beta_fast")?.unwrap_or(Yarn::BETA_FAST),
        beta_slow: weight("beta_slow")?.unwrap_or(Yarn::BETA_SLOW),
        truncate: table.flag("truncate")?.unwrap_or(true),
        amplitude: table.positive("attention_factor", Some(usual as f32))?,
    })
}
