//! Bytes of tokens to whole characters.

/// Collects bytes and gives out characters as soon as they are whole. Bytes that can become no
/// character give U+FFFD, exactly as if the whole had been converted at once.
#[derive(Debug, Default)]
pub(crate) struct Detokenizer {
    pending: Vec<u8>,
}

impl Detokenizer {
    /// Takes in the bytes of a token and appends what became whole.
    pub(crate) fn push(&mut self, bytes: &[u8], text: &mut String) {
        self.pending.extend_from_slice(bytes);
        let mut done = 0;
        for chunk in self.pending.utf8_chunks() {
            text.push_str(chunk.valid());
            done += chunk.valid().len();
            let invalid = chunk.invalid();
            // Only the last bytes can still be completed, and only if they are a character's start.
            if done + invalid.len() == self.pending.len() && can_be_completed(invalid) {
                break;
            }
            if !invalid.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
            done += invalid.len();
        }
        self.pending.drain(..done);
    }

    /// Gives up waiting for the rest of a character.
    pub(crate) fn finish(&mut self, text: &mut String) {
        if !self.pending.is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
            self.pending.clear();
        }
    }
}

fn can_be_completed(bytes: &[u8]) -> bool {
    // `error_len` is absent exactly when the bytes end too early.
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn joined(bytes: &[u8], cuts: &[usize]) -> (String, Vec<String>) {
        let (mut detokenizer, mut deltas, mut rest) = (Detokenizer::default(), Vec::new(), bytes);
        for cut in cuts {
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            let mut delta = String::new();
            detokenizer.push(now, &mut delta);
            deltas.push(delta);
            rest = later;
        }
        let mut last = String::new();
        detokenizer.push(rest, &mut last);
        detokenizer.finish(&mut last);
        deltas.push(last);
        (deltas.concat(), deltas)
    }

    #[test]
    fn an_incomplete_character_waits() {
        let (text, deltas) = joined("é😀".as_bytes(), &[1, 1, 3]);
        assert_eq!(text, "é😀");
        assert_eq!(deltas, ["", "é", "", "😀"]);
    }

    proptest! {
        #[test]
        fn any_split_of_a_text_gives_the_text(
            text in "\\PC{0,30}", cuts in prop::collection::vec(0..5usize, 0..40),
        ) {
            prop_assert_eq!(joined(text.as_bytes(), &cuts).0, text);
        }

        #[test]
        fn any_split_of_any_bytes_is_as_lossy_as_the_whole(
            bytes in prop::collection::vec(
                prop_oneof![any::<u8>(), 0x80..=0xbfu8, 0xe0..=0xf8u8], 0..30),
            cuts in prop::collection::vec(0..4usize, 0..40),
        ) {
            prop_assert_eq!(joined(&bytes, &cuts).0, String::from_utf8_lossy(&bytes));
        }
    }
}
