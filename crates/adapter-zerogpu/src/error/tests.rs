//! The status table, row by row.

use std::time::{Duration, SystemTime};

use ports::{ErrorKind, RetryAdvice, Unavailability};
use reqwest::StatusCode;

use super::{Refusal, parse_retry_after, refused};

fn refusal(status: u16, content_type: &str, body: &str) -> ports::Error {
    let status = StatusCode::from_u16(status).unwrap();
    let refusal = Refusal {
        status,
        content_type,
        retry_after: None,
        body,
        path: "/gradio_api/queue/join",
        host: "a.hf.space",
    };
    refused(&refusal, SystemTime::UNIX_EPOCH)
}

#[test]
fn each_status_has_its_kind() {
    use ErrorKind::*;
    let page = "<!DOCTYPE html><html><body>queue is full</body></html>";
    for (status, content_type, body, kind) in [
        (400, "json", r#"{"detail":"Incorrect credentials."}"#, Unauthenticated),
        (400, "text", "Session hash not found.", Protocol),
        (
            401,
            "json",
            r#"{"detail":{"error":"Not authenticated","auth_message":null}}"#,
            Unauthenticated,
        ),
        (403, "json", r#"{"detail":"File not allowed"}"#, PermissionDenied),
        (404, "json", r#"{"detail":"Not Found"}"#, NotFound),
        (405, "json", r#"{"detail":"Method Not Allowed"}"#, Protocol),
        (413, "text", "too large", InvalidRequest),
        (
            422,
            "json",
            r#"{"detail":[{"type":"missing","loc":["body"],"msg":"Field required"}]}"#,
            Protocol,
        ),
        (429, "text", "", RateLimited),
        (500, "text/plain", "Internal Server Error", Unavailable(Unavailability::Down)),
        (502, "text/html", page, Unavailable(Unavailability::Down)),
        (
            503,
            "application/json",
            r#"{"detail":"Queue is full. Max size is 2 and size is 2."}"#,
            QueueFull,
        ),
        (
            503,
            "application/json",
            r#"{"detail":"Queue is stopped."}"#,
            Unavailable(Unavailability::Building),
        ),
        (503, "text/html", page, Unavailable(Unavailability::Building)),
        (503, "", page, Unavailable(Unavailability::Building)),
        (503, "text/plain", "no", Unavailable(Unavailability::Down)),
    ] {
        let error = refusal(status, content_type, body);
        assert_eq!(error.kind(), kind, "{status} {body}: {error}");
        assert!(!error.to_string().contains('<') && !error.to_string().contains('\n'), "{error}");
    }
}

#[test]
fn validators_name_the_parameter() {
    let body = r#"{"detail":[{"__type__":"validate","is_valid":true,"message":"ok","parameter_name":"n"},
        {"__type__":"validate","is_valid":false,"message":"must not be empty","parameter_name":"prompt"}]}"#;
    let error = refusal(422, "application/json", body);
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(error.to_string(), "a.hf.space refused: prompt: must not be empty");
}

#[test]
fn a_traceback_is_not_shown() {
    let body = format!("Traceback (most recent call last):\n{}", "  File x\n".repeat(99));
    assert!(!refusal(500, "text/plain", &body).to_string().contains("Traceback"));
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
    let wait = |text| parse_retry_after(text, now).map(|wait| wait.as_secs());
    assert_eq!(wait("12"), Some(12));
    assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(7));
    assert_eq!(wait("Sun, 06 Nov 1994 08:49:00 GMT"), Some(0));
    assert_eq!((wait("soon"), wait("-3")), (None, None));
}

#[test]
fn a_wait_becomes_advice() {
    let refusal = Refusal {
        status: StatusCode::TOO_MANY_REQUESTS,
        content_type: "",
        retry_after: Some("3"),
        body: "",
        path: "/config",
        host: "h",
    };
    let error = refused(&refusal, SystemTime::UNIX_EPOCH);
    assert_eq!(error.advice(), RetryAdvice::After(Duration::from_secs(3)));
}
