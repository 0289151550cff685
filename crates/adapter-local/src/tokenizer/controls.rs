//! Finding control tokens in a text, for the places where they are meant.

use std::collections::BTreeMap;

use super::{TokenKind, Vocabulary};

/// A stretch of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    /// Plain text.
    Plain(&'t str),
    /// A token spelled out.
    Control(u32),
}

/// The tokens that are found by their spelling. *Structure* (control tokens, and tokens that look
/// like markup, such as `<tool_call>`) is found only in prompts, never in what people say; the
/// other user-defined tokens (e.g. runs of spaces) are ordinary text and found everywhere.
#[derive(Debug)]
pub(crate) struct ControlTokens {
    structure: Spellings,
    everywhere: Spellings,
}

impl ControlTokens {
    pub(super) fn of(vocabulary: &Vocabulary) -> Self {
        let mut tokens = Self { structure: Spellings::default(), everywhere: Spellings::default() };
        for id in vocabulary.ids() {
            let Ok(text) = std::str::from_utf8(vocabulary.bytes(id)) else { continue };
            match vocabulary.kind(id) {
                _ if text.is_empty() => {}
                TokenKind::Control => tokens.structure.add(text, id),
                TokenKind::UserDefined if is_markup(text) => tokens.structure.add(text, id),
                TokenKind::UserDefined => tokens.everywhere.add(text, id),
                _ => {}
            }
        }
        tokens
    }

    /// Cuts a prompt at structure: leftmost first, the longest of those.
    pub(crate) fn split<'t>(&self, text: &'t str) -> Vec<Piece<'t>> {
        self.structure.split(text)
    }

    /// Cuts a text at the tokens that are ordinary text.
    pub(super) fn split_always<'t>(&self, text: &'t str) -> Vec<Piece<'t>> {
        self.everywhere.split(text)
    }

    /// The spellings of structure.
    pub(super) fn spellings(&self) -> impl Iterator<Item = &str> {
        self.structure.all()
    }

    /// Length of the longest spelling of structure that `text` begins with.
    pub(super) fn at_start(&self, text: &str) -> Option<usize> {
        self.structure.at_start(text).map(|(len, _)| len)
    }

    /// The structure token of this spelling.
    pub(crate) fn id(&self, spelling: &str) -> Option<u32> {
        self.structure
            .at_start(spelling)
            .filter(|(len, _)| *len == spelling.len())
            .map(|(_, id)| id)
    }
}

/// Tokens such as `<think>` or `[INST]`: text that structures, whatever the file calls it.
pub(super) fn is_markup(text: &str) -> bool {
    (text.starts_with('<') && text.ends_with('>')) || (text.starts_with('[') && text.ends_with(']'))
}

/// Spellings by their first byte, the longest first.
#[derive(Debug, Default)]
struct Spellings {
    by_first: BTreeMap<u8, Vec<(String, u32)>>,
}

impl Spellings {
    fn add(&mut self, text: &str, id: u32) {
        let Some(first) = text.bytes().next() else { return };
        let tokens = self.by_first.entry(first).or_default();
        let at = tokens.partition_point(|(other, _)| other.len() >= text.len());
        tokens.insert(at, (text.to_owned(), id));
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        self.by_first.values().flatten().map(|(text, _)| text.as_str())
    }

    fn at_start(&self, text: &str) -> Option<(usize, u32)> {
        let tokens = self.by_first.get(text.as_bytes().first()?)?;
        tokens
            .iter()
            .find(|(token, _)| text.starts_with(token))
            .map(|(token, id)| (token.len(), *id))
    }

    fn split<'t>(&self, text: &'t str) -> Vec<Piece<'t>> {
        let (mut pieces, mut plain, mut at) = (Vec::new(), 0, 0);
        while at < text.len() && !self.by_first.is_empty() {
            let Some((len, id)) = self.at_start(&text[at..]) else {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
                continue;
            };
            if plain < at {
                pieces.push(Piece::Plain(&text[plain..at]));
            }
            pieces.push(Piece::Control(id));
            at += len;
            plain = at;
        }
        if plain < text.len() {
            pieces.push(Piece::Plain(&text[plain..]));
        }
        pieces
    }
}
