//! "did you mean …?"

/// The known word nearest to `given`, when one is near enough to be a slip.
pub(crate) fn nearest<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(given, word), word))
        .filter(|(distance, _)| *distance <= 1 + given.chars().count() / 4)
        .min()
        .map(|(_, word)| word)
}

/// A hint that names the nearest word first and then all of them.
pub(crate) fn hint(what: &str, given: &str, known: &[&str]) -> String {
    let all = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    match nearest(given, known.iter().copied()) {
        Some(word) => format!("did you mean {word:?}? known {what}s: {all}"),
        None => format!("known {what}s: {all}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_nonsense_does_not() {
        let known = ["temperature", "top_p", "top_k"];
        assert_eq!(nearest("temprature", known), Some("temperature"));
        assert_eq!(nearest("xyzzy", known), None);
        assert!(hint("key", "topp", &known).starts_with("did you mean \"top_p\"?"));
    }
}
