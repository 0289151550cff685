//! Clause 3: stop sequences end the text and are no part of it.
//!
//! Where runs repeat, the stop sequences are cut out of the answer itself, so what must come is
//! known to the character.

use domain::{Capability, FinishReason};

use super::Skip;
use super::subject::{Check, Subject, Unmet, ensure};
use super::transcript::Transcript;

/// No model says this.
const NEVER: &str = "\u{1}\u{7f}";

pub(super) async fn is_no_part_of_the_text(subject: &Subject) -> Check {
    let text = whole_answer(subject).await?.text();
    let stop = slice(&text, 1, 2, 3)?;
    cut_at(subject, &text, &[stop]).await
}

pub(super) async fn at_the_very_beginning(subject: &Subject) -> Check {
    let text = whole_answer(subject).await?.text();
    let stop = slice(&text, 0, 1, 2)?;
    cut_at(subject, &text, &[stop]).await
}

pub(super) async fn split_across_deltas(subject: &Subject) -> Check {
    subject.require(Capability::Streaming)?;
    let answer = whole_answer(subject).await?;
    let (text, deltas) = (answer.text(), answer.deltas());
    let two = across(&deltas, 1);
    let many = across(&deltas, 3);
    let Some(two) = two.or_else(|| many.clone()) else {
        return Err(Unmet::Fail(format!("no stop sequence lies across deltas of {deltas:?}")));
    };
    cut_at(subject, &text, &[&two]).await?;
    match many {
        Some(many) => cut_at(subject, &text, &[&many]).await,
        None => Ok(()),
    }
}

/// The last character of a delta, the `between - 1` deltas after it and the first character of the
/// next: the first such that does not occur earlier.
fn across(deltas: &[&str], between: usize) -> Option<String> {
    let whole = deltas.concat();
    let mut start = 0;
    for window in deltas.windows(between + 1) {
        let [first, middle @ .., last] = window else { continue };
        let from = first.chars().next_back()?;
        let stop = format!("{from}{}{}", middle.concat(), last.chars().next()?);
        let expected = start + first.len() - from.len_utf8();
        if whole.find(&stop) == Some(expected) && expected > 0 {
            return Some(stop);
        }
        start += first.len();
    }
    None
}

pub(super) async fn the_earliest_wins(subject: &Subject) -> Check {
    let text = whole_answer(subject).await?.text();
    let (early, late) = (slice(&text, 1, 3, 2)?, slice(&text, 2, 3, 2)?);
    cut_at(subject, &text, &[late, NEVER, early]).await
}

/// Text that was held back because it began like a stop sequence is given in the end.
pub(super) async fn a_near_miss_is_kept(subject: &Subject) -> Check {
    let text = whole_answer(subject).await?.text();
    let end = text.char_indices().rev().nth(2).map_or(0, |(start, _)| start);
    let inside = format!("{}{NEVER}", slice(&text, 1, 2, 3)?);
    let at_the_end = format!("{}{NEVER}", &text[end..]);
    let mut request = subject.request();
    request.options.stop = vec![inside, at_the_end];
    let got = subject.answer(request).await?.text();
    ensure(got == text, || format!("{text:?} became {got:?}"))
}

pub(super) async fn a_known_word_ends_it(subject: &Subject) -> Check {
    subject.require(Capability::Stop)?;
    let Some(stop) = subject.fixture.stop() else {
        return Err(Unmet::Skip(Skip::Fixture("stop word that is certain to occur")));
    };
    let mut request = subject.request();
    request.options.max_tokens = None;
    request.options.stop = vec![stop.to_owned()];
    let answer = subject.answer(request).await?;
    let text = answer.text();
    ensure(!text.contains(stop), || format!("{stop:?} is in {text:?}"))?;
    ensure(answer.reason() == Some(FinishReason::Stop), || {
        format!("it ended with {:?}", answer.reason())
    })
}

async fn whole_answer(subject: &Subject) -> Result<Transcript, Unmet> {
    subject.require(Capability::Stop)?;
    subject.require_repeats()?;
    subject.answer(subject.request()).await
}

/// `length` characters that begin `part / of` into the text.
fn slice(text: &str, part: usize, of: usize, length: usize) -> Result<&str, Unmet> {
    let count = text.chars().count();
    ensure(count >= 3 * (length + 1), || {
        format!("the answer {text:?} is too short to test stop sequences on")
    })?;
    let at = |n: usize| text.char_indices().nth(n).map_or(text.len(), |(start, _)| start);
    let from = count * part / of;
    Ok(&text[at(from)..at((from + length).min(count))])
}

/// With these stop sequences the answer is `text` up to the first of them.
async fn cut_at(subject: &Subject, text: &str, stops: &[&str]) -> Check {
    let mut request = subject.request();
    request.options.stop = stops.iter().map(ToString::to_string).collect();
    let answer = subject.answer(request).await?;
    let expected = stops.iter().filter_map(|stop| text.find(stop)).min();
    let expected = &text[..expected.unwrap_or(text.len())];
    let got = answer.text();
    ensure(got == expected, || format!("stop {stops:?} gave {got:?} instead of {expected:?}"))?;
    ensure(answer.reason() == Some(FinishReason::Stop), || {
        format!("stop {stops:?} ended with {:?}", answer.reason())
    })
}

#[cfg(test)]
mod tests {
    use super::{across, slice};

    #[test]
    fn a_stop_across_deltas_is_found_where_it_occurs_first() {
        assert_eq!(across(&["One", " port", " takes"], 1).as_deref(), Some("e "));
        assert_eq!(across(&["One", " por", "t", " tak"], 3).as_deref(), Some("e port "));
        assert_eq!(across(&["a", "a", "a", "a"], 1), None);
    }

    #[test]
    fn slices_are_whole_characters() {
        assert_eq!(slice("äöüäöüäöüäöü", 1, 2, 3).unwrap(), "äöü");
        assert!(slice("short", 1, 2, 3).is_err());
    }
}
