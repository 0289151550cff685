//! Where the words of the network become the port's errors: statuses, bodies, broken connections.

use std::time::{Duration, SystemTime};

use ports::{Error, ErrorKind, RetryAdvice, TimeoutPhase, Unavailability};
use reqwest::StatusCode;
use serde_json::Value;

use crate::html;

/// An answer that is not a success.
pub(crate) struct Refusal<'a> {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'a str,
    pub(crate) retry_after: Option<&'a str>,
    pub(crate) body: &'a str,
    /// What was asked, e.g. `/config`.
    pub(crate) path: &'a str,
    pub(crate) host: &'a str,
}

/// A failed attempt to reach the host. Addresses may hold secrets, so the host is all that is said.
pub(crate) fn unreachable(error: reqwest::Error, host: &str) -> Error {
    let (kind, what) = if error.is_timeout() {
        (ErrorKind::Timeout(TimeoutPhase::Connect), "took too long to connect")
    } else if error.is_connect() {
        (ErrorKind::Network, "cannot be reached")
    } else {
        (ErrorKind::Network, "cut the connection")
    };
    let cause = innermost(&error);
    Error::new(kind, format!("{host} {what}: {cause}")).with_source(error.without_url())
}

/// The last cause says most: `connection refused` instead of `error sending request`.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    html::one_line(&cause.to_string())
}

pub(crate) fn timed_out(phase: TimeoutPhase, limit: Duration, what: &str) -> Error {
    let message = format!("{what} for {} s", limit.as_secs_f64());
    Error::new(ErrorKind::Timeout(phase), message)
}

pub(crate) fn protocol(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Protocol, message)
}

/// Reads a refusal; `now` turns a date in `Retry-After` into a wait.
pub(crate) fn refused(refusal: &Refusal<'_>, now: SystemTime) -> Error {
    let Refusal { status, host, path, .. } = *refusal;
    let detail = detail(refusal.body);
    let said = detail.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
    let build = |kind, message: String| Error::new(kind, message);
    match status.as_u16() {
        400 if said.contains("Incorrect credentials") => {
            build(ErrorKind::Unauthenticated, format!("{host} refused the user or the password"))
                .with_hint("check `user` and `password` of the provider")
        }
        401 => build(ErrorKind::Unauthenticated, format!("{host} wants a login{said}"))
            .with_hint("set `user` and `password`, or `token` for a private Space"),
        403 => build(ErrorKind::PermissionDenied, format!("{host} does not allow {path}{said}")),
        404 => build(ErrorKind::NotFound, format!("{host} has no {path}{said}"))
            .with_hint("check the Space and the endpoint; a private Space needs a `token`"),
        413 => {
            build(ErrorKind::InvalidRequest, format!("{host} finds the request too large{said}"))
        }
        422 => unprocessable(host, refusal.body).unwrap_or_else(|| {
            build(ErrorKind::Protocol, format!("{host} does not understand {path}{said}"))
                .with_advice(RetryAdvice::OtherProviderOnly)
        }),
        429 => rate_limited(refusal, now),
        503 => unavailable(refusal, &said),
        500..=599 => build(
            ErrorKind::Unavailable(Unavailability::Down),
            format!("{host} failed with {status}{said}"),
        )
        .with_hint("the Space's own log says more"),
        _ => build(ErrorKind::Protocol, format!("{host} answered {path} with {status}{said}")),
    }
}

/// A full queue says so in JSON; the proxy in front of a Space that starts or crashed sends a page.
fn unavailable(refusal: &Refusal<'_>, said: &str) -> Error {
    let host = refusal.host;
    let is_page =
        refusal.content_type.contains("html") || refusal.body.trim_start().starts_with('<');
    if !is_page && said.to_ascii_lowercase().contains("queue is full") {
        let error = Error::new(ErrorKind::QueueFull, format!("the queue of {host} is full"))
            .with_hint("try again in a moment, or use another provider");
        return with_wait(error, refusal.retry_after, SystemTime::now());
    }
    let state = if is_page || said.contains("Queue is stopped") {
        Unavailability::Building
    } else {
        Unavailability::Down
    };
    let said = if is_page { "" } else { said };
    Error::new(ErrorKind::Unavailable(state), format!("{host} is not ready to answer{said}"))
        .with_hint("it may be starting: try again in a minute, and look at the Space's page")
}

fn rate_limited(refusal: &Refusal<'_>, now: SystemTime) -> Error {
    let error =
        Error::new(ErrorKind::RateLimited, format!("{} asks for fewer requests", refusal.host))
            .with_hint("send fewer requests at once; a token raises the limit");
    with_wait(error, refusal.retry_after, now)
}

fn with_wait(error: Error, retry_after: Option<&str>, now: SystemTime) -> Error {
    match retry_after.and_then(|text| parse_retry_after(text, now)) {
        Some(wait) => error.with_advice(RetryAdvice::After(wait)),
        None => error,
    }
}

/// `Retry-After`: seconds, or a date of HTTP.
pub(crate) fn parse_retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(SystemTime::from(date).duration_since(now).unwrap_or_default())
}

/// The app's own validators answer 422 with what is wrong, parameter by parameter.
fn unprocessable(host: &str, body: &str) -> Option<Error> {
    let body: Value = serde_json::from_str(body).ok()?;
    let faults = body.get("detail")?.as_array()?.iter().filter(|fault| {
        fault.get("__type__").is_some_and(|word| word == "validate")
            && fault.get("is_valid") != Some(&Value::Bool(true))
    });
    let words: Vec<String> = faults
        .map(|fault| {
            let text = |key: &str| fault.get(key).and_then(Value::as_str).map(html::one_line);
            let message = text("message").unwrap_or_else(|| "is not valid".to_owned());
            match text("parameter_name") {
                Some(name) => format!("{name}: {message}"),
                None => message,
            }
        })
        .collect();
    if words.is_empty() {
        return None;
    }
    Some(Error::new(ErrorKind::InvalidRequest, format!("{host} refused: {}", words.join("; "))))
}

/// What a refusal says in JSON or in a short plain text; pages of HTML say nothing.
fn detail(body: &str) -> Option<String> {
    let text = match serde_json::from_str::<Value>(body) {
        Ok(value) => match value.get("detail").or_else(|| value.get("error"))? {
            Value::String(text) => text.clone(),
            Value::Object(fields) => fields.get("error")?.as_str()?.to_owned(),
            Value::Array(faults) => faults.first()?.get("msg")?.as_str()?.to_owned(),
            _ => return None,
        },
        // Some versions answer with a Python traceback: no use to anybody here.
        Err(_) if body.len() > 300 || body.trim_start().starts_with('<') => return None,
        Err(_) => body.to_owned(),
    };
    let text = html::one_line(&html::plain(&text));
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests;
