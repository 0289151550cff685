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
    /// `strips` says which tokens take the white space beside them along.
    pub(super) fn of(vocabulary: &Vocabulary, strips: &BTreeMap<u32, Strip>) -> Self {
        let mut tokens = Self { structure: Spellings::default(), everywhere: Spellings::default() };
        let found = |text: &str, id: u32| Found {
            text: text.to_owned(),
            id,
            strip: strips.get(&id).copied().unwrap_or_default(),
        };
        for id in vocabulary.ids() {
            let Ok(text) = std::str::from_utf8(vocabulary.bytes(id)) else { continue };
            match vocabulary.kind(id) {
                _ if text.is_empty() => {}
                TokenKind::Control => tokens.structure.add(found(text, id)),
                TokenKind::UserDefined if is_markup(text) => tokens.structure.add(found(text, id)),
                TokenKind::UserDefined => tokens.everywhere.add(found(text, id)),
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
        self.structure.at_start(text).map(|token| token.text.len())
    }

    /// The structure token of this spelling.
    pub(crate) fn id(&self, spelling: &str) -> Option<u32> {
        let token = self.structure.at_start(spelling);
        token.filter(|token| token.text == spelling).map(|token| token.id)
    }
}

/// HTML that vocabularies have whole: documents are full of it, and it structures no conversation.
const HTML: [&str; 25] = [
    "table",
    "caption",
    "thead",
    "tbody",
    "tfoot",
    "tr",
    "th",
    "td",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "strong",
    "em",
    "b",
    "i",
    "u",
    "s",
    "sub",
    "sup",
    "code",
    "br",
];

/// Tokens such as `<think>` or `[INST]`: text that structures, whatever the file calls it.
pub(super) fn is_markup(text: &str) -> bool {
    let inside = |open, close| text.strip_prefix(open)?.strip_suffix(close);
    match inside('<', '>') {
        Some(tag) => !HTML.contains(&tag.strip_prefix('/').unwrap_or(tag)),
        None => inside('[', ']').is_some(),
    }
}

/// White space that belongs to a token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Strip {
    pub(super) before: bool,
    pub(super) after: bool,
}

/// A token that is found by its spelling.
#[derive(Debug)]
struct Found {
    text: String,
    id: u32,
    strip: Strip,
}

/// Spellings by their first byte, the longest first.
#[derive(Debug, Default)]
struct Spellings {
    by_first: BTreeMap<u8, Vec<Found>>,
}

impl Spellings {
    fn add(&mut self, token: Found) {
        let Some(first) = token.text.bytes().next() else { return };
        let tokens = self.by_first.entry(first).or_default();
        let at = tokens.partition_point(|other| other.text.len() >= token.text.len());
        tokens.insert(at, token);
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        self.by_first.values().flatten().map(|token| token.text.as_str())
    }

    fn at_start(&self, text: &str) -> Option<&Found> {
        let tokens = self.by_first.get(text.as_bytes().first()?)?;
        tokens.iter().find(|token| text.starts_with(&token.text))
    }

    fn split<'t>(&self, text: &'t str) -> Vec<Piece<'t>> {
        let (mut pieces, mut plain, mut at) = (Vec::new(), 0, 0);
        while at < text.len() && !self.by_first.is_empty() {
            let Some(token) = self.at_start(&text[at..]) else {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
                continue;
            };
            let before = &text[plain..at];
            let before = if token.strip.before { before.trim_end() } else { before };
            if !before.is_empty() {
                pieces.push(Piece::Plain(before));
            }
            pieces.push(Piece::Control(token.id));
            let after = &text[at + token.text.len()..];
            let after = if token.strip.after { after.trim_start() } else { after };
            at = text.len() - after.len();
            plain = at;
        }
        if plain < text.len() {
            pieces.push(Piece::Plain(&text[plain..]));
        }
        pieces
    }
}
