//! A model that reads windows of a text.

use std::slice::ChunksExact;

use crate::decoder::{Decoder, Part, SequenceId, Wanted};
use crate::error::DecodeError;

/// Tokens that are taken at once where no logits are wanted.
const STEP: usize = 256;

/// A decoder and the window that it reads.
pub(super) struct Reader {
    decoder: Box<dyn Decoder>,
    window: Option<SequenceId>,
}

impl Reader {
    pub(super) fn new(decoder: Box<dyn Decoder>) -> Self {
        Self { decoder, window: None }
    }

    /// Begins a window with tokens whose logits are not wanted.
    pub(super) fn begin(&mut self, context: &[u32]) -> Result<(), DecodeError> {
        self.end();
        let sequence = self.decoder.open()?;
        self.window = Some(sequence);
        for tokens in context.chunks(STEP) {
            self.decoder.forward(&[Part { sequence, tokens, wanted: Wanted::None }])?;
        }
        Ok(())
    }

    /// Takes more tokens of the window: the logits after each.
    pub(super) fn read(&mut self, tokens: &[u32]) -> Result<ChunksExact<'_, f32>, DecodeError> {
        let sequence = self.window.ok_or(DecodeError::WrongSequence)?;
        self.decoder.forward(&[Part { sequence, tokens, wanted: Wanted::All }])?;
        Ok(self.decoder.logits(0)?.chunks_exact(self.decoder.vocab_size()))
    }

    /// Forgets the window.
    pub(super) fn end(&mut self) {
        if let Some(sequence) = self.window.take() {
            self.decoder.close(sequence);
        }
    }
}
