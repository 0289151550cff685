//! Error texts of Spaces hold links and line breaks; people get one plain line.

/// The text without tags and with the few entities that occur decoded.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        out.push_str(&rest[..open]);
        let tag = &rest[open..];
        // `a < b` is no tag: a tag's name follows at once.
        let is_tag =
            tag[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
        match tag.find('>').filter(|_| is_tag) {
            Some(close) => rest = &tag[close + 1..],
            None => {
                out.push('<');
                rest = &tag[1..];
            }
        }
    }
    out.push_str(rest);
    for (entity, character) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ] {
        if out.contains(entity) {
            out = out.replace(entity, character);
        }
    }
    out
}

/// White space becomes single spaces, control characters go, and long texts are cut.
pub(crate) fn one_line(text: &str) -> String {
    const LONGEST: usize = 500;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut characters = line.chars().filter(|c| !c.is_control());
    let mut line: String = characters.by_ref().take(LONGEST).collect();
    if characters.next().is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{one_line, plain};

    #[test]
    fn links_go_and_their_words_stay() {
        let text = "No GPU. <a style=\"x\" href=\"https://hf.co\">Create a free\n account</a> now";
        assert_eq!(one_line(&plain(text)), "No GPU. Create a free account now");
        assert_eq!(plain("a < b &amp; c > d <3"), "a < b & c > d <3");
    }

    proptest! {
        #[test]
        fn any_text_gives_one_short_line(text in "\\PC{0,40}(<[a-z/]{0,3}>?){0,4}.{0,600}") {
            let line = one_line(&plain(&text));
            prop_assert!(line.chars().count() <= 501 && !line.chars().any(char::is_control));
        }
    }
}
