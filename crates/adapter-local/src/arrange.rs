//! A checkpoint with what the settings ask of its numbers: adapters merged first, then other types.

use std::sync::Arc;

use crate::checkpoint::Checkpoint;
use crate::config::{LocalConfig, LoraSetting};
use crate::error::LoadError;
use crate::lora::{Adapter, Merged};
use crate::quantize::Quantized;

/// The checkpoint as `config` wants it. Nothing is computed before its tensors are asked for.
pub(crate) fn arrange(
    checkpoint: Checkpoint,
    config: &LocalConfig,
) -> Result<Checkpoint, LoadError> {
    let mut checkpoint = with_adapters(checkpoint, &config.lora)?;
    if let Some(dtype) = config.dtype {
        checkpoint = checkpoint.with_dtype(dtype);
    }
    if let Some(scheme) = config.quant {
        checkpoint.refuse_single("quantization")?;
        let base = Arc::clone(checkpoint.tensors());
        let quantized = Quantized::new(base, scheme, checkpoint.parameters().layers)?;
        checkpoint = checkpoint.with_tensors(Arc::new(quantized));
    }
    Ok(checkpoint)
}

/// The checkpoint with these adapters merged into it.
pub(crate) fn with_adapters(
    checkpoint: Checkpoint,
    lora: &[LoraSetting],
) -> Result<Checkpoint, LoadError> {
    if lora.is_empty() {
        return Ok(checkpoint);
    }
    checkpoint.refuse_single("adapters")?;
    let adapters = lora.iter().map(|lora| Adapter::open(&lora.path, lora.scale));
    let adapters = adapters.collect::<Result<_, _>>()?;
    let base = Arc::clone(checkpoint.tensors());
    let merged = Merged::new(base, checkpoint.family(), checkpoint.parameters(), adapters)?;
    Ok(checkpoint.with_tensors(Arc::new(merged)))
}
