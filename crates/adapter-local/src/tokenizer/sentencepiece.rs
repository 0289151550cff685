//! SentencePiece with scores: characters are merged to the best-scored token first, what is left
//! without a token is spelled in bytes. The merging is that of the SentencePiece library's BPE.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use super::{TokenKind, TokenizerError, Vocabulary};
use crate::gguf::Metadata;

const SCORES: &str = "tokenizer.ggml.scores";
/// Stands for a space inside tokens.
const SPACE: char = '▁';

/// Encodes plain text.
#[derive(Debug)]
pub(super) struct SentencePiece {
    tokens: HashMap<String, (u32, f32)>,
    bytes: Vec<Option<u32>>,
    unknown: Option<u32>,
    space_first: bool,
}

impl SentencePiece {
    pub(super) fn load(
        metadata: &Metadata,
        vocabulary: &Vocabulary,
    ) -> Result<Self, TokenizerError> {
        const TOKENS: &str = "tokenizer.ggml.tokens";
        let scores = metadata.f32s(SCORES).ok_or(TokenizerError::Missing(SCORES))?;
        if scores.len() < vocabulary.len() {
            let (scores, tokens) = (scores.len(), vocabulary.len());
            return Err(TokenizerError::Damaged(format!("{scores} scores for {tokens} tokens")));
        }
        let (mut tokens, mut bytes, mut unknown) = (HashMap::new(), vec![None; 256], None);
        let spellings = metadata.strings(TOKENS).ok_or(TokenizerError::Missing(TOKENS))?;
        for ((id, text), score) in (0..).zip(spellings).zip(scores) {
            match vocabulary.kind(id) {
                // Structure is left out: no text can become a control token by merging.
                TokenKind::Normal => {
                    tokens.insert(text.to_owned(), (id, score));
                }
                TokenKind::Byte => {
                    if let Some(byte) = byte(text) {
                        bytes[usize::from(byte)] = Some(id);
                    }
                }
                TokenKind::Unknown => unknown = Some(id),
                TokenKind::Control | TokenKind::UserDefined | TokenKind::Unused => {}
            }
        }
        let space_first = metadata.bool("tokenizer.ggml.add_space_prefix").unwrap_or(true);
        Ok(Self { tokens, bytes, unknown, space_first })
    }

    pub(super) fn encode(
        &self,
        text: &str,
        after_control: bool,
        ids: &mut Vec<u32>,
    ) -> Result<(), TokenizerError> {
        let first = if self.space_first && after_control { " " } else { "" };
        let text: String =
            first.chars().chain(text.chars()).map(|c| if c == ' ' { SPACE } else { c }).collect();
        Merging::new(&text, &self.tokens).run().try_for_each(|piece| self.push(piece, ids))
    }

    fn push(&self, piece: &str, ids: &mut Vec<u32>) -> Result<(), TokenizerError> {
        if let Some((id, _)) = self.tokens.get(piece) {
            ids.push(*id);
            return Ok(());
        }
        for byte in piece.bytes() {
            let id = self.bytes[usize::from(byte)].or(self.unknown);
            ids.push(id.ok_or(TokenizerError::NoToken(byte))?);
        }
        Ok(())
    }
}

/// The byte that `<0xAB>` spells.
pub(super) fn byte(spelling: &str) -> Option<u8> {
    u8::from_str_radix(spelling.strip_prefix("<0x")?.strip_suffix('>')?, 16).ok()
}

/// The bytes of a token as files spell it.
pub(super) fn token_bytes(spelling: &str, kind: TokenKind, bytes: &mut Vec<u8>) {
    match kind {
        TokenKind::Byte => bytes.extend(byte(spelling)),
        TokenKind::Normal => bytes.extend(spelling.replace(SPACE, " ").bytes()),
        _ => bytes.extend(spelling.bytes()),
    }
}

const NONE: usize = usize::MAX;

/// A stretch of the text between its neighbours; empty once it is part of another.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    start: usize,
    end: usize,
    before: usize,
    after: usize,
}

/// Two neighbours that make a token.
#[derive(Debug)]
struct Candidate {
    score: f32,
    left: usize,
    right: usize,
    start: usize,
    end: usize,
}

impl Ord for Candidate {
    /// The best score first, then the leftmost.
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

struct Merging<'t> {
    text: &'t str,
    tokens: &'t HashMap<String, (u32, f32)>,
    symbols: Vec<Symbol>,
    queue: BinaryHeap<Candidate>,
}

impl<'t> Merging<'t> {
    fn new(text: &'t str, tokens: &'t HashMap<String, (u32, f32)>) -> Self {
        let mut symbols: Vec<Symbol> = text
            .char_indices()
            .enumerate()
            .map(|(n, (start, c))| Symbol {
                start,
                end: start + c.len_utf8(),
                before: n.checked_sub(1).unwrap_or(NONE),
                after: n + 1,
            })
            .collect();
        if let Some(last) = symbols.last_mut() {
            last.after = NONE;
        }
        let mut merging = Self { text, tokens, symbols, queue: BinaryHeap::new() };
        (1..merging.symbols.len()).for_each(|right| merging.consider(right - 1, right));
        merging
    }

    fn consider(&mut self, left: usize, right: usize) {
        let (Some(first), Some(second)) = (self.symbols.get(left), self.symbols.get(right)) else {
            return;
        };
        let (start, end) = (first.start, second.end);
        if let Some((_, score)) = self.tokens.get(&self.text[start..end]) {
            self.queue.push(Candidate { score: *score, left, right, start, end });
        }
    }

    fn run(mut self) -> impl Iterator<Item = &'t str> {
        while let Some(best) = self.queue.pop() {
            let (left, right) = (self.symbols[best.left], self.symbols[best.right]);
            let gone = left.start == left.end || right.start == right.end;
            // One of them grew or vanished since this pair was found.
            if gone || left.start != best.start || right.end != best.end || left.after != best.right
            {
                continue;
            }
            self.symbols[best.left].end = right.end;
            self.symbols[best.left].after = right.after;
            self.symbols[best.right].end = right.start;
            if let Some(next) = self.symbols.get_mut(right.after) {
                next.before = best.left;
            }
            self.consider(left.before, best.left);
            self.consider(best.left, right.after);
        }
        let text = self.text;
        self.symbols.into_iter().filter(|s| s.start < s.end).map(move |s| &text[s.start..s.end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> SentencePiece {
        let scored =
            [("▁", -1.0), ("a", -2.0), ("b", -3.0), ("ab", -4.0), ("▁a", -9.0), ("▁ab", -5.0)];
        let tokens =
            (10..).zip(scored).map(|(id, (text, score))| (text.to_owned(), (id, score))).collect();
        let bytes = (0..256).map(Some).map(|id: Option<u32>| id.map(|n| 1000 + n)).collect();
        SentencePiece { tokens, bytes, unknown: Some(0), space_first: true }
    }

    fn encode(text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        small().encode(text, true, &mut ids).unwrap();
        ids
    }

    #[test]
    fn the_best_score_merges_first() {
        // "ab" (-4) comes before "▁a" (-9), and then "▁ab" (-5).
        assert_eq!(encode("ab"), [15]);
        assert_eq!(encode("aab"), [14, 13]);
    }

    #[test]
    fn what_has_no_token_is_spelled_in_bytes() {
        assert_eq!(encode("é"), [10, 1000 + 0xc3, 1000 + 0xa9]);
    }
}
