//! `--extract`: the first fenced code block of an answer.

/// What stands between the first fence and its match; a block that the answer does not end runs to
/// the end of it.
pub(crate) fn code_block(text: &str) -> Option<&str> {
    let mut offset = 0;
    let mut open: Option<(Fence, usize)> = None;
    for line in text.split_inclusive('\n') {
        let start = offset;
        offset += line.len();
        match (&open, Fence::of(line)) {
            (None, Some(fence)) => open = Some((fence, offset)),
            (Some((fence, from)), Some(closing)) if closing.closes(fence) => {
                return text.get(*from..start);
            }
            _ => {}
        }
    }
    open.and_then(|(_, from)| text.get(from..)).filter(|block| !block.is_empty())
}

/// A run of at least three backticks or tildes at the start of a line.
struct Fence {
    mark: char,
    length: usize,
    bare: bool,
}

impl Fence {
    fn of(line: &str) -> Option<Self> {
        let line = line.trim_end();
        let inner = line.trim_start_matches(' ');
        let mark = inner.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
        let rest = inner.trim_start_matches(mark);
        let length = inner.len() - rest.len();
        // A backtick in the info string means that the line is inline code.
        let is_fence =
            length >= 3 && line.len() - inner.len() <= 3 && !(mark == '`' && rest.contains('`'));
        is_fence.then_some(Self { mark, length, bare: rest.trim().is_empty() })
    }

    fn closes(&self, open: &Fence) -> bool {
        self.bare && self.mark == open.mark && self.length >= open.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_block_is_found_and_nothing_else() {
        for (text, expected) in [
            ("Try:\n```sh\nls -l\n```\nor\n```\nx\n```\n", Some("ls -l\n")),
            ("````md\n```\nx\n```\n````\n", Some("```\nx\n```\n")),
            ("~~~\na\n~~~", Some("a\n")),
            ("```\nunended", Some("unended")),
            ("```\n```\n", Some("")),
            ("no code, only `inline`", None),
            ("```not a fence```\n", None),
            ("", None),
        ] {
            assert_eq!(code_block(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_searched(text in "[`~\n a-cä]{0,60}") {
            let _ = code_block(&text);
        }
    }
}
