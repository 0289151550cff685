//! Keeps what people say from being read as structure.
//!
//! A chat template mixes the model's structure with the texts of messages in one string. Before it
//! runs, a guard character is put inside everything in a text that could be read as a control token,
//! also together with what the template writes next to it. After the prompt is cut at control
//! tokens, the guard is taken out again: the plain pieces are exactly what was said.

use std::borrow::Cow;

use super::ControlTokens;

/// Unicode's noncharacters, then a private-use plane: the guard is the first that no text has.
fn candidates() -> impl Iterator<Item = char> {
    ('\u{FDD0}'..='\u{FDEF}').chain('\u{F0000}'..='\u{FFFFD}')
}

/// The guard character of one prompt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guard<'c> {
    mark: char,
    controls: &'c ControlTokens,
}

impl<'c> Guard<'c> {
    /// A guard that occurs in none of the texts and in no control token; none when all occur.
    pub(crate) fn for_texts<'t>(
        controls: &'c ControlTokens,
        texts: impl Iterator<Item = &'t str> + Clone,
    ) -> Option<Self> {
        let free = |mark: &char| {
            !texts.clone().any(|text| text.contains(*mark))
                && !controls.spellings().any(|text| text.contains(*mark))
        };
        candidates().find(free).map(|mark| Self { mark, controls })
    }

    /// The text with guards in it.
    pub(crate) fn protect<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let (before, after) = (self.ends_a_token(text), self.begins_a_token(text));
        let inside: Vec<usize> = text
            .char_indices()
            .filter(|(at, _)| self.controls.at_start(&text[*at..]).is_some())
            .map(|(at, first)| at + first.len_utf8())
            .collect();
        if inside.is_empty() && !before && !after {
            return Cow::Borrowed(text);
        }
        let mut guarded = String::with_capacity(text.len() + 4 * (inside.len() + 2));
        if before {
            guarded.push(self.mark);
        }
        let mut done = 0;
        for at in inside {
            guarded.push_str(&text[done..at]);
            guarded.push(self.mark);
            done = at;
        }
        guarded.push_str(&text[done..]);
        if after {
            guarded.push(self.mark);
        }
        Cow::Owned(guarded)
    }

    /// The text as it was.
    pub(crate) fn remove<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if text.contains(self.mark) {
            Cow::Owned(text.chars().filter(|c| *c != self.mark).collect())
        } else {
            Cow::Borrowed(text)
        }
    }

    /// Whether text before it could make a control token of its beginning.
    fn ends_a_token(&self, text: &str) -> bool {
        self.controls.spellings().any(|token| {
            let inner = token.char_indices().skip(1).map(|(at, _)| &token[at..]);
            inner.into_iter().any(|rest| text.starts_with(rest) || is_inside(text, rest))
        })
    }

    /// Whether text after it could make a control token of its end.
    fn begins_a_token(&self, text: &str) -> bool {
        self.controls.spellings().any(|token| {
            let mut beginnings = token.char_indices().skip(1).map(|(at, _)| &token[..at]);
            beginnings.any(|beginning| text.ends_with(beginning))
        })
    }
}

/// Whether a template could write a token's start before `text` and its end after it.
fn is_inside(text: &str, rest: &str) -> bool {
    !text.is_empty() && rest.starts_with(text)
}
