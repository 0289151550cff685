//! Which stages are waited for, and what the others come to.

use std::time::Duration;

use hub::{Runtime, Stage};
use ports::{ErrorKind, RetryAdvice, TimeoutPhase, Unavailability};

use super::{hopeless, hub_error, too_long};

fn runtime(stage: &str, why: Option<&str>) -> Runtime {
    serde_json::from_value(serde_json::json!({ "stage": stage, "errorMessage": why })).unwrap()
}

#[test]
fn stages_that_no_waiting_helps_are_told_at_once() {
    for (stage, state) in [
        ("PAUSED", Unavailability::Paused),
        ("BUILD_ERROR", Unavailability::Down),
        ("RUNTIME_ERROR", Unavailability::Down),
        ("CONFIG_ERROR", Unavailability::Down),
        ("NO_APP_FILE", Unavailability::Down),
        ("DELETING", Unavailability::Down),
    ] {
        let error = hopeless("a/b", &runtime(stage, Some("exit\ncode 1"))).unwrap();
        assert_eq!(error.kind(), ErrorKind::Unavailable(state), "{stage}");
        assert_eq!(error.advice(), RetryAdvice::OtherProviderOnly);
        assert!(error.to_string().ends_with(": exit code 1") && error.hint().is_some(), "{error}");
    }
}

#[test]
fn the_others_are_waited_for() {
    for stage in [
        "SLEEPING",
        "STOPPED",
        "BUILDING",
        "APP_STARTING",
        "RUNNING",
        "RUNNING_BUILDING",
        "NEW_WORD",
    ] {
        assert!(hopeless("a/b", &runtime(stage, None)).is_none(), "{stage}");
    }
}

#[test]
fn what_took_too_long_says_in_which_state() {
    let kind = |stage| too_long("a/b", &stage, Duration::from_secs(1)).kind();
    assert_eq!(kind(Stage::Sleeping), ErrorKind::Unavailable(Unavailability::Asleep));
    assert_eq!(kind(Stage::AppStarting), ErrorKind::Unavailable(Unavailability::Building));
    assert_eq!(kind(Stage::Running), ErrorKind::Timeout(TimeoutPhase::Connect));
}

#[test]
fn the_hubs_words_become_the_ports() {
    let limited = hub::Error::RateLimited { retry_after: Some(Duration::from_secs(7)) };
    let error = hub_error(limited, true);
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.advice(), RetryAdvice::After(Duration::from_secs(7)));
    let missing = || hub::Error::NotFound { what: "the Space a/b".into(), message: None };
    assert!(hub_error(missing(), false).hint().unwrap().contains("needs a `token`"));
    assert!(hub_error(missing(), true).hint().unwrap().contains("may read"));
    assert_eq!(hub_error(missing(), true).kind(), ErrorKind::NotFound);
}
