//! Numbers and names inside ZeroGPU's sentences.

use std::time::Duration;

use super::Tier;

/// `60s requested vs. 12s left`, in either order.
pub(super) fn seconds(lower: &str) -> (Option<u64>, Option<u64>) {
    let (mut requested, mut left) = (None, None);
    let mut words =
        lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).peekable();
    while let Some(word) = words.next() {
        let Some(number) = word.strip_suffix('s').and_then(|digits| digits.parse().ok()) else {
            continue;
        };
        match words.peek() {
            Some(&"requested") => requested = requested.or(Some(number)),
            Some(&"left") => left = left.or(Some(number)),
            _ => {}
        }
    }
    (requested, left)
}

/// `The requested GPU duration (60s) is larger …`.
pub(super) fn duration_in_brackets(lower: &str) -> Option<u64> {
    let rest = &lower[lower.find("duration (")? + "duration (".len()..];
    rest.split_once("s)")?.0.parse().ok()
}

/// The wait after `try again in` or `retry in`.
pub(super) fn wait(lower: &str) -> Option<Duration> {
    let starts = ["try again in ", "retry in "]
        .iter()
        .filter_map(|words| lower.find(words).map(|at| at + words.len()));
    starts.filter_map(|at| timedelta(&lower[at..])).next()
}

/// Python's `str(timedelta)` at the start of a text: `[N day[s], ]H:MM:SS[.ffffff]`.
fn timedelta(text: &str) -> Option<Duration> {
    let (days, clock) = match text.split_once(" day") {
        Some((days, rest)) if days.bytes().all(|b| b.is_ascii_digit()) => {
            (days.parse::<u64>().ok()?, rest.trim_start_matches(['s', ',', ' ']))
        }
        _ => (0, text),
    };
    let end = clock.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(clock.len());
    let mut parts = clock[..end].split(':').map(str::parse::<u64>);
    let (hours, minutes, seconds) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    if parts.next().is_some() || minutes > 59 || seconds > 59 {
        return None;
    }
    let hours = days.checked_mul(24)?.checked_add(hours)?;
    hours.checked_mul(3600)?.checked_add(minutes * 60 + seconds).map(Duration::from_secs)
}

/// `1:23:45`, as the texts write it.
pub(super) fn shown(wait: Duration) -> String {
    let seconds = wait.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Whom the sentence takes the caller for.
pub(super) fn tier(lower: &str) -> Option<Tier> {
    let says = |words: &str| lower.contains(words);
    if says("your free zerogpu") || says("subscribe to hugging face pro") {
        Some(Tier::Free)
    } else if says("your pro zerogpu") || says("add credits") {
        Some(Tier::Pro)
    } else if says("your zerogpu quota") || says("free account") || says("authenticate with") {
        Some(Tier::Anonymous)
    } else {
        None
    }
}

/// Two sentences that the server joins without a space.
pub(super) fn repaired(text: &str) -> String {
    let mut text = text.to_owned();
    for word in ["Subscribe", "Authenticate", "Add credits", "Create"] {
        text = text.replace(&format!("allowed{word}"), &format!("allowed. {word}"));
    }
    text
}

/// `'late: q'` without its quotes.
pub(super) fn unquoted(text: &str) -> &str {
    let trimmed = text.trim();
    for quote in ['\'', '"'] {
        let inner = trimmed.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner;
        }
    }
    trimmed
}
