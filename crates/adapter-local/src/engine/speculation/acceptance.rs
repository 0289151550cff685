//! How often guesses come true in one answer, by how much of the text was like it before.
//!
//! Every token of an answer is held against the guess that there was, drafted or not. So it is known
//! what drafts would bring while none are made, and that costs nothing.

/// Guesses are told apart by how many tokens matched: up to so many, and more than the last.
const UP_TO: [usize; 5] = [1, 2, 3, 6, 12];
const KINDS: usize = UP_TO.len() + 1;
/// What holds before anything is known: as if of so many guesses this share had come true.
const FIRST: f32 = 4.0;
const SHARES: [f32; KINDS] = [0.1, 0.25, 0.4, 0.55, 0.7, 0.85];
/// Guesses that count; then the older half weighs half.
const MOST: f32 = 32.0;

/// How often guesses came true.
#[derive(Debug)]
pub(super) struct Acceptance {
    right: [f32; KINDS],
    all: [f32; KINDS],
}

impl Default for Acceptance {
    fn default() -> Self {
        Self { right: SHARES.map(|share| share * FIRST), all: [FIRST; KINDS] }
    }
}

fn kind(matched: usize) -> usize {
    UP_TO.iter().position(|most| matched <= *most).unwrap_or(UP_TO.len())
}

impl Acceptance {
    /// How probable it is that a guess comes true.
    pub(super) fn chance(&self, matched: usize) -> f32 {
        self.right[kind(matched)] / self.all[kind(matched)]
    }

    /// Takes note of what became of one.
    pub(super) fn note(&mut self, matched: usize, right: bool) {
        let kind = kind(matched);
        self.all[kind] += 1.0;
        self.right[kind] += f32::from(u8::from(right));
        if self.all[kind] > MOST {
            self.all[kind] /= 2.0;
            self.right[kind] /= 2.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_true_is_believed_and_what_does_not_is_forgotten() {
        let mut acceptance = Acceptance::default();
        let before = acceptance.chance(5);
        assert!(acceptance.chance(1) < acceptance.chance(3) && acceptance.chance(3) < before);
        (0..100).for_each(|_| acceptance.note(5, true));
        assert!(acceptance.chance(4) > 0.97, "{}", acceptance.chance(4));
        (0..100).for_each(|_| acceptance.note(5, false));
        assert!(acceptance.chance(6) < 0.05, "{}", acceptance.chance(6));
        // Others are not touched.
        assert_eq!(acceptance.chance(13), Acceptance::default().chance(40));
    }
}
