//! The fake's tokenizer: words with the space before them, long ones in pieces.

/// Characters of a token at most. Short enough that a control token in a text costs several.
const LONGEST: usize = 4;

/// The tokens of a text; joined they are the text.
pub(super) fn of(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let length = first_length(rest)?;
        let (token, later) = rest.split_at(length);
        rest = later;
        Some(token)
    })
}

/// Bytes of the first token; `None` for an empty text.
fn first_length(text: &str) -> Option<usize> {
    let last = text
        .char_indices()
        .enumerate()
        .take_while(|(n, (_, c))| *n == 0 || (*n < LONGEST && !c.is_whitespace()))
        .last();
    last.map(|(_, (start, c))| start + c.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn tokens_joined_are_the_text() {
        for text in ["", " ", "One port,  many\nproviders", "äöü😀😀😀😀 x"] {
            assert_eq!(of(text).collect::<String>(), text);
        }
    }

    #[test]
    fn words_keep_the_space_before_them_and_long_ones_are_cut() {
        assert_eq!(of("a bc harbour").collect::<Vec<_>>(), ["a", " bc", " har", "bour"]);
        assert_eq!(of("<|im_end|>").count(), 3);
    }
}
