//! Where the text so far had the tokens of its end before.
//!
//! Every place is remembered under the three tokens before it, and under the one. Nothing is
//! searched again: a token costs two entries and a look at a few places.

use std::collections::TryReserveError;

/// Earlier places that are looked at under each key.
const MOST_LOOKED_AT: usize = 8;
/// Tokens that are compared; of longer runs one is as good as the other.
const MOST_COMPARED: usize = 16;
/// Fewest slots of a table.
const FEWEST_SLOTS: usize = 1 << 10;
/// A guess that has held so far is not looked for again from here on.
const SURE: usize = 3;
const NOWHERE: u32 = u32::MAX;

/// What the text did before at a place like its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guess {
    /// Where the token stands that came then.
    pub(super) next: usize,
    /// How many tokens before it are as those at the end.
    pub(super) matched: usize,
}

/// The places of a text by the tokens before them. A text only grows.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    threes: Places<3>,
    ones: Places<1>,
    /// How much of the text is in here.
    followed: usize,
    guess: Option<Guess>,
}

/// Places by the `N` tokens before them, as chains from the latest to the earliest. Keys that share
/// a slot share a chain; who looks compares.
#[derive(Debug, Default)]
struct Places<const N: usize> {
    /// The latest place of each slot.
    latest: Vec<u32>,
    /// For each place the one before it in its chain.
    earlier: Vec<u32>,
}

impl Lookup {
    /// Where the end of the text was before: the longest run of tokens, the latest place of several.
    pub(super) fn guess(&self) -> Option<Guess> {
        self.guess
    }

    /// Takes in what was added to `text` since the last time.
    pub(super) fn follow(&mut self, text: &[u32]) -> Result<(), TryReserveError> {
        let Some(last) = text.len().checked_sub(1).filter(|last| *last >= self.followed) else {
            return Ok(());
        };
        self.threes.make_room(text)?;
        self.ones.make_room(text)?;
        let came_true = |guess: &Guess| {
            self.followed == last && guess.matched >= SURE && text[guess.next] == text[last]
        };
        let held = self.guess.filter(came_true);
        // The end of the text is no place that was before.
        for end in self.followed + 1..=last {
            self.note(&text[..end]);
        }
        self.guess = match held {
            Some(Guess { next, matched }) => Some(Guess { next: next + 1, matched: matched + 1 }),
            None => self.threes.find(text).or_else(|| self.ones.find(text)),
        };
        self.note(text);
        self.followed = text.len();
        Ok(())
    }

    fn note(&mut self, before: &[u32]) {
        self.threes.note(before);
        self.ones.note(before);
    }
}

impl<const N: usize> Places<N> {
    /// Makes the table large enough for all places of `text`.
    fn make_room(&mut self, text: &[u32]) -> Result<(), TryReserveError> {
        let more = (text.len() + 1).saturating_sub(self.earlier.len());
        self.earlier.try_reserve(more)?;
        if self.latest.len() > text.len() {
            return Ok(());
        }
        let slots = (2 * text.len()).next_power_of_two().max(FEWEST_SLOTS);
        let mut latest = Vec::new();
        latest.try_reserve_exact(slots)?;
        latest.resize(slots, NOWHERE);
        self.latest = latest;
        let places = self.earlier.len();
        self.earlier.clear();
        (0..places).for_each(|end| self.note(&text[..end]));
        Ok(())
    }

    /// Remembers the place after `before`. Every place once, from the first on.
    fn note(&mut self, before: &[u32]) {
        let place = before.len();
        // A text that begins in the middle of nothing has places too short for a key.
        self.earlier.resize(place, NOWHERE);
        let slot = key::<N>(before).map(|key| self.slot(key));
        self.earlier.push(slot.map_or(NOWHERE, |slot| self.latest[slot]));
        if let Some(slot) = slot {
            self.latest[slot] = place as u32;
        }
    }

    /// The best place that was before the end of `text`.
    fn find(&self, text: &[u32]) -> Option<Guess> {
        let mut at = self.latest[self.slot(key::<N>(text)?)];
        let mut best: Option<Guess> = None;
        for _ in 0..MOST_LOOKED_AT {
            if at == NOWHERE {
                break;
            }
            let next = at as usize;
            let matched = common_end(&text[..next], text);
            if matched >= N && best.is_none_or(|best| best.matched < matched) {
                best = Some(Guess { next, matched });
            }
            at = self.earlier[next];
        }
        best
    }

    fn slot(&self, key: [u32; N]) -> usize {
        let mixed = key.iter().fold(0u64, |mixed, id| {
            (mixed ^ u64::from(*id)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
        });
        mixed as usize & (self.latest.len() - 1)
    }
}

fn key<const N: usize>(before: &[u32]) -> Option<[u32; N]> {
    before.last_chunk().copied()
}

/// How many tokens two texts have in common at their ends, up to what is compared.
fn common_end(a: &[u32], b: &[u32]) -> usize {
    let pairs = a.iter().rev().zip(b.iter().rev()).take(MOST_COMPARED);
    pairs.take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn guess(text: &[u32]) -> Option<Guess> {
        let mut lookup = Lookup::default();
        lookup.follow(text).unwrap();
        lookup.guess()
    }

    #[test]
    fn the_longest_run_wins_then_the_latest() {
        assert_eq!(guess(&[]), None);
        assert_eq!(guess(&[1]), None);
        assert_eq!(guess(&[1, 2, 3]), None);
        assert_eq!(guess(&[1, 2, 1]), Some(Guess { next: 1, matched: 1 }));
        assert_eq!(guess(&[7, 7]), Some(Guess { next: 1, matched: 1 }));
        // Of two single tokens the later one.
        assert_eq!(guess(&[5, 1, 5, 2, 5]), Some(Guess { next: 3, matched: 1 }));
        // Two are better than a later one.
        assert_eq!(guess(&[4, 5, 1, 6, 5, 2, 4, 5]), Some(Guess { next: 2, matched: 2 }));
        // Four are better than a later three.
        let text = [1, 2, 3, 4, 9, 8, 2, 3, 4, 7, 1, 2, 3, 4];
        assert_eq!(guess(&text), Some(Guess { next: 4, matched: 4 }));
    }

    #[test]
    fn a_guess_that_comes_true_goes_on() {
        let mut lookup = Lookup::default();
        let text = [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 7];
        for end in 1..=12 {
            lookup.follow(&text[..end]).unwrap();
        }
        assert_eq!(lookup.guess(), Some(Guess { next: 6, matched: 6 }));
        lookup.follow(&text).unwrap();
        assert_eq!(lookup.guess(), None);
    }

    /// The longest run that was before, found by trying every place.
    fn longest(text: &[u32]) -> usize {
        (1..text.len()).map(|end| common_end(&text[..end], text)).max().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn what_is_guessed_was_there_however_the_text_came(
            text in prop::collection::vec(0u32..6, 1..400),
            cuts in prop::collection::vec(1usize..40, 1..60),
        ) {
            let mut lookup = Lookup::default();
            let mut end = 0;
            for cut in cuts {
                end = (end + cut).min(text.len());
                let text = &text[..end];
                lookup.follow(text).unwrap();
                let Some(Guess { next, matched }) = lookup.guess() else {
                    prop_assert_eq!(longest(text), 0);
                    continue;
                };
                prop_assert!(next < end && matched >= 1);
                prop_assert!(matched <= next);
                prop_assert_eq!(&text[next - matched..next], &text[end - matched..]);
                if longest(text) == 1 {
                    prop_assert_eq!(matched, 1);
                }
            }
        }

        #[test]
        fn a_copy_of_something_is_found_however_long_the_text(
            before in 0usize..3000, copied in 3usize..20, between in 0usize..3000,
        ) {
            // No token twice but in the copy.
            let all: Vec<u32> = (0..(before + copied + between) as u32).collect();
            let mut text = all.clone();
            text.extend(&all[before..before + copied]);
            let matched = copied.min(MOST_COMPARED);
            prop_assert_eq!(guess(&text), Some(Guess { next: before + copied, matched }));
        }
    }
}
