//! The early protocols of Gradio 4, `sse_v1` (4.16) and `sse_v2` (4.19): the tests of the later ones
//! that do not need what came later.
//!
//! Those about cancelling are left out: before 4.31 a server has no way to end a job but to notice
//! that its listener has gone, and these do not always notice.

use serde_json::json;
use testkit::faults::Proxy;
use textport_adapter_zerogpu::CallEvent;

use crate::serving::{FOUR_16, FOUR_19};
use crate::telling::{begin, connect, eventually, within};

macro_rules! on_early_gradios {
    ($($module:ident::$name:ident)+) => {$(
        mod $name {
            #[tokio::test]
            async fn gradio_4_19() {
                crate::serving::run(&crate::serving::FOUR_19, crate::$module::$name).await
            }
            #[tokio::test]
            async fn gradio_4_16() {
                crate::serving::run(&crate::serving::FOUR_16, crate::$module::$name).await
            }
        }
    )+};
}

on_early_gradios! {
    calls::row_06_status_only_moves_forward
    calls::row_07_every_chunk_arrives_in_order
    calls::row_08_a_failing_call_ends_after_its_error
    calls::row_11_progress_arrives_with_its_units
    calls::row_18_state_is_no_value_of_the_result
    calls::row_19_logs_heartbeats_and_a_big_value
    calls::row_21_and_22_unusual_characters_survive
    calls::row_23_more_calls_than_workers_all_end
    calls::row_34_an_error_after_values_ends_the_call
    conversation::every_shape_of_history_arrives_whole
    conversation::a_chat_interface_needs_no_configuration
    conversation::a_chat_interface_keeps_its_conversation
    conversation::text_that_grows_is_given_once
    conversation::reasoning_is_kept_apart
    sessions::row_05_state_is_kept_per_session
    streams::byte_by_byte_gives_the_same
    streams::whole_values_and_diffs_agree
    streams::values_that_are_taken_back_end_right
}

/// Otherwise the tests above would prove nothing about these protocols.
#[tokio::test]
async fn the_servers_speak_the_early_protocols() {
    for (gradio, version, protocol) in
        [(&FOUR_19, "4.19.2", "sse_v2"), (&FOUR_16, "4.16.0", "sse_v1")]
    {
        if !gradio.wanted() || !gradio.runs_here() {
            continue;
        }
        let url = gradio.url("main");
        let config = testkit::gradio::fetch(&format!("{url}/config")).unwrap();
        let config: serde_json::Value = serde_json::from_str(&config).unwrap();
        assert_eq!(config["protocol"], protocol);
        assert_eq!(connect(url).await.version(), version);
    }
}

/// They know `/reset` only, and are asked that as the official clients of their time did.
#[tokio::test]
async fn a_server_without_cancel_is_asked_to_reset() {
    for gradio in [&FOUR_19, &FOUR_16] {
        if !gradio.wanted() || !gradio.runs_here() {
            continue;
        }
        let proxy = Proxy::before(gradio.url("main")).unwrap();
        let client = within(20, connect(proxy.url())).await;
        let mut call =
            within(20, begin(&client, "complete", &[json!("x"), json!(4000)])).await.unwrap();
        while !matches!(within(20, call.next()).await, Some(Ok(CallEvent::Partial))) {}
        let event = call.event_id().to_owned();
        drop(call);
        eventually("it is asked", || proxy.requests("POST /reset").len() == 1).await;
        assert_eq!(proxy.requests("POST /reset")[0].json()["event_id"], event);
        assert!(proxy.requests("/cancel").is_empty());
    }
}
