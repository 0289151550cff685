//! Text to token ids and back, from what a GGUF file says of its tokenizer.
//!
//! Two families are known: byte-level BPE (`gpt2`) and SentencePiece with scores (`llama`). Control
//! tokens are matched by [`ControlTokens`] and only where a caller asks for it: encoding plain text
//! never yields one, whatever the text says.

mod byte_level;
mod controls;
mod error;
mod guard;
mod pre_tokenizer;
mod sentencepiece;
mod vocabulary;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::gguf::Metadata;

use byte_level::ByteLevel;
use sentencepiece::SentencePiece;

#[cfg(test)]
pub(crate) use byte_level::byte_letters;
pub(crate) use controls::{ControlTokens, Piece};
pub(crate) use error::TokenizerError;
pub(crate) use guard::Guard;
pub(crate) use vocabulary::{TokenKind, Vocabulary};

const MODEL: &str = "tokenizer.ggml.model";
const FAMILIES: &str = "gpt2 (byte-level BPE), llama (SentencePiece)";

#[derive(Debug)]
enum Encoder {
    ByteLevel(Box<ByteLevel>),
    SentencePiece(SentencePiece),
}

/// The tokenizer of one model.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    vocabulary: Vocabulary,
    controls: ControlTokens,
    encoder: Encoder,
    add_bos: bool,
}

impl Tokenizer {
    /// Reads it from a file's metadata.
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
        let controls = ControlTokens::of(&vocabulary);
        Ok(Self { vocabulary, controls, encoder, add_bos })
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
        let mut ids = Vec::new();
        if let Some(bos) = self.vocabulary.bos().filter(|_| self.add_bos)
            && !matches!(pieces.first(), Some(Piece::Control(first)) if *first == bos)
        {
            ids.push(bos);
        }
        let mut after_control = true;
        for piece in pieces {
            match piece {
                Piece::Control(id) => ids.push(*id),
                Piece::Plain(text) => self.encode_plain(text, after_control, &mut ids)?,
            }
            after_control = matches!(piece, Piece::Control(_));
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
        self.encode(&pieces)
    }

    fn encode_plain(
        &self,
        text: &str,
        after_control: bool,
        ids: &mut Vec<u32>,
    ) -> Result<(), TokenizerError> {
        let mut first = after_control;
        for piece in self.controls.split_always(text) {
            match piece {
                Piece::Control(id) => ids.push(id),
                Piece::Plain(text) => match &self.encoder {
                    Encoder::ByteLevel(encoder) => encoder.encode(text, ids)?,
                    Encoder::SentencePiece(encoder) => encoder.encode(text, first, ids)?,
                },
            }
            first = false;
        }
        Ok(())
    }
}
