//! `textport providers quota`, asked of a Hub that is played.

use serde_json::json;
use testkit::hub_emulator::HubEmulator;

use crate::home::{Home, Run};

fn home(hub: &HubEmulator) -> Home {
    Home::with_config(&format!(
        "[providers.space]\nkind = \"zerogpu\"\nspace = \"acme/proof\"\nhub_endpoint = \"{url}\"\n\
         token = {{ env = \"MY_TOKEN\" }}\n\
         [providers.visitor]\nkind = \"zerogpu\"\nspace = \"acme/proof\"\nhub_endpoint = \"{url}\"\n\
         [routes.safe]\nchain = [\"space\", \"local\"]\n",
        url = hub.url()
    ))
}

fn ask(home: &Home, token: &str, words: &[&str]) -> Run {
    let words = [&["providers", "quota"], words].concat();
    Run::of(home.command(&words).env("MY_TOKEN", token).output().unwrap())
}

#[test]
fn what_is_left_is_told_and_the_space_is_not_woken() {
    let hub = HubEmulator::start("hf_good").unwrap();
    let home = home(&hub);
    let run = ask(&home, "hf_good", &["space"]).ok();
    assert!(
        run.stdout.starts_with(
            "space: 1810 s left of 2400 s, 590 s used; resets at 2026-11-23T09:12:03Z"
        )
    );
    let json = ask(&home, "hf_good", &["space", "--json"]).ok().json();
    let row = &json["quotas"][0];
    assert_eq!((&row["left_s"], &row["used_s"]), (&json!(1810.0), &json!(590.0)));
    assert_eq!((&row["quota"], &row["exhausted"]), (&json!("known"), &json!(false)));
    let asked = hub.journal();
    assert!(
        asked.iter().all(|request| request.target == "/api/spaces/zero-gpu/quota"),
        "{asked:?}"
    );
    ask(&home, "hf_wrong", &["space"]).code(3);
}

#[test]
fn an_exhausted_quota_has_its_exit_code_and_a_route_goes_on() {
    let hub = HubEmulator::start("hf_good").unwrap();
    hub.set_quota(json!({ "base": 2400, "current": -3, "resetsAt": null }));
    let home = home(&hub);
    ask(&home, "hf_good", &["space"])
        .code(4)
        .prints("space: 0 s left of 2400 s, 2403 s used; when it resets is unknown");
    let route = ask(&home, "hf_good", &["safe", "--json"]).ok().json();
    assert_eq!(route["quotas"][0]["exhausted"], true);
    assert_eq!(route["quotas"][1]["quota"], "none");
}

#[test]
fn what_nobody_can_know_is_said_and_is_not_zero() {
    let hub = HubEmulator::start("hf_good").unwrap();
    let home = home(&hub);
    ask(&home, "", &["visitor"]).ok().prints("visitor: unknown");
    let json = ask(&home, "", &["visitor", "--json"]).ok().json();
    assert_eq!(json["quotas"][0]["quota"], "unknown");
    assert!(json["quotas"][0]["left_s"].is_null() && json["quotas"][0]["exhausted"].is_null());
    assert_eq!(ask(&home, "", &[]).ok().stdout, "local has no quota\n");
}
