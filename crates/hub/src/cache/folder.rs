//! Where the cache is, as the Hub's own tools decide it.

use std::path::{Path, PathBuf};

/// The folder of the cache, from the variables that the Hub's own tools read: `HF_HUB_CACHE`,
/// `HUGGINGFACE_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`, or else below the home folder. `variable`
/// gives a variable's value, `home` is the user's folder; `None` when nothing says where.
pub fn cache_folder(
    variable: impl Fn(&str) -> Option<String>,
    home: Option<&Path>,
) -> Option<PathBuf> {
    let given = |name: &str| {
        let value = variable(name).filter(|value| !value.is_empty())?;
        Some(expand(&value, &variable, home))
    };
    let hub = || given("HF_HUB_CACHE").or_else(|| given("HUGGINGFACE_HUB_CACHE"));
    let tools = || given("HF_HOME").map(|folder| folder.join("hub"));
    let cache = || given("XDG_CACHE_HOME").or_else(|| Some(home?.join(".cache")));
    hub().or_else(tools).or_else(|| Some(cache()?.join("huggingface").join("hub")))
}

/// Whether the variables of the Hub's own tools forbid the network: `HF_HUB_OFFLINE`, or else
/// `TRANSFORMERS_OFFLINE`, is `1`, `on`, `yes` or `true`.
pub fn is_offline(variable: impl Fn(&str) -> Option<String>) -> bool {
    let given = |name: &str| variable(name).filter(|value| !value.is_empty());
    let word = given("HF_HUB_OFFLINE").or_else(|| given("TRANSFORMERS_OFFLINE"));
    word.is_some_and(|word| {
        ["1", "on", "yes", "true"].iter().any(|yes| word.eq_ignore_ascii_case(yes))
    })
}

/// `~` at the beginning, `$NAME` and `${NAME}` anywhere; names that are not set stay as they are.
fn expand(value: &str, variable: &impl Fn(&str) -> Option<String>, home: Option<&Path>) -> PathBuf {
    let mut expanded = String::new();
    let mut rest = value;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        let (name, length) = name_in(&rest[at..]);
        match variable(name).filter(|_| !name.is_empty()) {
            Some(value) => expanded.push_str(&value),
            None => expanded.push_str(&rest[at..at + length]),
        }
        rest = &rest[at + length..];
    }
    expanded.push_str(rest);
    match (Path::new(&expanded).strip_prefix("~"), home) {
        (Ok(below), Some(home)) => home.join(below),
        _ => PathBuf::from(expanded),
    }
}

/// The name after a `$`, and how long both are together.
fn name_in(text: &str) -> (&str, usize) {
    if let Some(inner) = text.strip_prefix("${") {
        return match inner.find('}') {
            Some(end) => (&inner[..end], end + 3),
            None => ("", 2),
        };
    }
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = text[1..].find(|c| !word(c)).map_or(text.len(), |end| end + 1);
    (&text[1..end], end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(variables: &[(&str, &str)]) -> PathBuf {
        let value = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        cache_folder(value, Some(Path::new("/h"))).unwrap()
    }

    #[test]
    fn the_variables_count_in_the_order_of_the_hubs_own_tools() {
        let all = [
            ("HF_HUB_CACHE", "/one"),
            ("HUGGINGFACE_HUB_CACHE", "/two"),
            ("HF_HOME", "/three"),
            ("XDG_CACHE_HOME", "/four"),
        ];
        let expected =
            ["/one", "/two", "/three/hub", "/four/huggingface/hub", "/h/.cache/huggingface/hub"];
        for (skip, expected) in expected.into_iter().enumerate() {
            assert_eq!(folder(&all[skip..]), Path::new(expected));
        }
        assert_eq!(cache_folder(|_| None, None), None);
        assert_eq!(folder(&[("HF_HUB_CACHE", ""), ("HF_HOME", "/t")]), Path::new("/t/hub"));
    }

    #[test]
    fn tildes_and_variables_are_expanded() {
        assert_eq!(folder(&[("HF_HOME", "~/x")]), Path::new("/h/x/hub"));
        assert_eq!(folder(&[("HF_HUB_CACHE", "$D/y"), ("D", "/d")]), Path::new("/d/y"));
        assert_eq!(folder(&[("HF_HUB_CACHE", "/a${D}b"), ("D", "-")]), Path::new("/a-b"));
        for kept in ["/a$NONE/b", "/a${NONE}b", "/a${", "/a$"] {
            assert_eq!(folder(&[("HF_HUB_CACHE", kept)]), Path::new(kept));
        }
    }

    #[test]
    fn the_network_is_off_by_a_word_that_means_yes() {
        let of = |name: &'static str, word: &'static str| {
            is_offline(move |asked| (asked == name).then(|| word.to_owned()))
        };
        assert!(of("HF_HUB_OFFLINE", "1") && of("HF_HUB_OFFLINE", "Yes"));
        assert!(of("TRANSFORMERS_OFFLINE", "TRUE"));
        assert!(!of("HF_HUB_OFFLINE", "0") && !of("HF_HUB_OFFLINE", "") && !of("OTHER", "1"));
        let both = |name: &str| Some(if name == "HF_HUB_OFFLINE" { "0" } else { "1" }.to_owned());
        assert!(!is_offline(both));
    }
}
