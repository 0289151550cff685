//! Parts reasoning (`<think>…</think>`) from the answer while both arrive in pieces.

/// The mark that begins reasoning.
pub const THINK_OPEN: &str = "<think>";
/// The mark that ends it.
pub const THINK_CLOSE: &str = "</think>";

/// A stretch of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Of the reasoning.
    Reasoning(String),
    /// Of the answer.
    Text(String),
}

/// Splits text at the marks, however it is cut; the marks belong to neither side. White space after a mark, and at the end
/// of reasoning, belongs to the mark: models write marks on lines of their own. A closing mark that
/// closes nothing is dropped.
///
/// ```
/// use textport_domain::{ReasoningSplitter, Segment};
///
/// let (mut splitter, mut segments) = (ReasoningSplitter::new(false), Vec::new());
/// for delta in ["<thi", "nk>hm</think>", "yes"] {
///     splitter.push(delta, &mut segments);
/// }
/// splitter.finish(&mut segments);
/// assert_eq!(segments, [Segment::Reasoning("hm".into()), Segment::Text("yes".into())]);
/// ```
#[derive(Debug, Clone)]
pub struct ReasoningSplitter {
    held: String,
    thinking: bool,
    after_mark: bool,
}

impl ReasoningSplitter {
    /// Starts inside reasoning when the prompt already opened it.
    pub fn new(thinking: bool) -> Self {
        Self { held: String::new(), thinking, after_mark: thinking }
    }

    /// Whether what comes next is reasoning.
    pub fn thinking(&self) -> bool {
        self.thinking
    }

    /// Takes in text and appends what is certain.
    pub fn push(&mut self, delta: &str, segments: &mut Vec<Segment>) {
        self.held.push_str(delta);
        while let Some((at, mark)) = self.next_mark() {
            let before = &self.held[..at];
            let before = if self.thinking { before.trim_end() } else { before }.to_owned();
            self.give(&before, segments);
            self.held.drain(..at + mark.len());
            self.after_mark = true;
            self.thinking = mark == THINK_OPEN;
        }
        let certain = self.held[..self.held.len() - self.uncertain()].to_owned();
        self.held.drain(..certain.len());
        self.give(&certain, segments);
    }

    /// The generation ended: what was held back is what it seems.
    pub fn finish(&mut self, segments: &mut Vec<Segment>) {
        let rest = std::mem::take(&mut self.held);
        self.give(&rest, segments);
    }

    fn give(&mut self, text: &str, segments: &mut Vec<Segment>) {
        let text = if self.after_mark { text.trim_start() } else { text };
        if text.is_empty() {
            return;
        }
        self.after_mark = false;
        let text = text.to_owned();
        segments.push(if self.thinking { Segment::Reasoning(text) } else { Segment::Text(text) });
    }

    fn marks(&self) -> &'static [&'static str] {
        if self.thinking { &[THINK_CLOSE] } else { &[THINK_OPEN, THINK_CLOSE] }
    }

    fn next_mark(&self) -> Option<(usize, &'static str)> {
        let found = self.marks().iter().filter_map(|mark| Some((self.held.find(mark)?, *mark)));
        found.min_by_key(|(at, _)| *at)
    }

    /// Length of the end that may yet become a mark, with the white space before it: that is part
    /// of the mark if one comes.
    fn uncertain(&self) -> usize {
        let longest = self.held.len().min(THINK_CLOSE.len() - 1);
        let begins = |len: &usize| {
            let at = self.held.len() - len;
            self.held.get(at..).is_some_and(|end| self.marks().iter().any(|m| m.starts_with(end)))
        };
        let mark = (1..=longest).rev().find(begins).unwrap_or(0);
        let before = &self.held[..self.held.len() - mark];
        let space = if self.thinking { before.len() - before.trim_end().len() } else { 0 };
        mark + space
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split<'t>(deltas: impl IntoIterator<Item = &'t str>, thinking: bool) -> (String, String) {
        let (mut splitter, mut segments) = (ReasoningSplitter::new(thinking), Vec::new());
        deltas.into_iter().for_each(|delta| splitter.push(delta, &mut segments));
        splitter.finish(&mut segments);
        let (mut reasoning, mut text) = (String::new(), String::new());
        for segment in segments {
            match segment {
                Segment::Reasoning(delta) => reasoning.push_str(&delta),
                Segment::Text(delta) => text.push_str(&delta),
            }
        }
        (reasoning, text)
    }

    #[test]
    fn reasoning_and_answer_are_parted() {
        let parted = |r: &str, t: &str| (r.to_owned(), t.to_owned());
        assert_eq!(split(["<think>\na b\n</think>\n\nc d\n"], false), parted("a b", "c d\n"));
        assert_eq!(split(["a</think>b"], true), parted("a", "b"));
        assert_eq!(split(["<think>a"], false), parted("a", ""));
        assert_eq!(split(["a < b </think> c"], false), parted("", "a < b c"));
        assert_eq!(split(["no <thin"], false), parted("", "no <thin"));
        assert_eq!(split(["a<think>b</think>c<think>d"], false), parted("bd", "ac"));
    }

    #[test]
    fn nothing_is_held_back_longer_than_it_must() {
        let (mut splitter, mut segments) = (ReasoningSplitter::new(false), Vec::new());
        splitter.push("hello <b", &mut segments);
        assert_eq!(segments, [Segment::Text("hello <b".into())]);
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter(
            parts in prop::collection::vec(prop_oneof![
                Just("<think>".to_owned()), Just("</think>".to_owned()), "[<>/think \n]{0,5}",
            ], 0..8),
            cuts in prop::collection::vec(1..4usize, 0..60),
            thinking: bool,
        ) {
            let whole = parts.concat();
            let (mut pieces, mut rest) = (Vec::new(), whole.as_str());
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                pieces.push(now);
                rest = later;
            }
            pieces.push(rest);
            let (reasoning, text) = split(pieces, thinking);
            prop_assert_eq!((reasoning, text), split([whole.as_str()], thinking));
        }
    }
}
