//! What ZeroGPU says when it gives no GPU, as a class, numbers and advice.
//!
//! There are no codes on the wire: a title and a sentence, whose words and order have changed over
//! the years and which may hold links. Everything here is pure and takes any text.

mod wording;

use std::time::{Duration, SystemTime};

use ports::{Error, ErrorKind, RetryAdvice, Unavailability};

use crate::html::{one_line, plain};

/// What kind of refusal it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Class {
    /// The caller's GPU seconds are used up.
    Quota,
    /// The caller's number of runs is used up.
    Runs,
    /// The call carried nothing that says who calls, and the Space's share for such calls is gone.
    UnknownCaller,
    /// Paid time is reserved by tasks that still run.
    PendingCredits,
    /// More seconds are asked for at once than the account may.
    IllegalDuration,
    /// No GPU became free in time.
    QueueTimeout,
    /// There is no GPU at all.
    NoGpu,
    /// The proxy's token for this visit has expired.
    ExpiredToken,
    /// The task was killed: too long, too large, or crashed.
    Aborted,
    /// The Space's own code raised this exception.
    AppBug(String),
    /// Something else of ZeroGPU's.
    Other,
}

/// Whom ZeroGPU took the caller for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tier {
    /// Nobody who is logged in.
    Anonymous,
    /// A free account.
    Free,
    /// A paid account.
    Pro,
}

/// A refusal, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// What kind it is.
    pub class: Class,
    /// GPU seconds that the call asked for.
    pub requested: Option<u64>,
    /// GPU seconds that are left.
    pub left: Option<u64>,
    /// How long until it makes sense to try again.
    pub retry_after: Option<Duration>,
    /// Whom ZeroGPU took the caller for.
    pub tier: Option<Tier>,
    /// The text in one line, without markup.
    pub message: String,
}

/// What decides how a failure is put.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances {
    /// Texts are Python representations in quotes, as before Gradio 5.
    pub(crate) quoted: bool,
    /// A token was sent.
    pub(crate) has_token: bool,
    pub(crate) now: SystemTime,
}

/// Whether these are words of ZeroGPU's, and what they mean.
pub fn classify(title: Option<&str>, text: &str) -> Option<Fault> {
    let message = wording::repaired(&one_line(&plain(text)));
    let title = title.map(|title| one_line(title).to_lowercase()).unwrap_or_default();
    let lower = message.to_lowercase();
    let class = class(&title, &lower, &message)?;
    let (requested, left) = wording::seconds(&lower);
    Some(Fault {
        requested: requested.or_else(|| wording::duration_in_brackets(&lower)),
        left,
        retry_after: wording::wait(&lower),
        tier: wording::tier(&lower),
        class,
        message,
    })
}

fn class(title: &str, lower: &str, message: &str) -> Option<Class> {
    let says = |words: &str| lower.contains(words);
    // A busy queue comes under the title of a quota, too: the text is asked first.
    Some(if says("no gpu was available") {
        let waited = title.contains("queue timeout") || says("no gpu was available after");
        if waited { Class::QueueTimeout } else { Class::NoGpu }
    } else if says("exceeded your") && says("runs limit") {
        Class::Runs
    } else if says("exceeded your") && says("quota") {
        Class::Quota
    } else if says("reached its gpu limit") {
        Class::UnknownCaller
    } else if says("too many zerogpu credits") || title.contains("zerogpu pending credits") {
        Class::PendingCredits
    } else if title.contains("zerogpu illegal duration")
        || (says("requested gpu duration") && says("maximum allowed"))
    {
        Class::IllegalDuration
    } else if says("expired zerogpu proxy token") {
        Class::ExpiredToken
    } else if says("gpu task aborted") {
        Class::Aborted
    } else if title.contains("zerogpu worker error") {
        Class::AppBug(message.to_owned())
    } else if title.contains("zerogpu quota") {
        Class::Quota
    } else if title.contains("zerogpu queue timeout") {
        Class::QueueTimeout
    } else if title.starts_with("zerogpu") {
        Class::Other
    } else {
        return None;
    })
}

impl Fault {
    /// The error that this means at the time `now`.
    pub fn into_error(self, now: SystemTime) -> Error {
        self.into_error_for(now, false)
    }

    fn into_error_for(self, now: SystemTime, has_token: bool) -> Error {
        let known = self.tier.is_some_and(|tier| tier != Tier::Anonymous);
        let hint = self.hint(has_token || known);
        let (kind, message) = self.kind_and_message();
        let error = Error::new(kind, message).with_hint(hint);
        let moment = self.retry_after.and_then(|wait| now.checked_add(wait));
        match (&self.class, moment) {
            (Class::Quota | Class::Runs | Class::UnknownCaller, Some(reset)) => {
                error.with_advice(RetryAdvice::At(reset))
            }
            (Class::PendingCredits, None) => {
                error.with_advice(RetryAdvice::After(Duration::from_secs(60)))
            }
            (Class::ExpiredToken, _) => error.with_advice(RetryAdvice::Backoff),
            // What ran and died has cost quota; the same call would die again.
            (Class::Aborted | Class::AppBug(_) | Class::Other, _) => {
                error.with_advice(RetryAdvice::OtherProviderOnly)
            }
            _ => error,
        }
    }

    fn kind_and_message(&self) -> (ErrorKind, String) {
        let numbers = match (self.requested, self.left) {
            (Some(requested), Some(left)) => format!(" ({requested} s requested, {left} s left)"),
            _ => String::new(),
        };
        let until = self.retry_after.map(|wait| format!("; it resets in {}", wording::shown(wait)));
        match &self.class {
            Class::Quota => (
                ErrorKind::QuotaExhausted,
                format!("the ZeroGPU quota is used up{numbers}{}", until.unwrap_or_default()),
            ),
            Class::Runs => {
                (ErrorKind::QuotaExhausted, "the number of ZeroGPU runs is used up".to_owned())
            }
            Class::UnknownCaller => (
                ErrorKind::QuotaExhausted,
                "the Space has used up the GPU time of callers that it does not know".to_owned(),
            ),
            Class::PendingCredits => (
                ErrorKind::RateLimited,
                "the account's ZeroGPU credits are reserved by tasks that still run".to_owned(),
            ),
            Class::IllegalDuration => {
                let asked = self.requested.map(|s| format!(" ({s} s)")).unwrap_or_default();
                let message = format!(
                    "the Space asks for more GPU time at once{asked} than this account may"
                );
                (ErrorKind::PermissionDenied, message)
            }
            Class::QueueTimeout | Class::NoGpu => {
                (ErrorKind::QueueFull, first_sentence(&self.message))
            }
            Class::ExpiredToken => (ErrorKind::Unauthenticated, self.message.clone()),
            Class::Aborted => (
                ErrorKind::Unavailable(Unavailability::Down),
                "ZeroGPU ended the task: it took too long, needed too much memory or crashed"
                    .to_owned(),
            ),
            Class::AppBug(exception) => (
                ErrorKind::Unavailable(Unavailability::Down),
                format!("the Space's own code failed on the GPU with {exception}"),
            ),
            Class::Other => {
                (ErrorKind::Unavailable(Unavailability::Down), format!("ZeroGPU: {}", self.message))
            }
        }
    }

    fn hint(&self, has_token: bool) -> &'static str {
        match &self.class {
            Class::Quota | Class::Runs if self.tier == Some(Tier::Anonymous) && has_token => {
                "the Space did not see the token: its Gradio is too old, or the token may not read it"
            }
            Class::Quota | Class::Runs | Class::UnknownCaller if !has_token => {
                "a Hugging Face token brings its own quota: set `token` on the provider; or use another provider"
            }
            Class::Quota | Class::Runs | Class::UnknownCaller => {
                "wait for the reset, add credits to the account, or use another provider"
            }
            Class::PendingCredits => "try again when they have ended",
            Class::IllegalDuration => {
                "ask for fewer tokens where the Space reserves by length, use a PRO account, or another Space"
            }
            Class::QueueTimeout | Class::NoGpu => {
                "try again later; accounts with a token wait less"
            }
            Class::ExpiredToken => "try again",
            Class::Aborted => "ask for fewer tokens; the Space's owner can raise its `duration`",
            Class::AppBug(_) | Class::Other => "the Space's log says more",
        }
    }
}

fn first_sentence(text: &str) -> String {
    text.split_inclusive(". ").next().unwrap_or(text).trim().trim_end_matches('.').to_owned()
}

/// The error behind a call's last message when that is a failure.
pub(crate) fn failure(title: Option<&str>, text: Option<&str>, about: Circumstances) -> Error {
    let text = text.map(|text| if about.quoted { wording::unquoted(text) } else { text });
    let down = ErrorKind::Unavailable(Unavailability::Down);
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
        return Error::new(down, "the Space failed and does not say why")
            .with_hint(
                "its log says why; an argument of a kind that it does not expect is a usual cause",
            )
            .with_advice(RetryAdvice::OtherProviderOnly);
    };
    if let Some(fault) = classify(title, text) {
        return fault.into_error_for(about.now, about.has_token);
    }
    let text = one_line(&plain(text));
    let lower = text.to_lowercase();
    let (kind, hint) = if lower.contains("out of memory") {
        (ErrorKind::OutOfMemory, "ask for fewer tokens, or shorten the conversation")
    } else if lower.contains("maximum context length") || lower.contains("context window") {
        (ErrorKind::ContextLengthExceeded, "shorten the conversation")
    } else if is_refused_value(&lower) {
        (ErrorKind::Unsupported, "leave the option out, or give it a value that the Space takes")
    } else {
        (down, "these are the Space's own words; its log may say more")
    };
    Error::new(kind, format!("the Space failed: {text}"))
        .with_hint(hint)
        .with_advice(RetryAdvice::OtherProviderOnly)
}

/// Gradio's own checks of sliders and choices.
fn is_refused_value(lower: &str) -> bool {
    lower.starts_with("value")
        && ["greater than maximum value", "less than minimum value", "not in the list of choices"]
            .iter()
            .any(|words| lower.contains(words))
}

#[cfg(test)]
mod tests;
