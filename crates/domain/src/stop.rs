//! Stop sequences: texts that end a generation and are no part of it.

/// What became of a piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// A stop sequence is complete.
    Yes,
    /// None is.
    No,
}

/// Holds back text that may be the beginning of a stop sequence. The sequence that is complete
/// first ends the text; of several complete at the same place, the one that began first.
#[derive(Debug, Clone)]
pub struct StopMatcher {
    sequences: Vec<String>,
    held: String,
}

impl StopMatcher {
    /// For these sequences, none of them empty.
    pub fn new(sequences: Vec<String>) -> Self {
        Self { sequences, held: String::new() }
    }

    /// Takes in text and appends what can no longer be part of a stop sequence.
    pub fn push(&mut self, delta: &str, text: &mut String) -> Stopped {
        self.held.push_str(delta);
        if let Some(start) = self.first_match() {
            text.push_str(&self.held[..start]);
            self.held.clear();
            return Stopped::Yes;
        }
        let keep = self.may_begin_at();
        text.push_str(&self.held[..keep]);
        self.held.drain(..keep);
        Stopped::No
    }

    /// The generation ended otherwise: what was held back is text.
    pub fn finish(&mut self, text: &mut String) {
        text.push_str(&self.held);
        self.held.clear();
    }

    fn first_match(&self) -> Option<usize> {
        let found = self.sequences.iter().filter_map(|sequence| {
            self.held.find(sequence.as_str()).map(|start| (start + sequence.len(), start))
        });
        found.min().map(|(_, start)| start)
    }

    /// Where the longest end of the text starts that begins a stop sequence.
    fn may_begin_at(&self) -> usize {
        let longest = self.sequences.iter().map(String::len).max().unwrap_or(0);
        let from = self.held.len().saturating_sub(longest.saturating_sub(1));
        let mut ends = self.held.char_indices().map(|(at, _)| at).filter(|at| *at >= from);
        let begins = |at: &usize| {
            self.sequences.iter().any(|sequence| sequence.starts_with(&self.held[*at..]))
        };
        ends.find(begins).unwrap_or(self.held.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One character at a time, looking at the whole each time.
    fn naive(text: &str, sequences: &[String]) -> (String, bool) {
        let mut seen = String::new();
        for c in text.chars() {
            seen.push(c);
            let ended = sequences.iter().filter(|s| seen.ends_with(s.as_str()));
            if let Some(longest) = ended.map(String::len).max() {
                seen.truncate(seen.len() - longest);
                return (seen, true);
            }
        }
        (seen, false)
    }

    fn streamed(deltas: &[String], sequences: &[String]) -> (String, bool) {
        let (mut matcher, mut text) = (StopMatcher::new(sequences.to_vec()), String::new());
        for delta in deltas {
            if matcher.push(delta, &mut text) == Stopped::Yes {
                return (text, true);
            }
        }
        matcher.finish(&mut text);
        (text, false)
    }

    #[test]
    fn a_possible_beginning_is_held_back_and_given_out_when_it_is_none() {
        let mut matcher = StopMatcher::new(vec!["###".into()]);
        let mut text = String::new();
        assert_eq!(matcher.push("a#", &mut text), Stopped::No);
        assert_eq!(text, "a");
        matcher.push("#b", &mut text);
        assert_eq!(text, "a##b");
    }

    proptest! {
        #[test]
        fn streaming_equals_the_naive_reference(
            deltas in prop::collection::vec("[abé]{0,4}", 0..12),
            sequences in prop::collection::vec("[abé]{1,4}", 0..4),
        ) {
            prop_assert_eq!(streamed(&deltas, &sequences), naive(&deltas.concat(), &sequences));
        }
    }
}
