//! LoRA adapters in PEFT's folders (`adapter_config.json`, `adapter_model.safetensors`), merged
//! into a model's matrices: W + scale x B A. Hu et al., "LoRA: Low-Rank Adaptation of Large
//! Language Models" (2021); scaling by the root of the rank: Kalajdzievski, "A Rank Stabilization
//! Scaling Factor for Fine-Tuning with LoRA" (2023).
//!
//! What would be merged wrongly is refused: other kinds of adapters, trained biases, replaced
//! modules, DoRA.

mod adapter;
mod config;
mod merge;

#[cfg(test)]
mod tests;

pub(crate) use adapter::Adapter;
pub(crate) use merge::Merged;
