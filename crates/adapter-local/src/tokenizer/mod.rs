//! Text to token ids and back, from what a GGUF file or a model folder says of its tokenizer.
//!
//! GGUF files have byte-level BPE (`gpt2`) or SentencePiece with scores (`llama`); folders have a
//! `tokenizer.json`, whose byte-pair encoder is put together from our own parts where they are the
//! same, from the tokenizers library's otherwise. There is one [`Vocabulary`] for all. Control
//! tokens are matched by [`ControlTokens`] and only where a caller asks for it: encoding plain text
//! never yields one, whatever the text says.

mod bpe;
mod byte_level;
mod controls;
mod error;
mod export;
mod folder;
mod guard;
mod pipeline;
mod pre_tokenizer;
mod sentencepiece;
mod vocabulary;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::gguf::Metadata;

use byte_level::ByteLevel;
use pipeline::Pipeline;
use sentencepiece::SentencePiece;

pub(crate) use byte_level::byte_letters;
pub(crate) use controls::{ControlTokens, Piece};
pub(crate) use error::TokenizerError;
pub(crate) use export::{GgufTokenizer, NFC};
pub(crate) use guard::Guard;
pub(crate) use vocabulary::{TokenKind, Vocabulary};

const MODEL: &str = "tokenizer.ggml.model";
const FAMILIES: &str = "gpt2 (byte-level BPE), llama (SentencePiece)";

#[derive(Debug)]
enum Encoder {
    ByteLevel(Box<ByteLevel>),
    SentencePiece(SentencePiece),
    Pipeline(Box<Pipeline>),
}

/// Where the beginning-of-text token is put in front, unless it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bos {
    /// Nowhere.
    Never,
    /// Of raw prompts.
    Raw,
    /// Of raw prompts and of what chat templates write.
    Always,
}

/// The tokenizer of one model.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    vocabulary: Vocabulary,
    controls: ControlTokens,
    encoder: Encoder,
    bos: Bos,
}

impl Tokenizer {
    /// Reads it from a GGUF file's metadata.
    pub(crate) fn load(metadata: &Metadata) -> Result<Self, TokenizerError> {
        let model = metadata.str(MODEL).ok_or(TokenizerError::Missing(MODEL))?;
        let (vocabulary, encoder, usual_bos) = match model {
            "gpt2" => {
                let vocabulary = Vocabulary::load(metadata, byte_level::token_bytes)?;
                let encoder = ByteLevel::load(metadata, &vocabulary)?;
                let bos = encoder.usually_adds_bos();
                (vocabulary, Encoder::ByteLevel(Box::new(encoder)), bos)
            }
            "llama" => {
                let vocabulary = Vocabulary::load(metadata, sentencepiece::token_bytes)?;
                let encoder = SentencePiece::load(metadata, &vocabulary)?;
                (vocabulary, Encoder::SentencePiece(encoder), true)
            }
            other => {
                let (found, known) = (other.to_owned(), FAMILIES.to_owned());
                return Err(TokenizerError::Unknown { what: "tokenizer", found, known });
            }
        };
        let add_bos = metadata.bool("tokenizer.ggml.add_bos_token").unwrap_or(usual_bos);
        if add_bos && vocabulary.bos().is_none() {
            return Err(TokenizerError::Missing("tokenizer.ggml.bos_token_id"));
        }
        let controls = ControlTokens::of(&vocabulary, &BTreeMap::new());
        let bos = if add_bos { Bos::Always } else { Bos::Never };
        Ok(Self { vocabulary, controls, encoder, bos })
    }

    /// The tokens.
    pub(crate) fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The tokens that are no text.
    pub(crate) fn controls(&self) -> &ControlTokens {
        &self.controls
    }

    /// Encodes pieces that were cut at control tokens: plain ones as plain text, whatever they say.
    /// The beginning-of-text token is put in front where the model wants it and it is not there.
    pub(crate) fn encode(&self, pieces: &[Piece<'_>]) -> Result<Vec<u32>, TokenizerError> {
        self.encode_pieces(pieces, self.bos != Bos::Never)
    }

    fn encode_pieces(
        &self,
        pieces: &[Piece<'_>],
        add_bos: bool,
    ) -> Result<Vec<u32>, TokenizerError> {
        let mut ids = Vec::new();
        if let Some(bos) = self.vocabulary.bos().filter(|_| add_bos)
            && !matches!(pieces.first(), Some(Piece::Control(first)) if *first == bos)
        {
            ids.push(bos);
        }
        let mut place = Place { begins: true, after_control: true };
        for piece in pieces {
            match piece {
                Piece::Control(id) => ids.push(*id),
                Piece::Plain(text) => self.encode_plain(text, place, &mut ids)?,
            }
            let after_control = matches!(piece, Piece::Control(_));
            place = Place { begins: false, after_control };
        }
        Ok(ids)
    }

    /// Encodes a prompt whose texts are guarded: cut at control tokens first, freed of guards then.
    pub(crate) fn encode_guarded(
        &self,
        prompt: &str,
        guard: &Guard<'_>,
    ) -> Result<Vec<u32>, TokenizerError> {
        let pieces = self.controls.split(prompt);
        let freed: Vec<Cow<'_, str>> = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Plain(text) => guard.remove(text),
                Piece::Control(_) => Cow::Borrowed(""),
            })
            .collect();
        let pieces: Vec<Piece<'_>> = pieces
            .iter()
            .zip(&freed)
            .map(|(piece, text)| match piece {
                Piece::Plain(_) => Piece::Plain(text),
                Piece::Control(id) => Piece::Control(*id),
            })
            .collect();
        self.encode_pieces(&pieces, self.bos == Bos::Always)
    }

    fn encode_plain(
        &self,
        text: &str,
        mut place: Place,
        ids: &mut Vec<u32>,
    ) -> Result<(), TokenizerError> {
        for piece in self.controls.split_always(text) {
            match piece {
                Piece::Control(id) => ids.push(id),
                Piece::Plain(text) => match &self.encoder {
                    Encoder::ByteLevel(encoder) => encoder.encode(text, ids)?,
                    Encoder::SentencePiece(encoder) => {
                        encoder.encode(text, place.after_control, ids)?;
                    }
                    Encoder::Pipeline(encoder) => encoder.encode(text, place.begins, ids)?,
                },
            }
            place = Place { begins: false, after_control: false };
        }
        Ok(())
    }
}

/// Where a stretch of plain text stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// It is the beginning of the whole text.
    begins: bool,
    /// It is that, or comes after a control token.
    after_control: bool,
}
