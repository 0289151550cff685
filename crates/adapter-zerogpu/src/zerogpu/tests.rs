//! The error table, row by row, and texts that nobody wrote.

use std::time::{Duration, SystemTime};

use ports::{Error, ErrorKind, RetryAdvice, Unavailability};
use proptest::prelude::*;

use super::{Circumstances, Class, Tier, classify, failure};

const NOW: SystemTime = SystemTime::UNIX_EPOCH;
const DOWN: ErrorKind = ErrorKind::Unavailable(Unavailability::Down);

fn about(quoted: bool, has_token: bool) -> Circumstances {
    Circumstances { quoted, has_token, now: NOW }
}

fn error(title: &str, text: &str) -> Error {
    failure(Some(title), Some(text), about(false, true))
}

#[test]
fn quota_in_every_word_order() {
    let wait = |hours: u64, minutes: u64, seconds: u64| {
        Some(Duration::from_secs(hours * 3600 + minutes * 60 + seconds))
    };
    for (text, requested, left, retry_after, tier) in [
        (
            "You have exceeded your free ZeroGPU quota (60s requested vs. 12s left). Try again in 1:23:45. \
             Subscribe to Hugging Face PRO to get 40 min of ZeroGPU quota a day - https://hf.co",
            Some(60),
            Some(12),
            wait(1, 23, 45),
            Some(Tier::Free),
        ),
        (
            "You have exceeded your ZeroGPU quota (60s requested vs. 0s left). Try again in 0:00:09.123456. \
             Authenticate with a Hugging Face token for more quota - https://hf.co",
            Some(60),
            Some(0),
            wait(0, 0, 9),
            Some(Tier::Anonymous),
        ),
        (
            "You have exceeded your Pro ZeroGPU quota (180s requested vs. 100s left). Try again in 1 day, 0:06:53",
            Some(180),
            Some(100),
            wait(24, 6, 53),
            Some(Tier::Pro),
        ),
        (
            "You have exceeded your GPU quota (60s requested vs. 42s left). <a style=\"x\" href=\"y\">Create a \
             free account</a> to get more daily usage quota.",
            Some(60),
            Some(42),
            None,
            Some(Tier::Anonymous),
        ),
        (
            "you have exceeded your GPU quota (112s left vs. 120s requested). Please retry in 0:06:53",
            Some(120),
            Some(112),
            wait(0, 6, 53),
            None,
        ),
    ] {
        for title in [Some("ZeroGPU quota exceeded"), None] {
            let fault = classify(title, text).unwrap();
            assert_eq!(fault.class, Class::Quota, "{text}");
            assert_eq!((fault.requested, fault.left), (requested, left), "{text}");
            assert_eq!((fault.retry_after, fault.tier), (retry_after, tier), "{text}");
            let error = fault.into_error(NOW);
            assert_eq!(error.kind(), ErrorKind::QuotaExhausted);
            let advice =
                retry_after.map_or(RetryAdvice::OtherProviderOnly, |w| RetryAdvice::At(NOW + w));
            assert_eq!(error.advice(), advice, "{text}");
        }
    }
}

#[test]
fn every_row_of_the_table_has_its_kind() {
    let title = "ZeroGPU quota exceeded";
    for (title, text, kind) in [
        (
            title,
            "You have exceeded your ZeroGPU runs limit. Add credits",
            ErrorKind::QuotaExhausted,
        ),
        (
            title,
            "Space app has reached its GPU limit. Try re-running outside of examples",
            ErrorKind::QuotaExhausted,
        ),
        (
            title,
            "No GPU was available after 60s. Try re-running outside of examples",
            ErrorKind::QueueFull,
        ),
        (
            "ZeroGPU pending credits exceeded",
            "You have too many ZeroGPU credits allocated to running tasks.",
            ErrorKind::RateLimited,
        ),
        (
            "ZeroGPU illegal duration",
            "The requested GPU duration (60s) is larger than the maximum allowedSubscribe to PRO",
            ErrorKind::PermissionDenied,
        ),
        (
            "ZeroGPU queue timeout",
            "No GPU was available after 60s. <a href=\"x\">Create a free account</a>",
            ErrorKind::QueueFull,
        ),
        ("ZeroGPU queue timeout", "Retry later", ErrorKind::QueueFull),
        ("ZeroGPU client error", "No GPU was available", ErrorKind::QueueFull),
        ("ZeroGPU client error", "Expired ZeroGPU proxy token", ErrorKind::Unauthenticated),
        ("ZeroGPU worker error", "GPU task aborted", DOWN),
        ("ZeroGPU worker error", "ValueError", DOWN),
        ("ZeroGPU something new", "words", DOWN),
        ("Error", "deliberate: x", DOWN),
        ("Error", "CUDA out of memory. Tried to allocate 2 GiB", ErrorKind::OutOfMemory),
        ("Error", "Value 7.5 is greater than maximum value 2.0.", ErrorKind::Unsupported),
        ("Error", "Value: nomodel is not in the list of choices: ['a']", ErrorKind::Unsupported),
    ] {
        let error = error(title, text);
        assert_eq!(error.kind(), kind, "{title}: {text}");
        assert!(!error.to_string().contains(['<', '\n']), "{error}");
        assert!(kind == DOWN || error.advice() != RetryAdvice::Never);
    }
}

#[test]
fn numbers_reach_the_message() {
    let quota = error(
        "ZeroGPU quota exceeded",
        "You have exceeded your ZeroGPU quota (60s requested vs. 12s left). Try again in 2 days, 1:02:03",
    );
    assert_eq!(
        quota.to_string(),
        "the ZeroGPU quota is used up (60 s requested, 12 s left); it resets in 49:02:03"
    );
    let illegal = classify(
        Some("ZeroGPU illegal duration"),
        "The requested GPU duration (90s) is larger than the maximum allowedSubscribe to X",
    )
    .unwrap();
    assert_eq!(illegal.requested, Some(90));
    assert!(illegal.message.contains("allowed. Subscribe"));
    assert!(illegal.into_error(NOW).to_string().contains("90 s"));
}

#[test]
fn a_token_that_was_not_seen_is_told() {
    let text =
        "You have exceeded your ZeroGPU quota (60s requested vs. 0s left). Try again in 1:00:00.";
    let hint = |has_token| {
        failure(None, Some(text), about(false, has_token)).hint().unwrap_or_default().to_owned()
    };
    assert!(hint(true).contains("did not see the token"));
    assert!(hint(false).contains("set `token`"));
}

#[test]
fn old_versions_quote_their_texts() {
    let quoted = failure(None, Some("'late: q'"), about(true, false));
    assert_eq!(quoted.to_string(), "the Space failed: late: q");
    let text =
        "\"You have exceeded your GPU quota (60s left vs. 70s requested). Retry in 0:01:00\"";
    assert_eq!(failure(None, Some(text), about(true, false)).kind(), ErrorKind::QuotaExhausted);
    assert_eq!(
        failure(None, Some("'a'"), about(false, false)).to_string(),
        "the Space failed: 'a'"
    );
}

#[test]
fn a_hidden_error_says_what_to_look_at() {
    for text in [None, Some(""), Some("  ")] {
        let error = failure(Some("Error"), text, about(false, false));
        assert_eq!((error.kind(), error.advice()), (DOWN, RetryAdvice::OtherProviderOnly));
        assert!(error.hint().is_some());
    }
}

#[test]
fn what_died_on_the_gpu_is_not_run_again() {
    for text in ["GPU task aborted", "RuntimeError"] {
        assert_eq!(error("ZeroGPU worker error", text).advice(), RetryAdvice::OtherProviderOnly);
    }
}

proptest! {
    #[test]
    fn any_text_is_taken_without_a_panic(title in ".{0,30}", text in ".{0,200}", quoted in any::<bool>()) {
        let error = failure(Some(&title), Some(&text), about(quoted, quoted));
        prop_assert!(!error.to_string().contains('\n'));
        let _ = classify(None, &text);
    }

    #[test]
    fn texts_that_are_nearly_right_are_taken_too(
        requested in "[0-9]{0,25}", left in "[0-9]{0,25}", wait in "([0-9]{0,22} days?, )?[0-9:]{0,25}",
        swap in any::<bool>(),
    ) {
        let (a, b) = (format!("{requested}s requested"), format!("{left}s left"));
        let (a, b) = if swap { (b, a) } else { (a, b) };
        let text = format!("You have exceeded your ZeroGPU quota ({a} vs. {b}). Try again in {wait}.");
        let fault = classify(None, &text).unwrap();
        prop_assert_eq!(fault.requested, requested.parse().ok());
        prop_assert_eq!(fault.left, left.parse().ok());
        prop_assert_eq!(fault.into_error(NOW).kind(), ErrorKind::QuotaExhausted);
    }

    #[test]
    fn every_timedelta_is_read_back(days in 0u64..400, seconds in 0u64..86_400, micros in 0u32..1_000_000) {
        let days_text = match days { 0 => String::new(), 1 => "1 day, ".into(), n => format!("{n} days, ") };
        let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
        let clock = format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        let text = format!("exceeded your quota. Try again in {days_text}{clock}{fraction}. Subscribe");
        let wait = classify(None, &text).unwrap().retry_after;
        prop_assert_eq!(wait, Some(Duration::from_secs(days * 86_400 + seconds)));
    }
}
