//! Byte-pair encoders whose steps are not ours: normalizer and pre-tokenizer as `tokenizer.json` puts
//! them together, run by the tokenizers library.

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokenizers::models::bpe::BPE;
use tokenizers::{
    Model, Normalizer, NormalizerWrapper, OffsetReferential, OffsetType, PreTokenizedString,
    PreTokenizer, PreTokenizerWrapper,
};

use super::TokenizerError;

/// Steps that are known to be safe with arbitrary files and texts, and make sense for text that a
/// model continues.
const NORMALIZERS: [&str; 9] =
    ["Sequence", "NFC", "NFD", "NFKC", "NFKD", "Replace", "Prepend", "Lowercase", "Strip"];
const PRE_TOKENIZERS: [&str; 7] =
    ["Sequence", "Split", "ByteLevel", "Metaspace", "Digits", "Punctuation", "WhitespaceSplit"];

/// Encodes plain text.
#[derive(Debug)]
pub(super) struct Pipeline {
    normalizer: Option<NormalizerWrapper>,
    /// For the beginning of a text.
    first: Option<PreTokenizerWrapper>,
    /// For what comes after a control token.
    later: Option<PreTokenizerWrapper>,
    model: BPE,
}

impl Pipeline {
    pub(super) fn new(
        normalizer: &Value,
        pre_tokenizer: &Value,
        model: BPE,
    ) -> Result<Self, TokenizerError> {
        check(normalizer, "normalizer", &NORMALIZERS)?;
        check(pre_tokenizer, "pre-tokenizer", &PRE_TOKENIZERS)?;
        let later = without_first_space(pre_tokenizer.clone());
        Ok(Self {
            normalizer: step(normalizer)?,
            first: step(pre_tokenizer)?,
            later: step(&later)?,
            model,
        })
    }

    /// `first` says that the text begins here.
    pub(super) fn encode(
        &self,
        text: &str,
        first: bool,
        ids: &mut Vec<u32>,
    ) -> Result<(), TokenizerError> {
        let pre_tokenizer = if first { &self.first } else { &self.later };
        self.try_encode(text, pre_tokenizer.as_ref(), ids)
            .map_err(|error| TokenizerError::Damaged(error.to_string()))
    }

    fn try_encode(
        &self,
        text: &str,
        pre_tokenizer: Option<&PreTokenizerWrapper>,
        ids: &mut Vec<u32>,
    ) -> tokenizers::Result<()> {
        let mut words = PreTokenizedString::from(text);
        if let Some(normalizer) = &self.normalizer {
            words.normalize(|word| normalizer.normalize(word))?;
        }
        if let Some(pre_tokenizer) = pre_tokenizer {
            pre_tokenizer.pre_tokenize(&mut words)?;
        }
        for (word, ..) in words.get_splits(OffsetReferential::Normalized, OffsetType::None) {
            ids.extend(self.model.tokenize(word)?.iter().map(|token| token.id));
        }
        Ok(())
    }
}

/// Whether all steps are known.
fn check(value: &Value, what: &'static str, known: &[&str]) -> Result<(), TokenizerError> {
    if value.is_null() {
        return Ok(());
    }
    let name = value.get("type").and_then(Value::as_str).unwrap_or_default();
    if !known.contains(&name) {
        let (found, known) = (name.to_owned(), known.join(", "));
        return Err(TokenizerError::Unknown { what, found, known });
    }
    inner(value).try_for_each(|step| check(step, what, known))
}

/// The steps of a sequence.
fn inner(value: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["normalizers", "pretokenizers"].into_iter().filter_map(|key| value.get(key));
    lists.filter_map(Value::as_array).flatten()
}

fn step<T: DeserializeOwned>(value: &Value) -> Result<Option<T>, TokenizerError> {
    let step: Result<Option<T>, _> = serde_json::from_value(value.clone());
    step.map_err(|error| TokenizerError::Damaged(error.to_string()))
}

/// Some put a space in front of a text, but not in front of each of its pieces.
fn without_first_space(mut value: Value) -> Value {
    if let Some(scheme) = value.get_mut("prepend_scheme")
        && scheme == "first"
    {
        *scheme = "never".into();
    }
    if let Some(steps) = value.get_mut("pretokenizers").and_then(Value::as_array_mut) {
        steps.iter_mut().for_each(|step| *step = without_first_space(step.take()));
    }
    value
}
