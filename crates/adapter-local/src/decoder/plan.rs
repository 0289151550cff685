//! What a step is asked for, checked and laid out: every token, where it goes, and which rows of
//! logits belong to whom.

use std::ops::Range;

use super::pages::Pages;
use super::sequences::Sequences;
use super::{Part, SequenceId, Wanted};
use crate::error::DecodeError;

/// One token of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) sequence: SequenceId,
    pub(super) position: usize,
    pub(super) token: u32,
    /// Whether its logits are wanted.
    pub(super) wanted: bool,
}

/// What a decoder takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) vocabulary: usize,
    pub(super) context_length: usize,
}

impl Bounds {
    /// Refuses parts that make no sense or do not fit.
    pub(super) fn check<P: Pages>(
        self,
        sequences: &Sequences<P>,
        parts: &[Part<'_>],
    ) -> Result<(), DecodeError> {
        if parts.is_empty() {
            return Err(DecodeError::NoTokens);
        }
        for (index, part) in parts.iter().enumerate() {
            if !sequences.is_open(part.sequence)
                || parts[..index].iter().any(|other| other.sequence == part.sequence)
            {
                return Err(DecodeError::WrongSequence);
            }
            self.check_tokens(sequences.len(part.sequence), part.tokens)?;
        }
        Ok(())
    }

    /// Refuses tokens that cannot follow `len` others.
    pub(super) fn check_tokens(self, len: usize, tokens: &[u32]) -> Result<(), DecodeError> {
        let Self { vocabulary, context_length } = self;
        if tokens.is_empty() {
            return Err(DecodeError::NoTokens);
        }
        if let Some(token) = tokens.iter().copied().find(|id| *id as usize >= vocabulary) {
            return Err(DecodeError::UnknownToken { token, vocabulary });
        }
        let wanted = len.saturating_add(tokens.len());
        if wanted > context_length {
            return Err(DecodeError::ContextFull { wanted, context_length });
        }
        Ok(())
    }
}

/// Every token of a step and where it goes; `before` is how long each part's sequence is.
pub(super) fn places(parts: &[Part<'_>], before: &[usize]) -> Vec<Place> {
    let mut places = Vec::with_capacity(parts.iter().map(|part| part.tokens.len()).sum());
    for (part, before) in parts.iter().zip(before) {
        let last = part.tokens.len() - 1;
        places.extend(part.tokens.iter().enumerate().map(|(index, token)| Place {
            sequence: part.sequence,
            position: before + index,
            token: *token,
            wanted: match part.wanted {
                Wanted::None => false,
                Wanted::Last => index == last,
                Wanted::All => true,
            },
        }));
    }
    places
}

/// Which rows of logits belong to each part.
pub(super) fn ranges(parts: &[Part<'_>]) -> Vec<Range<usize>> {
    let mut start = 0;
    let counts = parts.iter().map(|part| match part.wanted {
        Wanted::None => 0,
        Wanted::Last => 1,
        Wanted::All => part.tokens.len(),
    });
    counts.map(|count| (start..start + count, start += count).0).collect()
}
