//! The tokenizer of a model folder, from `tokenizer.json` and what stands beside it.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use tokenizers::models::bpe::{BPE, Merges};

use super::byte_level::{self, ByteLevel};
use super::controls::Strip;
use super::pipeline::Pipeline;
use super::pre_tokenizer::PreTokenizer;
use super::vocabulary::{MOST_TOKENS, Spell};
use super::{Bos, ControlTokens, Encoder, TokenKind, Tokenizer, TokenizerError, Vocabulary};
use super::{bpe, sentencepiece};
use crate::hf_text::{
    AddedToken, BpeJson, GenerationConfig, HfText, MergeJson, TextError, TokenizerConfig,
    TokenizerJson,
};

impl Tokenizer {
    /// Reads it from a model folder.
    pub(crate) fn of_folder(text: &HfText) -> Result<Self, TextError> {
        text.with_tokenizer(|json| Self::of_json(json, text.config(), text.generation()))
    }

    fn of_json(
        json: TokenizerJson,
        config: &TokenizerConfig,
        generation: &GenerationConfig,
    ) -> Result<Self, TokenizerError> {
        let Described { tokens, vocabulary, begins } = Described::of(&json, config, generation)?;
        let controls = ControlTokens::of(&vocabulary, &tokens.strips);
        let encoder = encoder(json, &vocabulary)?;
        // Chat templates write the beginning of a text themselves: transformers adds nothing.
        let bos = if begins { Bos::Raw } else { Bos::Never };
        Ok(Self { vocabulary, controls, encoder, bos })
    }
}

/// What the files say of the tokens.
pub(super) struct Described<'j> {
    pub(super) tokens: Tokens<'j>,
    pub(super) vocabulary: Vocabulary,
    /// Texts begin with the beginning-of-text token.
    pub(super) begins: bool,
}

impl<'j> Described<'j> {
    pub(super) fn of(
        json: &'j TokenizerJson,
        config: &'j TokenizerConfig,
        generation: &GenerationConfig,
    ) -> Result<Self, TokenizerError> {
        check_model(&json.model)?;
        let spell = spelling(json)?;
        let tokens = Tokens::collect(json, config)?;
        let mut vocabulary = Vocabulary::of(tokens.texts(), spell)?;
        let id = |text: Option<&str>| text.and_then(|text| tokens.id(text));
        let (bos, eos) = (id(config.bos_token()), id(config.eos_token()));
        let known = |id: &u32| (*id as usize) < tokens.by_id.len();
        // An id that is no token ends nothing.
        let endings = generation.eos().filter(known);
        let bos = bos.or_else(|| generation.bos().filter(known));
        vocabulary.name_roles(bos, eos.or_else(|| generation.eos().find(known)), endings);
        let begins = config.add_bos_token().unwrap_or_else(|| begins_with_bos(json, &vocabulary));
        let begins = begins && vocabulary.bos().is_some();
        Ok(Self { tokens, vocabulary, begins })
    }
}

/// Only byte-pair encoders, and none with parts that nobody uses for text that a model continues.
fn check_model(model: &BpeJson) -> Result<(), TokenizerError> {
    let refused = |what, found: &str, known: &str| {
        let (found, known) = (found.to_owned(), known.to_owned());
        Err(TokenizerError::Unknown { what, found, known })
    };
    match model.kind.as_deref() {
        Some("BPE") => {}
        None if !model.merges.is_empty() => {}
        other => return refused("tokenizer model", other.unwrap_or_default(), "BPE"),
    }
    let affixes = [&model.continuing_subword_prefix, &model.end_of_word_suffix];
    if let Some(affix) = affixes.into_iter().flatten().find(|affix| !affix.is_empty()) {
        return refused("mark inside words", affix, "none");
    }
    match model.dropout {
        Some(dropout) if dropout > 0.0 => refused("dropout", &dropout.to_string(), "none"),
        _ => Ok(()),
    }
}

/// How tokens are spelled: each byte as a letter, or as text with `▁` for a space.
fn spelling(json: &TokenizerJson) -> Result<Spell, TokenizerError> {
    let has = |value: &Value, name: &str| has_step(value, &|step| step["type"] == name);
    let spaced = |step: &Value| step["type"] == "Replace" && step["content"] == " ";
    if has(&json.decoder, "ByteLevel") || has(&json.pre_tokenizer, "ByteLevel") {
        Ok(byte_level::token_bytes)
    } else if has(&json.decoder, "Metaspace")
        || has(&json.decoder, "ByteFallback")
        || has_step(&json.decoder, &spaced)
    {
        Ok(sentencepiece::token_bytes)
    } else {
        let found = json.decoder["type"].as_str().unwrap_or_default().to_owned();
        let known = "ByteLevel, Metaspace, ByteFallback".to_owned();
        Err(TokenizerError::Unknown { what: "decoder", found, known })
    }
}

/// Whether a step, or one inside it, is of a kind.
fn has_step(value: &Value, is: &dyn Fn(&Value) -> bool) -> bool {
    let lists = ["decoders", "pretokenizers", "processors"].into_iter();
    let mut inner = lists.filter_map(|key| value.get(key)?.as_array()).flatten();
    is(value) || inner.any(|step| has_step(step, is))
}

/// All tokens by their ids.
pub(super) struct Tokens<'j> {
    by_id: Vec<Option<(&'j str, TokenKind)>>,
    ids: HashMap<&'j str, u32>,
    pub(super) strips: BTreeMap<u32, Strip>,
}

impl<'j> Tokens<'j> {
    fn collect(
        json: &'j TokenizerJson,
        config: &'j TokenizerConfig,
    ) -> Result<Self, TokenizerError> {
        let mut tokens = Self { by_id: Vec::new(), ids: HashMap::new(), strips: BTreeMap::new() };
        for (text, id) in &json.model.vocab.0 {
            let kind = match sentencepiece::byte(text) {
                Some(_) if json.model.byte_fallback => TokenKind::Byte,
                _ if json.model.unk_token.as_ref() == Some(text) => TokenKind::Unknown,
                _ => TokenKind::Normal,
            };
            tokens.put(*id, text, kind)?;
        }
        for token in &json.added_tokens {
            let Some(id) = token.id else {
                let problem = format!("the added token {:?} has no id", token.content);
                return Err(TokenizerError::Damaged(problem));
            };
            tokens.add(id, token)?;
        }
        for (id, token) in config.added_tokens() {
            tokens.add(id, token)?;
        }
        for text in config.special_tokens() {
            if let Some(id) = tokens.id(text)
                && let Some(Some((_, kind))) = tokens.by_id.get_mut(id as usize)
            {
                *kind = TokenKind::Control;
            }
        }
        Ok(tokens)
    }

    /// Adds a token, or says what one of the vocabulary is for.
    fn add(&mut self, id: u32, token: &'j AddedToken) -> Result<(), TokenizerError> {
        if token.single_word {
            let (found, known) = (token.content.clone(), "tokens that match anywhere".to_owned());
            return Err(TokenizerError::Unknown { what: "single-word token", found, known });
        }
        let kind = if token.special { TokenKind::Control } else { TokenKind::UserDefined };
        let id = self.id(&token.content).unwrap_or(id);
        self.strips.insert(id, Strip { before: token.lstrip, after: token.rstrip });
        self.put(id, &token.content, kind)
    }

    fn put(&mut self, id: u32, text: &'j str, kind: TokenKind) -> Result<(), TokenizerError> {
        let at = id as usize;
        if at >= MOST_TOKENS {
            let problem = format!("the token {text:?} has the id {id}, more than {MOST_TOKENS}");
            return Err(TokenizerError::Damaged(problem));
        }
        if at >= self.by_id.len() {
            self.by_id.resize(at + 1, None);
        }
        match self.by_id[at] {
            Some((other, _)) if other != text => Err(TokenizerError::Damaged(format!(
                "the tokens {other:?} and {text:?} have the same id {id}"
            ))),
            _ => {
                self.by_id[at] = Some((text, kind));
                self.ids.insert(text, id);
                Ok(())
            }
        }
    }

    pub(super) fn id(&self, text: &str) -> Option<u32> {
        self.ids.get(text).copied()
    }

    /// The spelling of a token.
    pub(super) fn text(&self, id: u32) -> Option<&'j str> {
        self.by_id.get(id as usize).copied().flatten().map(|(text, _)| text)
    }

    /// Ids that no token has are never used.
    fn texts(&self) -> impl Iterator<Item = (&'j str, TokenKind)> {
        self.by_id.iter().map(|token| token.unwrap_or(("", TokenKind::Unused)))
    }
}

/// Whether the post-processor puts the beginning-of-text token first.
fn begins_with_bos(json: &TokenizerJson, vocabulary: &Vocabulary) -> bool {
    let Some(bos) = vocabulary.bos() else { return false };
    let bos = vocabulary.spelling(bos);
    has_step(&json.post_processor, &|step| step["single"][0]["SpecialToken"]["id"] == bos.as_str())
}

/// Our own where the steps are those that we know, the library's otherwise.
fn encoder(json: TokenizerJson, vocabulary: &Vocabulary) -> Result<Encoder, TokenizerError> {
    let ours = own_steps(&json.normalizer, &json.pre_tokenizer);
    let model = json.model;
    let options = BPE::builder()
        .ignore_merges(model.ignore_merges)
        .byte_fallback(model.byte_fallback)
        .fuse_unk(model.fuse_unk);
    // A word that is a token is taken whole, so there the unknown one must not be spelled.
    let unknown = model.unk_token.filter(|_| ours.is_none() && !model.ignore_merges);
    let merges = model.merges.into_iter().map(|merge| match merge {
        MergeJson::Line(line) => bpe::pair(&line),
        MergeJson::Pair(pair) => Ok(pair),
    });
    let merges: Merges = merges.collect::<Result<_, _>>()?;
    let tokens = model.vocab.0.into_iter().map(|(text, id)| (id, text));
    let bpe = bpe::model(options, vocabulary, unknown, tokens, merges)?;
    match ours {
        Some((style, nfc)) => {
            let pre_tokenizer = PreTokenizer::named(Some(style))?.with_nfc(nfc);
            Ok(Encoder::ByteLevel(Box::new(ByteLevel::new(pre_tokenizer, bpe))))
        }
        None => {
            let pipeline = Pipeline::new(&json.normalizer, &json.pre_tokenizer, bpe)?;
            Ok(Encoder::Pipeline(Box::new(pipeline)))
        }
    }
}

const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN35: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The name of our pre-tokenizer that cuts as these steps do, and whether texts are brought to
/// normal form C. Ours takes linear time whatever the text, the library's patterns do not.
pub(super) fn own_steps(normalizer: &Value, pre_tokenizer: &Value) -> Option<(&'static str, bool)> {
    let nfc = match normalizer {
        Value::Null => false,
        step if step["type"] == "NFC" => true,
        _ => return None,
    };
    let alone = std::slice::from_ref(pre_tokenizer);
    let steps = pre_tokenizer["pretokenizers"].as_array().map_or(alone, Vec::as_slice);
    let (last, before) = steps.split_last()?;
    if last["type"] != "ByteLevel" || last["add_prefix_space"] != false {
        return None;
    }
    // Absent means true.
    let words = last["use_regex"] != false;
    let style = match before {
        [] if words => "gpt-2",
        [digits] if words && digits["type"] == "Digits" && digits["individual_digits"] == true => {
            "smollm"
        }
        [split] if !words && is_plain_split(split) => {
            let patterns = [(QWEN2, "qwen2"), (QWEN35, "qwen35"), (LLAMA3, "llama-bpe")];
            let pattern = split["pattern"]["Regex"].as_str()?;
            patterns.into_iter().find(|(known, _)| *known == pattern)?.1
        }
        _ => return None,
    };
    Some((style, nfc))
}

fn is_plain_split(step: &Value) -> bool {
    step["type"] == "Split" && step["behavior"] == "Isolated" && step["invert"] == false
}
