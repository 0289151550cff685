//! The tokenizer of a model folder in the words of GGUF files.
//!
//! GGUF files name a tokenizer's steps instead of having them, so only what a name stands for can be
//! written. Everything else is refused: a file that cuts texts in other places is another model.

use serde_json::Value;

use super::folder::{Described, own_steps};
use super::pre_tokenizer::PreTokenizer;
use super::{TokenKind, TokenizerError};
use crate::hf_text::{HfText, MergeJson, TextError, TokenizerConfig, TokenizerJson};

/// Whether texts are brought to normal form C, in files whose pre-tokenizer's name does not say it.
/// Other programs pass over this key.
pub(crate) const NFC: &str = "textport.tokenizer.nfc";
/// The names of [`own_steps`].
const KNOWN: &str = "gpt-2, smollm, qwen2, qwen35, llama-bpe";

/// A byte-level tokenizer as GGUF files have it (`tokenizer.ggml.model` = `gpt2`).
#[derive(Debug)]
pub(crate) struct GgufTokenizer {
    /// The name of its pre-tokenizer.
    pub(crate) pre: &'static str,
    /// [`NFC`], where the name stands for something else.
    pub(crate) nfc: Option<bool>,
    /// Spellings and kinds; as many as the model has logits.
    pub(crate) tokens: Vec<(String, TokenKind)>,
    /// Pairs with a space between them.
    pub(crate) merges: Vec<String>,
    /// Tokens with a role, by the role's name.
    pub(crate) roles: Vec<(&'static str, u32)>,
    /// Texts begin with the beginning-of-text token.
    pub(crate) add_bos: bool,
}

impl GgufTokenizer {
    /// Reads the tokenizer of a folder whose model has `logits`.
    pub(crate) fn of_folder(text: &HfText, logits: usize) -> Result<Self, TextError> {
        text.with_tokenizer(|json| {
            let described = Described::of(&json, text.config(), text.generation())?;
            let (pre, nfc) = steps(&json)?;
            refuse_strips(&described)?;
            let roles = roles(&described, text.config())?;
            let tokens = tokens(&described, logits)?;
            let add_bos = described.begins;
            let merges = json.model.merges.iter().map(merge).collect::<Result<_, _>>()?;
            Ok(Self { pre, nfc, tokens, merges, roles, add_bos })
        })
    }
}

fn refused<T>(what: impl Into<String>) -> Result<T, TokenizerError> {
    Err(TokenizerError::NotInGguf(what.into()))
}

/// The name that stands for the tokenizer's steps.
fn steps(json: &TokenizerJson) -> Result<(&'static str, Option<bool>), TokenizerError> {
    let Some((pre, nfc)) = own_steps(&json.normalizer, &json.pre_tokenizer) else {
        let (normalizer, cut) = (shown(&json.normalizer), shown(&json.pre_tokenizer));
        return refused(format!("a pre-tokenizer ({normalizer}, {cut}) that is none of {KNOWN}"));
    };
    let named = PreTokenizer::named(Some(pre))?;
    let ignore_merges = json.model.ignore_merges;
    if ignore_merges != named.ignores_merges() {
        return refused(format!("ignore_merges = {ignore_merges} with the pre-tokenizer {pre}"));
    }
    if json.model.byte_fallback {
        return refused("a fallback to bytes beside the letters that stand for bytes");
    }
    Ok((pre, (nfc != named.wants_nfc()).then_some(nfc)))
}

/// The kind of a step, with those inside it.
fn shown(step: &Value) -> String {
    let inner = ["normalizers", "pretokenizers"].iter().find_map(|key| step[*key].as_array());
    match inner {
        Some(steps) => steps.iter().map(shown).collect::<Vec<_>>().join(" + "),
        None => step["type"].as_str().unwrap_or("no step").to_owned(),
    }
}

fn refuse_strips(described: &Described<'_>) -> Result<(), TokenizerError> {
    let strips = described.tokens.strips.iter();
    let mut strips = strips.filter(|(_, strip)| strip.before || strip.after);
    match strips.next() {
        None => Ok(()),
        Some((id, _)) => {
            let text = described.tokens.text(*id).unwrap_or_default();
            refused(format!("the token {text:?}, which takes the white space beside it along"))
        }
    }
}

fn roles(
    described: &Described<'_>,
    config: &TokenizerConfig,
) -> Result<Vec<(&'static str, u32)>, TokenizerError> {
    let vocabulary = &described.vocabulary;
    let id = |text: Option<&str>| text.and_then(|text| described.tokens.id(text));
    let mut roles = vec![
        ("bos", vocabulary.bos()),
        ("eos", vocabulary.eos()),
        ("padding", id(config.pad_token())),
        ("unknown", id(config.unk_token())),
    ];
    // The only other roles that end an answer.
    let mut others = ["eot", "eom"].into_iter();
    for ending in vocabulary.named_endings() {
        let Some(role) = others.next() else {
            return refused("more than three tokens that end an answer");
        };
        roles.push((role, Some(ending)));
    }
    Ok(roles.into_iter().filter_map(|(role, id)| Some((role, id?))).collect())
}

/// All tokens, and names for the rows of the model that no token has.
fn tokens(
    described: &Described<'_>,
    logits: usize,
) -> Result<Vec<(String, TokenKind)>, TokenizerError> {
    let vocabulary = &described.vocabulary;
    if vocabulary.len() > logits {
        let problem = format!("{} tokens, but the model has {logits} logits", vocabulary.len());
        return Err(TokenizerError::Damaged(problem));
    }
    let token = |id: u32| match described.tokens.text(id) {
        Some(text) => (text.to_owned(), vocabulary.kind(id)),
        None => {
            let mut name = format!("[PAD{id}]");
            while described.tokens.id(&name).is_some() {
                name.push('_');
            }
            (name, TokenKind::Unused)
        }
    };
    Ok((0..logits as u32).map(token).collect())
}

fn merge(merge: &MergeJson) -> Result<String, TokenizerError> {
    match merge {
        MergeJson::Line(line) => Ok(line.clone()),
        MergeJson::Pair((left, right)) if !left.contains(' ') && !right.contains(' ') => {
            Ok(format!("{left} {right}"))
        }
        MergeJson::Pair(pair) => refused(format!("the merge {pair:?} with a space inside")),
    }
}
