//! The decoder and the tokens that it holds.

use crate::decoder::Decoder;
use crate::error::DecodeError;

/// One decoder's sequence, kept between generations so that the next one computes only what differs.
pub(super) struct Sequence {
    decoder: Box<dyn Decoder>,
    tokens: Vec<u32>,
    owner: Option<u64>,
}

impl Sequence {
    pub(super) fn new(decoder: Box<dyn Decoder>) -> Self {
        Self { decoder, tokens: Vec::new(), owner: None }
    }

    /// Who continued the sequence last.
    pub(super) fn owner(&self) -> Option<u64> {
        self.owner
    }

    /// How many tokens it holds.
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Hands the sequence over to a generation with these tokens: forgets what differs and says how
    /// many are left. The last one is always computed again, for its logits.
    pub(super) fn adopt(&mut self, owner: u64, ids: &[u32]) -> usize {
        let same = self.tokens.iter().zip(ids).take_while(|(have, want)| have == want).count();
        let kept = same.min(ids.len().saturating_sub(1));
        self.decoder.truncate(kept);
        self.tokens.truncate(kept);
        self.owner = Some(owner);
        kept
    }

    /// Appends tokens and gives the logits after the last one.
    pub(super) fn forward(&mut self, tokens: &[u32]) -> Result<&[f32], DecodeError> {
        let logits = self.decoder.forward(tokens)?;
        self.tokens.extend_from_slice(tokens);
        Ok(logits)
    }
}
