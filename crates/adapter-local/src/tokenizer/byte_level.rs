//! Byte-level BPE: every byte is written as a printable character, words are merged pair by pair.

use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::NFC;
use tokenizers::{Model, NormalizedString, Normalizer};

use super::pre_tokenizer::PreTokenizer;
use super::{TokenKind, TokenizerError, Vocabulary, bpe};
use crate::gguf::Metadata;

const TOKENS: &str = "tokenizer.ggml.tokens";
const MERGES: &str = "tokenizer.ggml.merges";

/// Encodes plain text.
#[derive(Debug)]
pub(super) struct ByteLevel {
    pre_tokenizer: PreTokenizer,
    model: BPE,
    /// Per byte, whether the vocabulary has it.
    known: Vec<bool>,
}

impl ByteLevel {
    pub(super) fn load(
        metadata: &Metadata,
        vocabulary: &Vocabulary,
    ) -> Result<Self, TokenizerError> {
        let pre_tokenizer = PreTokenizer::named(metadata.str("tokenizer.ggml.pre"))?;
        let pre_tokenizer = match metadata.bool(super::NFC) {
            Some(nfc) => pre_tokenizer.with_nfc(nfc),
            None => pre_tokenizer,
        };
        let tokens = metadata.strings(TOKENS).ok_or(TokenizerError::Missing(TOKENS))?;
        let merges = metadata.strings(MERGES).ok_or(TokenizerError::Missing(MERGES))?;
        let merges = merges.map(bpe::pair).collect::<Result<_, _>>()?;
        let options = BPE::builder().ignore_merges(pre_tokenizer.ignores_merges());
        let tokens = (0..).zip(tokens.map(str::to_owned));
        let model = bpe::model(options, vocabulary, None, tokens, merges)?;
        Ok(Self::new(pre_tokenizer, model))
    }

    pub(super) fn new(pre_tokenizer: PreTokenizer, model: BPE) -> Self {
        let mut bytes = [0; 4];
        let known = (0..=255)
            .map(|byte| model.token_to_id(letter(byte).encode_utf8(&mut bytes)).is_some())
            .collect();
        Self { pre_tokenizer, model, known }
    }

    pub(super) fn usually_adds_bos(&self) -> bool {
        self.pre_tokenizer.adds_bos()
    }

    pub(super) fn encode(&self, text: &str, ids: &mut Vec<u32>) -> Result<(), TokenizerError> {
        if self.pre_tokenizer.wants_nfc() && !text.is_ascii() {
            let mut normal = NormalizedString::from(text);
            NFC.normalize(&mut normal).map_err(|e| TokenizerError::Damaged(e.to_string()))?;
            return self.encode_words(normal.get(), ids);
        }
        self.encode_words(text, ids)
    }

    fn encode_words(&self, text: &str, ids: &mut Vec<u32>) -> Result<(), TokenizerError> {
        let mut letters = String::new();
        for word in self.pre_tokenizer.words(text) {
            letters.clear();
            word.chars().try_for_each(|c| self.spell(c, &mut letters))?;
            let tokens = self
                .model
                .tokenize(&letters)
                .map_err(|error| TokenizerError::Damaged(error.to_string()))?;
            ids.extend(tokens.iter().map(|token| token.id));
        }
        Ok(())
    }
}

impl ByteLevel {
    /// Some vocabularies lack rare bytes (SmolLM2: a few control characters, the lead bytes of
    /// unused planes). Other libraries drop those bytes and keep the rest of the character; here the
    /// model is shown the character that stands for an unreadable one.
    fn spell(&self, character: char, letters: &mut String) -> Result<(), TokenizerError> {
        let missing = |c: char| {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().find(|byte| !self.known[usize::from(*byte)])
        };
        let shown = match missing(character) {
            None => character,
            Some(byte) if missing(char::REPLACEMENT_CHARACTER).is_some() => {
                return Err(TokenizerError::NoToken(byte));
            }
            Some(_) => char::REPLACEMENT_CHARACTER,
        };
        let mut bytes = [0; 4];
        letters.extend(shown.encode_utf8(&mut bytes).bytes().map(letter));
        Ok(())
    }
}

/// The printable character that stands for a byte, as GPT-2 chose them.
fn letter(byte: u8) -> char {
    match byte {
        b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
        0..=0x20 => shifted(u32::from(byte)),
        0x7f..=0xa0 => shifted(u32::from(byte) - 0x7f + 0x21),
        0xad => shifted(0x43),
    }
}

fn shifted(n: u32) -> char {
    char::from_u32(0x100 + n).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The byte that a printable character stands for.
fn byte(letter: char) -> Option<u8> {
    match u32::from(letter) {
        n @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => u8::try_from(n).ok(),
        n @ 0x100..=0x120 => u8::try_from(n - 0x100).ok(),
        n @ 0x121..=0x142 => u8::try_from(n - 0x121 + 0x7f).ok(),
        0x143 => Some(0xad),
        _ => None,
    }
}

/// The bytes of a token as files spell it. Control and user-defined tokens are spelled as they are.
pub(super) fn token_bytes(spelling: &str, kind: TokenKind, bytes: &mut Vec<u8>) {
    let letters: Option<Vec<u8>> = match kind {
        TokenKind::Normal | TokenKind::Byte => spelling.chars().map(byte).collect(),
        _ => None,
    };
    match letters {
        Some(letters) => bytes.extend(letters),
        None => bytes.extend(spelling.as_bytes()),
    }
}

/// The letters of all bytes.
pub(crate) fn byte_letters() -> impl Iterator<Item = char> {
    (0..=255).map(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_own_letter() {
        let letters: std::collections::BTreeSet<char> = (0..=255).map(letter).collect();
        assert_eq!(letters.len(), 256);
        assert!((0..=255).all(|b| byte(letter(b)) == Some(b)));
        assert_eq!((letter(b' '), letter(b'\n'), letter(0xad)), ('Ġ', 'Ċ', 'Ń'));
    }
}
