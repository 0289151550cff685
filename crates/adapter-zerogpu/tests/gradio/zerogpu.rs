//! Every refusal of ZeroGPU, said by the real `spaces` package to a scheduler that is played, and
//! with the visitor's token put on by a proxy, as on the Hub.

use std::time::SystemTime;

use domain::{NoticeKind, Request};
use ports::{Error, ErrorKind, RetryAdvice, TextGenerator, Unavailability};
use serde_json::{Value, json};
use testkit::faults::Proxy;

use crate::conversation::{Heard, generator, hear};
use crate::serving::ZERO_GPU;
use crate::telling::within;

const DOWN: ErrorKind = ErrorKind::Unavailable(Unavailability::Down);

/// A token as the Hub's proxy makes it; this scheduler reads from it what to answer.
fn visitor_token(plan: &Value) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut middle = String::new();
    for group in plan.to_string().as_bytes().chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for digit in 0..=group.len() {
            middle.push(char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize]));
        }
    }
    format!("head.{middle}.signature")
}

/// One call of an endpoint whose scheduler answers as planned.
async fn planned(
    endpoint: &str,
    plan: Option<Value>,
    settings: Value,
) -> (Heard, Result<domain::Response, Error>) {
    let proxy = Proxy::before(ZERO_GPU.url("zerogpu")).unwrap();
    if let Some(plan) = &plan {
        proxy.add_header("X-IP-Token", &visitor_token(plan));
    }
    let mut settings = settings;
    settings["endpoint"] = json!(endpoint);
    let space = within(60, generator(proxy.url(), settings)).await.unwrap();
    let heard = within(60, hear(&space, Request::user("x"))).await;
    let whole = within(60, space.generate(Request::user("x"))).await;
    (heard, whole)
}

async fn refusal(plan: Value) -> Error {
    let (heard, whole) = planned("/plain", Some(plan), json!({})).await;
    let (error, again) = (heard.error.expect("it is refused"), whole.unwrap_err());
    assert_eq!(error.kind(), again.kind());
    assert_eq!(error.provider().unwrap().as_str(), "space");
    for text in [error.to_string(), error.hint().unwrap_or_default().to_owned()] {
        assert!(!text.is_empty() && !text.contains(['<', '\n']), "{text:?}");
    }
    error
}

fn quota(auth: Option<&str>, left: u64, wait: f64) -> Value {
    json!({"status": 429, "approve": "quota-exceeded", "auth": auth, "left": left, "wait": wait})
}

fn resets_in(error: &Error, expected: u64) {
    let RetryAdvice::At(reset) = error.advice() else { panic!("{:?}", error.advice()) };
    let wait = reset.duration_since(SystemTime::now()).unwrap_or_default().as_secs();
    assert!(
        (expected.saturating_sub(60)..=expected).contains(&wait),
        "{wait} instead of {expected}"
    );
}

#[tokio::test]
async fn a_spent_quota_tells_seconds_and_reset_for_every_account() {
    for (auth, wait, expected) in [
        (None, 5025.0, 5025),
        (Some("regular"), 5025.0, 5025),
        (Some("pro"), 3600.0 * 30.0 + 61.0, 3600 * 30 + 61),
        (Some("regular"), 200_000.5, 200_000),
    ] {
        let error = refusal(quota(auth, 12, wait)).await;
        assert_eq!(error.kind(), ErrorKind::QuotaExhausted, "{error}");
        resets_in(&error, expected);
        let text = error.to_string();
        assert!(text.contains("12 s left") && text.contains("s requested"), "{text}");
    }
}

#[tokio::test]
async fn a_token_that_the_space_did_not_see_is_told() {
    let with = json!({"token": {"env": "T"}});
    let (heard, _) = planned("/plain", Some(quota(None, 0, 60.0)), with).await;
    let hint = heard.error.unwrap().hint().unwrap().to_owned();
    assert!(hint.contains("did not see the token"), "{hint}");
    let hint = refusal(quota(None, 0, 60.0)).await.hint().unwrap().to_owned();
    assert!(hint.contains("set `token`"), "{hint}");
}

#[tokio::test]
async fn double_hardware_costs_double() {
    let (heard, _) = planned("/large", Some(quota(Some("regular"), 100, 60.0)), json!({})).await;
    let text = heard.error.unwrap().to_string();
    assert!(text.contains("180 s requested") && text.contains("100 s left"), "{text}");
}

#[tokio::test]
async fn runs_callers_credits_and_durations_are_told_apart() {
    let runs = json!({"status": 429, "approve": "runs-exceeded", "auth": "regular", "left": 100, "wait": 0});
    let error = refusal(runs).await;
    assert_eq!(
        (error.kind(), error.advice()),
        (ErrorKind::QuotaExhausted, RetryAdvice::OtherProviderOnly)
    );
    assert!(error.to_string().contains("runs"), "{error}");

    let (heard, _) = planned("/plain", None, json!({})).await;
    let error = heard.error.unwrap();
    assert_eq!(error.kind(), ErrorKind::QuotaExhausted, "{error}");

    let pending =
        json!({"status": 429, "approve": "pending-overquota-exceeded", "auth": "pro", "wait": 60});
    let error = refusal(pending).await;
    assert_eq!(error.kind(), ErrorKind::RateLimited, "{error}");
    assert!(matches!(error.advice(), RetryAdvice::After(_)), "{:?}", error.advice());

    for auth in [None, Some("regular"), Some("pro")] {
        let illegal =
            json!({"status": 429, "approve": "illegal-duration", "auth": auth, "wait": -1});
        let error = refusal(illegal).await;
        assert_eq!(
            (error.kind(), error.advice()),
            (ErrorKind::PermissionDenied, RetryAdvice::OtherProviderOnly)
        );
        assert!(error.to_string().chars().any(|c| c.is_ascii_digit()), "no seconds in {error}");
    }
}

#[tokio::test]
async fn a_busy_queue_is_no_spent_quota() {
    for auth in [None, Some("regular"), Some("pro")] {
        let error = refusal(json!({"queue": "fails", "auth": auth, "reason": "node"})).await;
        assert_eq!(
            (error.kind(), error.advice()),
            (ErrorKind::QueueFull, RetryAdvice::Backoff),
            "{error}"
        );
        assert!(error.to_string().contains("No GPU was available after 60s"), "{error}");
    }
    let error = refusal(json!({"status": 503})).await;
    assert_eq!(
        (error.kind(), error.advice()),
        (ErrorKind::QueueFull, RetryAdvice::Backoff),
        "{error}"
    );
}

#[tokio::test]
async fn an_expired_visit_and_a_broken_scheduler() {
    let error = refusal(json!({"status": 401})).await;
    assert_eq!(
        (error.kind(), error.advice()),
        (ErrorKind::Unauthenticated, RetryAdvice::Backoff),
        "{error}"
    );
    let error = refusal(json!({"status": 500})).await;
    assert_eq!(error.kind(), DOWN, "{error}");
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn waiting_for_a_gpu_is_told_while_it_lasts() {
    for (reason, says) in [
        ("node", "Waiting for a GPU to become available"),
        ("concurrency", "Waiting for a GPU slot"),
    ] {
        let plan = json!({"queue": "succeeds", "auth": "regular", "reason": reason});
        let (heard, whole) = planned("/plain", Some(plan), json!({})).await;
        assert_eq!(heard.text(), "gpu:x");
        assert_eq!(whole.unwrap().text, "gpu:x");
        let texts: Vec<&str> = heard.notices().into_iter().map(|(_, text)| text).collect();
        assert!(texts[0].starts_with("ZeroGPU queue: ") && texts[0].contains(says), "{texts:?}");
        assert!(texts[1].contains("Successfully acquired a GPU"), "{texts:?}");
    }
}

#[tokio::test]
async fn a_call_that_gets_its_gpu_streams() {
    let plan = json!({"status": 200, "auth": "pro"});
    let (heard, whole) = planned("/stream", Some(plan), json!({})).await;
    assert_eq!(heard.text(), "x0 x1 x2 x3");
    assert!(heard.deltas().len() > 1, "{:?}", heard.deltas());
    assert_eq!(whole.unwrap().text, "x0 x1 x2 x3");
}

#[tokio::test]
async fn a_fallback_to_the_address_is_a_warning() {
    let plan = json!({"status": 200, "error": "InvalidRepoToken"});
    let (heard, _) = planned("/plain", Some(plan), json!({})).await;
    assert_eq!(heard.text(), "gpu:x");
    let warned = heard.notices().iter().any(|(kind, text)| {
        *kind == NoticeKind::Warning
            && text.contains("Falling back to IP-based quotas (InvalidRepoToken)")
    });
    assert!(warned, "{:?}", heard.notices());
}

#[tokio::test]
async fn what_dies_on_the_gpu_is_not_tried_again() {
    let plan = || Some(json!({"status": 200, "auth": "regular"}));
    for (endpoint, says) in
        [("/raises", "ValueError"), ("/killed", "ended the task"), ("/app_error", "app error: x")]
    {
        let (heard, _) = planned(endpoint, plan(), json!({})).await;
        let error = heard.error.unwrap();
        assert_eq!(
            (error.kind(), error.advice()),
            (DOWN, RetryAdvice::OtherProviderOnly),
            "{endpoint}: {error}"
        );
        assert!(error.to_string().contains(says), "{endpoint}: {error}");
        assert!(!error.to_string().contains("inner detail"));
    }
    let (heard, whole) = planned("/stream_killed", plan(), json!({})).await;
    let error = heard.error.unwrap();
    assert_eq!((error.kind(), error.advice()), (DOWN, RetryAdvice::OtherProviderOnly), "{error}");
    let whole = whole.unwrap_err();
    assert_eq!(whole.partial().map(|partial| partial.text.as_str()), Some("first"), "{whole:?}");
}

#[tokio::test]
async fn a_task_over_its_duration_is_warned_about() {
    let (heard, _) =
        planned("/overrun", Some(json!({"status": 200, "auth": "pro"})), json!({})).await;
    assert_eq!(heard.text(), "late:x");
    let warned = heard.notices().iter().any(|(kind, text)| {
        *kind == NoticeKind::Warning && text.contains("exceeding its requested duration")
    });
    assert!(warned, "{:?}", heard.notices());
}
