//! What one answer probably goes on with, and how much of that came true.

use super::acceptance::Acceptance;
use super::lookup::{Guess, Lookup};
use super::{Speculation, USUAL};

/// Rows less probable than that pay nowhere.
const LEAST: f32 = 0.02;

/// The draft of one answer.
#[derive(Debug)]
pub(in crate::engine) struct Draft {
    most: usize,
    /// Whether it is drafted only where it pays.
    measured: bool,
    lookup: Lookup,
    acceptance: Acceptance,
    /// The last token that was chosen and is not computed yet, then the drafted ones.
    tokens: Vec<u32>,
    /// For each drafted token how probable it is that it and all before it come true.
    chances: Vec<f32>,
    begun: bool,
}

/// What bounds a draft.
#[derive(Debug)]
pub(in crate::engine) struct Bounds<'a, E> {
    /// Prompt and answer so far.
    pub(in crate::engine) text: &'a [u32],
    /// Tokens that will follow whatever the logits are.
    pub(in crate::engine) certain: &'a [u32],
    /// Most tokens that can be of use.
    pub(in crate::engine) room: usize,
    /// Whether a token ends the answer.
    pub(in crate::engine) ends: E,
}

impl Draft {
    /// None where nothing is to be drafted.
    pub(in crate::engine) fn new(speculation: Speculation) -> Option<Self> {
        let (most, measured) = match speculation {
            Speculation::Off => return None,
            Speculation::Auto => (USUAL, true),
            Speculation::Most(most) => (most, false),
        };
        Some(Self {
            most,
            measured,
            lookup: Lookup::default(),
            acceptance: Acceptance::default(),
            tokens: Vec::with_capacity(most + 1),
            chances: Vec::with_capacity(most),
            begun: false,
        })
    }

    /// Whether it is drafted only where it pays.
    pub(in crate::engine) fn is_measured(&self) -> bool {
        self.measured
    }

    /// Whether this is its first step.
    pub(in crate::engine) fn begins(&mut self) -> bool {
        !std::mem::replace(&mut self.begun, true)
    }

    /// Makes a draft; says for each token how probable it is that it and all before it come true.
    pub(in crate::engine) fn propose(
        &mut self,
        bounds: &Bounds<'_, impl Fn(u32) -> bool>,
    ) -> &[f32] {
        self.keep(0);
        self.tokens.extend(bounds.text.last());
        let most = self.most.min(bounds.room);
        if !bounds.certain.is_empty() {
            let certain = &bounds.certain[..bounds.certain.len().min(most)];
            self.tokens.extend(certain);
            self.chances.resize(certain.len(), 1.0);
        } else if let Some(guess) = self.lookup.guess() {
            self.copy(guess, most, bounds);
        }
        &self.chances
    }

    /// Goes on as the text did from the guess on, into the draft itself where the text ends.
    fn copy(&mut self, guess: Guess, most: usize, bounds: &Bounds<'_, impl Fn(u32) -> bool>) {
        let (text, mut chance) = (bounds.text, 1.0);
        for at in 0..most {
            let from = guess.next + at;
            let id = match text.get(from) {
                Some(id) => *id,
                None => self.tokens[1 + from - text.len()],
            };
            chance *= self.acceptance.chance(guess.matched + at);
            // After the end of an answer there is nothing to compute.
            if (self.measured && chance < LEAST) || (bounds.ends)(id) {
                return;
            }
            self.tokens.push(id);
            self.chances.push(chance);
        }
    }

    /// Leaves only so many drafted tokens.
    pub(in crate::engine) fn keep(&mut self, count: usize) {
        let tokens = if count == 0 { 0 } else { count + 1 };
        self.tokens.truncate(tokens);
        self.chances.truncate(count);
    }

    /// The token to be computed and the drafted ones after it.
    pub(in crate::engine) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Takes note of the token that `text` ends with now. False when there is no memory for that:
    /// then there is nothing to be drafted from.
    pub(in crate::engine) fn follow(&mut self, text: &[u32], chosen: bool) -> bool {
        if let (true, Some(guess), Some(last)) = (chosen, self.lookup.guess(), text.last()) {
            let right = text.get(guess.next) == Some(last);
            self.acceptance.note(guess.matched, right);
        }
        self.lookup.follow(text).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(speculation: Speculation, text: &[u32]) -> Draft {
        let mut draft = Draft::new(speculation).unwrap();
        assert!(draft.follow(text, true));
        draft
    }

    impl Draft {
        fn drafted(&self) -> &[u32] {
            self.tokens.get(1..).unwrap_or_default()
        }
    }

    fn bounds<'a>(text: &'a [u32], certain: &'a [u32]) -> Bounds<'a, impl Fn(u32) -> bool> {
        Bounds { text, certain, room: 100, ends: |id| id == 99 }
    }

    #[test]
    fn it_goes_on_as_the_text_did_and_into_itself() {
        let text = [1, 2, 3, 4, 5, 1, 2, 3];
        let mut draft = draft(Speculation::Most(4), &text);
        assert_eq!(draft.propose(&bounds(&text, &[])).len(), 4);
        assert_eq!((draft.tokens(), draft.drafted()), (&[3, 4, 5, 1, 2][..], &[4, 5, 1, 2][..]));
        draft.keep(2);
        assert_eq!((draft.tokens(), draft.drafted()), (&[3, 4, 5][..], &[4, 5][..]));
        draft.keep(0);
        assert!(draft.tokens().is_empty() && draft.drafted().is_empty());
        // A loop of two.
        let text = [7, 8, 7, 8, 7];
        let mut draft = self::draft(Speculation::Most(6), &text);
        draft.propose(&bounds(&text, &[]));
        assert_eq!(draft.drafted(), [8, 7, 8, 7, 8, 7]);
    }

    #[test]
    fn it_ends_where_nothing_more_is_of_use() {
        let text = [1, 2, 3, 4, 99, 5, 1, 2, 3];
        let mut draft = draft(Speculation::Most(8), &text);
        draft.propose(&bounds(&text, &[]));
        assert_eq!(draft.drafted(), [4]);
        draft.propose(&Bounds { room: 0, ..bounds(&text, &[]) });
        assert!(draft.drafted().is_empty());
        let empty = Draft::new(Speculation::Most(8)).unwrap().propose(&bounds(&[1, 2], &[])).len();
        assert_eq!(empty, 0);
        assert!(Draft::new(Speculation::Off).is_none());
    }

    #[test]
    fn what_is_certain_comes_first() {
        let text = [1, 2, 3, 4, 1, 2, 3];
        let mut draft = draft(Speculation::Auto, &text);
        assert_eq!(draft.propose(&bounds(&text, &[50, 51])), [1.0, 1.0]);
        assert_eq!(draft.drafted(), [50, 51]);
    }

    #[test]
    fn chances_fall_from_token_to_token_and_with_what_did_not_come_true() {
        let text: Vec<u32> = (0..20).chain(0..6).collect();
        let mut draft = draft(Speculation::Auto, &text);
        let chances = draft.propose(&bounds(&text, &[])).to_vec();
        assert_eq!(draft.drafted(), &text[6..][..chances.len()]);
        assert!(chances.len() > 3 && chances.is_sorted_by(|a, b| a >= b), "{chances:?}");
        for wrong in 0..30 {
            let text: Vec<u32> = (0..20).chain(0..6).chain([1000 + wrong]).collect();
            draft.lookup = Lookup::default();
            assert!(draft.follow(&text[..26], true) && draft.follow(&text, true));
        }
        draft.lookup = Lookup::default();
        assert!(draft.follow(&text, true));
        assert!(draft.propose(&bounds(&text, &[]))[0] < 0.1);
    }
}
