//! Models as files that others read: a folder as a GGUF file, and a base with its adapters as a
//! folder again.
//!
//! What is written appears whole or not at all, replaces nothing, and takes the memory of one tensor
//! at most, whatever the model's size.

mod folder;
mod gguf;
mod place;
mod reorder;
mod texts;

#[cfg(test)]
mod tests;

pub use folder::{MergePlan, MergedFolder, merge_lora};
pub(crate) use gguf::GgufForm;
pub use place::WriteProgress;
pub(crate) use place::{Meter, place_for, refuse_existing};
#[cfg(test)]
pub(crate) use texts::entries as text_entries;
