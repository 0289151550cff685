//! What people type as a search, as FTS5 understands it.

/// Every word must occur; a trailing `*` stands for any ending. Words are quoted, so that nothing
/// in them is an operator. `None` when there is no word.
pub(super) fn fts(words: &str) -> Option<String> {
    let quoted: Vec<String> = words
        .split_whitespace()
        .map(|word| match word.strip_suffix('*').filter(|stem| !stem.is_empty()) {
            Some(stem) => format!("\"{}\"*", stem.replace('"', "\"\"")),
            None => format!("\"{}\"", word.replace('"', "\"\"")),
        })
        .collect();
    (!quoted.is_empty()).then(|| quoted.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_word_is_an_operator() {
        assert_eq!(fts("a OR b*").as_deref(), Some("\"a\" \"OR\" \"b\"*"));
        assert_eq!(fts("say \"hi").as_deref(), Some("\"say\" \"\"\"hi\""));
        assert_eq!(fts("  "), None);
    }
}
