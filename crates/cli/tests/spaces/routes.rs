//! The demonstration that matters: the Space's quota is used up, and this machine answers.

use std::path::Path;

use serde_json::Value;

use crate::home::{Home, Run};
use crate::servers::zero_gpu;

/// A visitor's token as the Hub's proxy makes it. This one tells the scheduler that the test plays
/// `{"status": 429, "approve": "quota-exceeded", "auth": "regular", "left": 12, "wait": 5025}`.
const VISITOR: &str = "head.eyJzdGF0dXMiOiA0MjksICJhcHByb3ZlIjogInF1b3RhLWV4Y2VlZGVkIiwgImF1dGgiOiAicmVndWxhciIsICJsZWZ0IjogMTIsICJ3YWl0IjogNTAyNX0.signature";

/// A Space on ZeroGPU, then a tiny model that means nothing but is a whole one.
fn home() -> Home {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../adapter-local/tests/fixtures");
    let model = fixtures.join("tiny-qwen3-f32.gguf").canonicalize().unwrap();
    let url = zero_gpu();
    Home::with_config(&format!(
        "provider = \"safe\"\n[generation]\nmax_tokens = 6\n\
         [providers.space]\nkind = \"zerogpu\"\nspace = \"{url}\"\nendpoint = \"/stream\"\n\
         headers = {{ \"X-IP-Token\" = {{ env = \"VISITOR\" }} }}\n\
         [providers.stranger]\nkind = \"zerogpu\"\nspace = \"{url}\"\nendpoint = \"/stream\"\n\
         [providers.local]\nkind = \"local\"\nmodel = {model:?}\n\
         [routes.safe]\nchain = [\"space\", \"local\"]\n\
         [routes.visited]\nchain = [\"stranger\", \"local\"]\n"
    ))
}

fn run(home: &Home, words: &[&str]) -> Run {
    Run::of(home.command(words).env("VISITOR", VISITOR).output().unwrap())
}

#[track_caller]
fn answered_by_local(run: &Run, route: &str, space: &str, why: &str) {
    let answer = run.json();
    assert_eq!((&answer["provider"], &answer["served_by"]), (&route.into(), &"local".into()));
    let attempts = answer["attempts"].as_array().unwrap();
    assert_eq!(attempts[0]["provider"], space, "{answer}");
    assert!(attempts[0]["error"].as_str().unwrap().contains(why), "{answer}");
    assert!(answer["usage"]["output_tokens"].as_u64().unwrap() >= 1, "{answer}");
    let notice = &answer["notices"][0];
    assert_eq!(notice["kind"], "fallback", "{answer}");
}

#[test]
fn the_quota_is_used_up_and_this_machine_answers() {
    let home = home();
    let answer = run(&home, &["--json", "hello"]).ok();
    answered_by_local(&answer, "safe", "space", "quota is used up");
    let answer = answer.says("space failed: the ZeroGPU quota is used up");
    answer.says("12 s left").says("; asking local");
    // As text, stdout has the answer of the machine and nothing else.
    let text = run(&home, &["hello"]).ok().says("; asking local");
    assert!(!text.stdout.contains("quota") && text.stdout.ends_with('\n'), "{text:?}");
}

#[test]
fn a_visitor_without_an_account_is_helped_too() {
    let home = home();
    let answer = home.run(&["-p", "visited", "--json", "hi"]).ok();
    answered_by_local(&answer, "visited", "stranger", "used up the GPU time of callers");
}

#[test]
fn without_a_route_the_quota_is_the_exit_code_and_the_reset_is_told() {
    let failed = run(&home(), &["-p", "space", "--json", "hello"]).code(4);
    let error: Value = serde_json::from_str(failed.stderr.lines().last().unwrap()).unwrap();
    let error = &error["error"];
    assert_eq!((&error["kind"], &error["provider"]), (&"quota_exhausted".into(), &"space".into()));
    let reset: jiff::Timestamp = error["resets_at"].as_str().unwrap().parse().unwrap();
    let wait = reset.duration_since(jiff::Timestamp::now()).as_secs();
    assert!((4900..=5025).contains(&wait), "{wait}");
    assert!(error["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{error}");
}

#[test]
fn the_space_rests_until_the_reset() {
    let home = home();
    let mut command = home.command(&["chat"]);
    let mut child =
        command.env("VISITOR", VISITOR).stdin(std::process::Stdio::piped()).spawn().unwrap();
    use std::io::Write;
    child.stdin.take().unwrap().write_all(b"One\nTwo\n").unwrap();
    let ended = Run::of(child.wait_with_output().unwrap()).ok();
    let told = format!("{}{}", ended.stdout, ended.stderr);
    assert_eq!(told.matches("; asking local").count(), 2, "{ended:#?}");
    assert_eq!(told.matches("(resting for another ").count(), 1, "{ended:#?}");
}
