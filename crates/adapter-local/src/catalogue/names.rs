//! Names that are safe as files, and the nearest known one to a mistyped one.

/// Whether `name` is one plain component of a path on every system: no separator, no drive, not
/// hidden, nothing that a file system would rewrite.
pub(crate) fn is_safe_component(name: &str) -> bool {
    let bad = |c: char| {
        c.is_control() || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
    };
    !name.is_empty()
        && name.len() <= 200
        && !name.starts_with('.')
        && !name.ends_with(['.', ' '])
        && !name.contains(bad)
}

/// Whether `path` is a relative path of plain components, with `/` between them.
pub(crate) fn is_safe_relative(path: &str) -> bool {
    path.split('/').all(is_safe_component)
}

/// Whether `name` is made of ASCII letters, digits, `_`, `-` and `.`, starting with one of the former two.
pub(crate) fn is_plain_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// The candidate most like `word`, if one is alike enough to be meant.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&word, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// A hint: the nearest candidate if there is one, and all of them.
pub(crate) fn choices<'a>(word: &str, candidates: impl Iterator<Item = &'a str> + Clone) -> String {
    let all = candidates.clone().collect::<Vec<_>>().join(", ");
    match nearest(word, candidates) {
        Some(near) => format!("did you mean {near}? known models: {all}"),
        None => format!("known models: {all}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_cannot_leave_their_folder() {
        for bad in ["", ".", "..", "a/b", "a\\b", "/etc", "C:x", ".hidden", "a\0", "a ", "a."] {
            assert!(!is_safe_component(bad), "{bad:?}");
        }
        assert!(is_safe_component("SmolLM2-135M-Instruct.Q4_1.gguf"));
        assert!(is_safe_relative("a/b.bin"));
        for bad in ["/a", "a//b", "a/../b", "a/"] {
            assert!(!is_safe_relative(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        let known = ["smollm2-135m", "qwen2.5-coder-1.5b"];
        assert_eq!(nearest("smolm2-135M", known), Some("smollm2-135m"));
        assert_eq!(nearest("gpt", known), None);
        assert!(choices("gpt", known.into_iter()).contains("qwen2.5-coder-1.5b"));
    }
}
