//! The verb that need not be written: words without one are a question.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::{ArgAction, Command, CommandFactory};

use super::Cli;
use crate::failure::Failure;

/// Puts the verb first: the one that was written, so that flags may stand before it, or `ask`.
///
/// A word that is no verb but one slip away from one is refused rather than asked: `textport modles`
/// is hardly ever a question, and `textport ask modles` says that it is.
///
/// # Errors
/// A usage error for such a slip.
pub(crate) fn insert(mut words: Vec<OsString>) -> Result<Vec<OsString>, Failure> {
    let command = Cli::command();
    let flags = Flags::of(&command);
    match flags.first_word(&words) {
        First::Word(at) => {
            let word = words[at].to_string_lossy().into_owned();
            let verbs: Vec<&str> = verbs(&command).collect();
            if verbs.contains(&word.as_str()) {
                let verb = words.remove(at);
                words.insert(1.min(words.len()), verb);
                return Ok(words);
            }
            if let Some(verb) = slip(&word, &verbs) {
                return Err(Failure::usage(format!("there is no verb {word:?}")).try_this(
                    format!("did you mean `textport {verb}`? To ask it: textport ask {word}"),
                ));
            }
        }
        First::Help => return Ok(words),
        First::None => {}
    }
    words.insert(1.min(words.len()), "ask".into());
    Ok(words)
}

fn verbs(command: &Command) -> impl Iterator<Item = &str> {
    command.get_subcommands().map(Command::get_name).chain(["help"])
}

fn slip<'a>(word: &str, verbs: &[&'a str]) -> Option<&'a str> {
    let near = |verb: &&&str| strsim::damerau_levenshtein(word, verb) == 1;
    let plain = word.chars().all(|c| c.is_ascii_lowercase());
    if plain { verbs.iter().find(near).copied() } else { None }
}

enum First {
    /// The first word that is neither a flag nor a flag's value.
    Word(usize),
    /// `--help` or `--version` comes before any word, and before any flag that only a verb takes.
    Help,
    /// There are only flags, or `--` ended them.
    None,
}

/// Which flags take a value, as the definition says.
#[derive(Default)]
struct Flags {
    long: BTreeSet<String>,
    short: BTreeSet<char>,
    /// Those that stand without a verb: each begins as it is written.
    global: BTreeSet<String>,
}

impl Flags {
    fn of(command: &Command) -> Self {
        let mut flags = Self::default();
        for arg in command.get_arguments() {
            let long = arg.get_long_and_visible_aliases().unwrap_or_default();
            flags.global.extend(long.into_iter().map(|name| format!("--{name}")));
            let short = arg.get_short_and_visible_aliases().unwrap_or_default();
            flags.global.extend(short.into_iter().map(|letter| format!("-{letter}")));
        }
        let all = command.get_subcommands().chain([command]).flat_map(Command::get_arguments);
        for arg in all {
            if !matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) {
                continue;
            }
            let long = arg.get_long_and_visible_aliases().unwrap_or_default();
            flags.long.extend(long.into_iter().map(str::to_owned));
            flags.short.extend(arg.get_short_and_visible_aliases().unwrap_or_default());
        }
        flags
    }

    fn first_word(&self, words: &[OsString]) -> First {
        let mut at = 1;
        let mut asks = false;
        while let Some(word) = words.get(at) {
            match word.to_str().unwrap_or_default() {
                "--" => return First::None,
                "--help" | "-h" | "--version" | "-V" if !asks => return First::Help,
                text if text.starts_with("--") => {
                    asks |= !self.global.contains(text.split('=').next().unwrap_or_default());
                    at += if self.long.contains(&text[2..]) { 2 } else { 1 };
                }
                text if text.starts_with('-') && text.len() > 1 => {
                    let flag: String = text.chars().take(2).collect();
                    asks |= !self.global.contains(&flag);
                    at += if self.short_waits(&text[1..]) { 2 } else { 1 };
                }
                _ => return First::Word(at),
            }
        }
        First::None
    }

    /// Whether a cluster such as `-qm` ends in a flag whose value is the next word.
    fn short_waits(&self, cluster: &str) -> bool {
        let takes = |c: &char| self.short.contains(c);
        let first = cluster.chars().position(|c| takes(&c));
        first.is_some_and(|at| at + 1 == cluster.chars().count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inserted(line: &str) -> String {
        let words = line.split('|').map(OsString::from).collect();
        let words = insert(words).unwrap();
        words.iter().map(|w| w.to_string_lossy().into_owned()).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn words_without_a_verb_are_asked() {
        for (given, expected) in [
            ("textport|hello", "textport|ask|hello"),
            ("textport|--temperature|0|hello", "textport|ask|--temperature|0|hello"),
            ("textport|-m|models|hello", "textport|ask|-m|models|hello"),
            ("textport|-mx|what is it", "textport|ask|-mx|what is it"),
            ("textport|--|models", "textport|ask|--|models"),
            ("textport|-", "textport|ask|-"),
            ("textport|--query|chat", "textport|ask|--query|chat"),
            ("textport", "textport|ask"),
        ] {
            assert_eq!(inserted(given), expected);
        }
    }

    #[test]
    fn a_verb_is_found_behind_flags() {
        for (given, expected) in [
            ("textport|models|list", "textport|models|list"),
            ("textport|-p|local|chat", "textport|chat|-p|local"),
            ("textport|--json|ask|chat", "textport|ask|--json|chat"),
            ("textport|--help", "textport|--help"),
            ("textport|-C|x|--help", "textport|-C|x|--help"),
            ("textport|--json|-q|-V", "textport|--json|-q|-V"),
            ("textport|-p|local|--help", "textport|ask|-p|local|--help"),
            ("textport|--temperature=1|-h", "textport|ask|--temperature=1|-h"),
        ] {
            assert_eq!(inserted(given), expected);
        }
    }

    #[test]
    fn a_slip_is_not_asked_but_a_sentence_is() {
        assert!(insert(vec!["textport".into(), "modles".into()]).is_err());
        assert_eq!(inserted("textport|modles of ships"), "textport|ask|modles of ships");
    }

    #[test]
    fn words_that_are_no_unicode_are_left_to_clap() {
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStringExt;
            let odd = OsString::from_vec(vec![b'-', 0xff]);
            assert!(insert(vec!["textport".into(), odd]).is_ok());
        }
    }
}
