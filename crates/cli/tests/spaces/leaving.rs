//! Whoever goes away takes the job on the server along: Ctrl-C, a limit in time, a closed pipe.

#![cfg(unix)]

use std::io::Read;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::faults::Proxy;

use crate::home::{Home, Run};
use crate::servers::{app, count};

/// Looks until it holds, a minute at most.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "it never came to this: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn interrupt(child: Child) -> Run {
    let status = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status();
    assert!(status.unwrap().success());
    Run::of(child.wait_with_output().unwrap())
}

/// The process has told the server before it went: its job and nobody else's.
#[track_caller]
fn told(proxy: &Proxy) {
    let (cancelled, joined) = (proxy.requests("/cancel"), proxy.requests("/queue/join"));
    assert_eq!((cancelled.len(), joined.len()), (1, 1), "{:?}", proxy.journal());
    let (cancelled, joined) = (cancelled[0].json(), joined[0].json());
    assert_eq!(cancelled["session_hash"], joined["session_hash"]);
    assert_eq!(cancelled["fn_index"], joined["fn_index"]);
}

fn proxy() -> Proxy {
    Proxy::before(app()).unwrap()
}

fn home(proxy: &Proxy) -> Home {
    let url = proxy.url();
    Home::with_config(&format!(
        "[providers.long]\nkind = \"zerogpu\"\nspace = \"{url}\"\nendpoint = \"/complete\"\n\
         fixed = {{ max_new_tokens = 4096 }}\n\
         [providers.evaluation]\nkind = \"zerogpu\"\nspace = \"{url}\"\n\
         endpoint = \"/run_full_evaluation\"\n"
    ))
}

#[test]
fn ctrl_c_ends_a_call() {
    let proxy = proxy();
    let home = home(&proxy);
    let child = home.start(&["gradio", "call", proxy.url(), "/endless", "interrupted"]);
    eventually("it runs", || count("running", "endless:interrupted") == 1);
    interrupt(child).code(130).says("interrupted");
    told(&proxy);
    eventually("the server has ended it", || count("ended_early", "endless:interrupted") == 1);
}

#[test]
fn ctrl_c_ends_an_answer() {
    let proxy = proxy();
    let home = home(&proxy);
    let mut child = home.start(&["-p", "long", "--no-log", "asked"]);
    let mut first = [0; 16];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    interrupt(child).code(130).says("interrupted");
    told(&proxy);
}

#[test]
fn a_limit_in_time_and_a_closed_pipe_end_it_too() {
    let limited = proxy();
    let words = ["-p", "long", "--no-log", "--timeout", "8s", "limited"];
    home(&limited).run(&words).code(6).says("longer than 8 s");
    told(&limited);
    let closed = proxy();
    let home = home(&closed);
    let mut child = home.start(&["-p", "long", "--no-log", "closed"]);
    let mut first = [0; 16];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert!(child.wait().unwrap().success());
    told(&closed);
}

/// An evaluation is a plain function: on the server it ends before its time only when somebody says
/// so, and until then nobody else's can begin.
#[test]
fn ctrl_c_ends_an_evaluation() {
    let proxy = proxy();
    let home = home(&proxy);
    let row = json!({"text": "x", "agent": "interrupted"}).to_string() + "\n";
    home.write("long.jsonl", &row.repeat(3000)); // a minute of the app's time
    let words = ["eval", "run", "-p", "evaluation", "long.jsonl", "-o", "out.json"];
    let child = home.start(&words);
    eventually("it runs", || count("running", "evaluation:interrupted") == 1);
    interrupt(child).code(130).says("interrupted");
    told(&proxy);
    assert!(!home.path().join("out.json").exists());
    let words = ["eval", "run", "-p", "evaluation", "-", "--json"];
    let next = home.feed(&words, "{\"text\": \"x\"}\n").ok().json();
    assert_eq!(next["result"]["total"], 1);
    assert_eq!(count("finished", "evaluation:interrupted"), 0, "it was waited for");
}
