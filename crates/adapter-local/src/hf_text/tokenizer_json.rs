//! `tokenizer.json`: what the tokenizers library writes. The steps of a tokenizer stay JSON here; a
//! vocabulary of 150,000 tokens is taken in at once.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// A tokenizer.
#[derive(Debug, Deserialize)]
pub(crate) struct TokenizerJson {
    #[serde(default)]
    pub(crate) added_tokens: Vec<AddedToken>,
    #[serde(default)]
    pub(crate) normalizer: Value,
    #[serde(default)]
    pub(crate) pre_tokenizer: Value,
    #[serde(default)]
    pub(crate) post_processor: Value,
    #[serde(default)]
    pub(crate) decoder: Value,
    pub(crate) model: BpeJson,
}

/// A token that is found by its spelling before anything else happens to a text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct AddedToken {
    /// Absent in `tokenizer_config.json`, where it is the key.
    pub(crate) id: Option<u32>,
    pub(crate) content: String,
    /// White space before it belongs to it.
    #[serde(default)]
    pub(crate) lstrip: bool,
    /// White space after it belongs to it.
    #[serde(default)]
    pub(crate) rstrip: bool,
    #[serde(default)]
    pub(crate) single_word: bool,
    #[serde(default)]
    pub(crate) special: bool,
}

/// The model of a tokenizer, with the fields that byte-pair encoding has.
#[derive(Debug, Deserialize)]
pub(crate) struct BpeJson {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) vocab: VocabJson,
    #[serde(default)]
    pub(crate) merges: Vec<MergeJson>,
    pub(crate) dropout: Option<f32>,
    pub(crate) unk_token: Option<String>,
    pub(crate) continuing_subword_prefix: Option<String>,
    pub(crate) end_of_word_suffix: Option<String>,
    #[serde(default)]
    pub(crate) fuse_unk: bool,
    #[serde(default)]
    pub(crate) byte_fallback: bool,
    #[serde(default)]
    pub(crate) ignore_merges: bool,
}

/// Spellings and ids, in no particular order.
#[derive(Debug, Default)]
pub(crate) struct VocabJson(pub(crate) Vec<(String, u32)>);

impl<'de> Deserialize<'de> for VocabJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = VocabJson;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a vocabulary")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<VocabJson, A::Error> {
                let mut tokens = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    tokens.push(entry);
                }
                Ok(VocabJson(tokens))
            }

            /// Models that are not byte-pair encoders have lists; they are refused by their name.
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<VocabJson, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(VocabJson::default())
            }
        }

        deserializer.deserialize_any(Entries)
    }
}

/// Two tokens that become one: a line with a space between them, or a pair.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum MergeJson {
    Line(String),
    Pair((String, String)),
}
