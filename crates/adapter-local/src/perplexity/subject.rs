//! A model and the text as it reads it, before anything is loaded.

use std::path::Path;

use ports::{Error, ErrorKind};

use crate::checkpoint::{Checkpoint, Dtype};
use crate::decoder::{self, Decoder, Facts, KvPrecision, LoadOptions};
use crate::memory::available_bytes;
use crate::prompt::Prompter;

/// A model that has been checked, and the tokens that a text is to it.
pub(super) struct Subject {
    checkpoint: Checkpoint,
    prompter: Prompter,
    facts: Facts,
    ids: Vec<u32>,
}

impl Subject {
    pub(super) fn open(path: &Path, text: &str) -> Result<Self, Error> {
        let checkpoint = Checkpoint::open(path)?;
        let prompter = checkpoint.prompter()?;
        let facts = decoder::check(&checkpoint)?;
        let ids = prompter.plain_ids(text)?;
        prompter.check_known(&ids, facts.vocabulary)?;
        Ok(Self { checkpoint, prompter, facts, ids })
    }

    /// Tokens of the text.
    pub(super) fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// Most tokens of a window.
    pub(super) fn context_length(&self) -> usize {
        self.facts.parameters.context_length
    }

    /// The token that a text begins with, where the tokenizer puts one there.
    pub(super) fn begins(&self) -> Option<u32> {
        let bos = self.prompter.tokenizer().vocabulary().bos();
        self.ids.first().copied().filter(|id| Some(*id) == bos)
    }

    /// Refuses a reference whose logits would be those of other tokens.
    pub(super) fn check_same_vocabulary(&self, reference: &Self) -> Result<(), Error> {
        let refuse = |difference: String| {
            let message = format!(
                "{} and {} have different vocabularies: {difference}",
                self.checkpoint.path().display(),
                reference.checkpoint.path().display()
            );
            let hint = "take the same model in more bits as reference, or another of its family";
            Err(Error::new(ErrorKind::InvalidRequest, message).with_hint(hint))
        };
        let (own, other) = (self.facts.vocabulary, reference.facts.vocabulary);
        if own != other {
            return refuse(format!("{own} tokens and {other}"));
        }
        let words = |subject: &Self| subject.prompter.tokenizer().vocabulary().len();
        let both = words(self).min(words(reference)).min(own) as u32;
        let bytes = |id: &u32| {
            let of = |subject: &Self| subject.prompter.tokenizer().vocabulary().bytes(*id).to_vec();
            (of(self), of(reference))
        };
        if let Some(id) = (0..both).find(|id| {
            let (own, other) = bytes(id);
            own != other
        }) {
            let (own, other) = bytes(&id);
            let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            return refuse(format!("token {id} is {:?} and {:?}", shown(&own), shown(&other)));
        }
        if self.ids != reference.ids {
            return refuse("they cut the text into different tokens".to_owned());
        }
        Ok(())
    }

    /// The text's tokens, and the model as it is always computed.
    pub(super) fn load(
        self,
        threads: Option<usize>,
    ) -> Result<(Vec<u32>, Box<dyn Decoder>), Error> {
        let options = LoadOptions { threads, ..LoadOptions::default() };
        Ok((self.ids, decoder::load(&self.checkpoint, &options)?))
    }

    /// The model with nothing rounded that is not stored so: quantized matrices become the f32
    /// numbers that they stand for, and keys and values stay f32.
    pub(super) fn load_exactly(self, threads: Option<usize>) -> Result<Box<dyn Decoder>, Error> {
        let options = LoadOptions { threads, kv_cache: KvPrecision::F32, ..LoadOptions::default() };
        let checkpoint = exact(self.checkpoint, available_bytes())?;
        Ok(decoder::load(&checkpoint, &options)?)
    }
}

/// The same model without quantized matrices; refused where `available` bytes do not hold them.
fn exact(checkpoint: Checkpoint, available: Option<u64>) -> Result<Checkpoint, Error> {
    let source = checkpoint.tensors();
    let facts = || source.names().into_iter().filter_map(|name| source.facts(name));
    if !facts().any(|facts| facts.kind.block().0 > 1) {
        return Ok(checkpoint);
    }
    let numbers: usize = facts().map(|facts| facts.shape.iter().product::<usize>()).sum();
    let bytes = 4 * numbers as u64;
    match available {
        Some(available) if bytes > available => {
            let gb = |bytes: u64| bytes as f64 / 1e9;
            let message = format!(
                "{} in f32 needs {:.1} GB of memory, but only {:.1} GB are available",
                checkpoint.path().display(),
                gb(bytes),
                gb(available)
            );
            let hint = "take a file in half precision as reference: it stays on the disk";
            Err(Error::new(ErrorKind::OutOfMemory, message).with_hint(hint))
        }
        _ => Ok(checkpoint.with_dtype(Dtype::F32)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny(name: &str) -> Checkpoint {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        Checkpoint::open(&fixtures.join(name)).unwrap()
    }

    #[test]
    fn a_reference_that_does_not_fit_is_refused_and_one_that_is_mapped_needs_nothing() {
        let error = exact(tiny("tiny-qwen3-q8_0.gguf"), Some(1000)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        assert!(error.to_string().contains("in f32 needs"), "{error}");
        assert!(error.hint().unwrap().contains("half precision"));
        let wide = exact(tiny("tiny-qwen3-q8_0.gguf"), None).unwrap();
        let source = wide.tensors();
        let all = source.names().into_iter().filter_map(|name| source.facts(name));
        assert!(all.into_iter().all(|facts| facts.kind.block().0 == 1));
        exact(tiny("tiny-qwen3-f32.gguf"), Some(0)).unwrap();
    }
}
