//! Growing texts, cursors, place holders and wrong values.

use proptest::prelude::*;

use super::{Deltas, Rewritten};

fn run(values: &[&str], last: &str) -> (Vec<String>, Result<(), Rewritten>) {
    let mut deltas = Deltas::new(false);
    let mut given: Vec<String> = values.iter().filter_map(|value| deltas.observe(value)).collect();
    match deltas.finish(last) {
        Ok(rest) => {
            given.extend(rest);
            (given, Ok(()))
        }
        Err(error) => (given, Err(error)),
    }
}

fn given(values: &[&str], last: &str) -> Vec<String> {
    let (given, end) = run(values, last);
    assert_eq!(end, Ok(()));
    given
}

#[test]
fn growth_is_given_out_as_it_comes() {
    assert_eq!(given(&["one", "one two", "one two three"], "one two three"), ["one two", " three"]);
    assert_eq!(given(&["", "a", "ab", "ab"], "ab"), ["ab"]);
}

#[test]
fn a_single_value_is_one_delta() {
    assert_eq!(given(&[], "all"), ["all"]);
    assert_eq!(given(&["all"], "all"), ["all"]);
    assert!(given(&[], "").is_empty());
}

#[test]
fn a_cursor_at_the_end_is_never_given_out() {
    assert_eq!(given(&["▌", "▌", "Hi▌", "Hi▌", "Hi you▌"], "Hi you"), ["Hi", " you"]);
    assert_eq!(given(&["He▌", "Hello▌", "Hello you▌"], "Hello you"), ["He", "llo", " you"]);
}

#[test]
fn a_place_holder_is_never_given_out() {
    assert_eq!(given(&["Thinking…", "Hello", "Hello you"], "Hello you!"), ["Hello", " you!"]);
}

#[test]
fn white_space_and_broken_characters_at_the_end_wait() {
    assert_eq!(given(&["a", "a \n", "a \nb\u{fffd}", "a \nbé "], "a \nbé"), ["a", " \nb", "é"]);
}

#[test]
fn a_wrong_value_in_between_costs_nothing() {
    assert_eq!(given(&["a", "ab", "p3", "abc", "abcd"], "abcd"), ["ab", "abc"[2..].into(), "d"]);
}

#[test]
fn what_was_given_out_and_is_not_in_the_end_is_an_error() {
    let (given, end) = run(&["Thinking.", "Thinking..", "Hello"], "Hello");
    assert_eq!((given.concat().as_str(), end), ("Thinking..", Err(Rewritten)));
}

#[test]
fn final_only_gives_the_whole_text_at_the_end() {
    let mut deltas = Deltas::new(true);
    assert!(["x", "xy", "z"].iter().all(|value| deltas.observe(value).is_none()));
    assert_eq!(deltas.finish("answer"), Ok(Some("answer".into())));
}

proptest! {
    #[test]
    fn a_growing_text_is_neither_repeated_nor_lost(
        pieces in prop::collection::vec("[ab é😀\n]{0,4}", 0..12), cursor in "[▌|]{0,1}", strip: bool,
    ) {
        let mut text = String::new();
        let values: Vec<String> = pieces.iter().map(|p| { text.push_str(p); format!("{text}{cursor}") }).collect();
        let last = if strip { text.trim_end() } else { &text };
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let (given, end) = run(&values, last);
        prop_assert_eq!(end, Ok(()));
        prop_assert_eq!(given.concat(), last);
        prop_assert!(given.iter().all(|delta| !delta.is_empty()));
    }

    #[test]
    fn one_value_that_is_no_growth_does_no_harm(
        pieces in prop::collection::vec("[ab]{1,3}", 2..8), wrong in "[ab]{0,8}", at in any::<prop::sample::Index>(),
    ) {
        let mut text = String::new();
        let mut values: Vec<String> = pieces.iter().map(|p| { text.push_str(p); text.clone() }).collect();
        let at = at.index(values.len());
        let grows = at > 0 && wrong.starts_with(&values[at - 1]);
        prop_assume!(!grows || text.starts_with(&wrong));
        values.insert(at, wrong);
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        // A wrong first value that the first right one extends cannot be told from a right one.
        let confirmed = at == 0 && values[1].starts_with(values[0]);
        let (given, end) = run(&values, &text);
        prop_assert!(confirmed || end == Ok(()));
        prop_assert!(end.is_err() || given.concat() == text);
    }

    #[test]
    fn whatever_comes_the_text_is_the_final_one_or_an_error(
        values in prop::collection::vec("[ab ]{0,4}", 0..8), last in "[ab ]{0,6}",
    ) {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let (given, end) = run(&values, &last);
        match end {
            Ok(()) => prop_assert_eq!(given.concat(), last),
            Err(Rewritten) => prop_assert!(!last.starts_with(&given.concat())),
        }
    }
}
