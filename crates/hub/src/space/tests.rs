//! Recorded shapes of the Hub's answers.

use super::{Runtime, SpaceInfo, Spaces, Stage, ZeroGpuQuota};
use crate::Patience;

#[test]
fn a_runtime_is_read_with_and_without_its_optional_fields() {
    let runtime: Runtime = serde_json::from_str(
        r#"{"stage":"BUILDING","hardware":{"current":null,"requested":"zero-a10g"},"storage":null,
            "gcTimeout":172800,"replicas":{"requested":1},"devMode":false}"#,
    )
    .unwrap();
    assert_eq!(runtime.stage, Stage::Building);
    assert_eq!(runtime.hardware.requested.as_deref(), Some("zero-a10g"));
    let failed: Runtime =
        serde_json::from_str(r#"{"stage":"RUNTIME_ERROR","errorMessage":"exit code 1"}"#).unwrap();
    assert_eq!(failed.error_message.as_deref(), Some("exit code 1"));
}

#[test]
fn stages_that_come_later_are_kept_as_words() {
    let runtime: Runtime = serde_json::from_str(r#"{"stage":"DREAMING"}"#).unwrap();
    assert_eq!(runtime.stage, Stage::Other("DREAMING".into()));
    assert!(!runtime.stage.answers() && !runtime.stage.wakes() && !runtime.stage.starts());
    for word in ["SLEEPING", "STOPPED", "PAUSED", "RUNNING_APP_STARTING", "NO_APP_FILE"] {
        assert!(!matches!(Stage::from(word), Stage::Other(_)), "{word}");
    }
}

#[test]
fn a_space_without_a_host_is_still_read() {
    let info: SpaceInfo = serde_json::from_str(
        r#"{"id":"a/b","sdk":"gradio","private":true,"runtime":{"stage":"PAUSED"}}"#,
    )
    .unwrap();
    assert_eq!((info.host, info.private), (None, true));
    assert_eq!(info.runtime.unwrap().stage, Stage::Paused);
}

#[test]
fn an_overdrawn_quota_is_all_used() {
    let quota: ZeroGpuQuota = serde_json::from_str(
        r#"{"base":2400,"current":-12.5,"resetsAt":"2026-11-23T20:00:00.000Z","overquotaUsed":0}"#,
    )
    .unwrap();
    assert_eq!(quota.limit().as_secs(), 2400);
    assert_eq!(quota.used().as_secs(), 2412);
}

#[test]
fn addresses_keep_the_endpoints_own_path() {
    let spaces = Spaces::new("https://hub.example/base/", None, Patience::default()).unwrap();
    let url = spaces.url(&["owner/na me", "runtime"]).unwrap();
    assert_eq!(url.as_str(), "https://hub.example/base/api/spaces/owner/na%20me/runtime");
}
