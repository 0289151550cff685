//! What `ask` leaves in the log, and what it goes on from.

use serde_json::{Value, json};

use crate::home::{Home, holds};

#[test]
fn a_conversation_goes_on_in_another_process() {
    let home = Home::new();
    let first = home.json(&["--json", "-s", "Be kind.", "My name is Ada."]);
    home.run(&["ask", "-c", "What is my name?"]).ok();
    let turns = home.turns();
    assert_eq!(turns.len(), 2);
    assert_eq!(turns[0]["response"], first["text"]);
    let tokens = |turn: &Value| turn["usage"]["input_tokens"].as_u64().unwrap();
    assert!(tokens(&turns[1]) > tokens(&turns[0]) + 10, "the first turn was sent again: {turns:?}");

    let dry = home.json(&["ask", "-c", "--dry-run", "--json", "And now?"]);
    let expected = json!([
        { "role": "system", "content": "Be kind." },
        { "role": "user", "content": "My name is Ada." },
        { "role": "assistant", "content": first["text"] },
        { "role": "user", "content": "What is my name?" },
        { "role": "assistant", "content": turns[1]["response"] },
        { "role": "user", "content": "And now?" },
    ]);
    assert_eq!(dry["prompt"]["messages"], expected);
}

#[test]
fn an_older_conversation_is_named_by_a_part_of_its_id() {
    let home = Home::new();
    home.run(&["Alpha"]).ok();
    let id = home.json(&["logs", "--json"])["conversations"][0]["id"].clone();
    let id = id.as_str().unwrap();
    home.run(&["Beta"]).ok();
    let messages = |words: &[&str]| home.json(words)["prompt"]["messages"].clone();
    let last = messages(&["ask", "--dry-run", "--json", "-c", "x"]);
    assert_eq!(last[0]["content"], "Beta");
    let named = messages(&["ask", "--dry-run", "--json", "--cid", &id[14..].to_lowercase(), "x"]);
    assert_eq!(named[0]["content"], "Alpha");
    home.run(&["ask", "--cid", "ZZZZZZ", "x"]).code(2).says("no conversation \"ZZZZZZ\"");
}

#[test]
fn without_a_log_there_is_nothing_to_go_on_with() {
    let home = Home::new();
    home.run(&["ask", "-c", "x"]).code(2).says("no conversation to continue");
    assert!(!home.database().exists(), "reading makes no log");
}

#[test]
fn every_way_to_switch_the_log_off_leaves_no_file() {
    let home = Home::new();
    home.run(&["--no-log", "Hello"]).ok();
    home.run(&["--set", "log.enabled=false", "Hello"]).ok();
    home.run(&["logs", "off"]).ok().prints("logging is off");
    home.run(&["Hello"]).ok();
    home.feed(&["chat"], "Hello\n").ok();
    assert!(!home.database().exists());
    home.run(&["logs", "on"]).ok().prints("logging is on");
    home.run(&["Hello"]).ok();
    assert!(home.database().exists());
    assert_eq!(home.turns().len(), 1);
}

#[test]
fn without_texts_only_counts_and_timings_are_kept() {
    let home = Home::new();
    home.configure("stop = [\"Xylophonestop\"]\n[log]\nprompts = false\n");
    let answer = home.json(&["--json", "-s", "Xylophonesystem", "Xylophoneprompt"]);
    home.feed(&["chat"], "Xylophonechat\n").ok();
    for word in ["Xylophone", "xylophone"] {
        assert!(!holds(&home.path().join("state"), word), "{word}");
    }
    let text = answer["text"].as_str().unwrap();
    let shown = home.json(&["logs", "--json"]);
    let id = shown["conversations"][1]["id"].as_str().unwrap().to_owned();
    let turn = home.json(&["logs", "show", "--json", &id])["turns"][0].clone();
    assert_eq!(turn["prompt_chars"], 15);
    assert_eq!(turn["response_chars"], text.chars().count());
    assert!(turn["usage"]["output_tokens"].as_u64().unwrap() > 0, "{turn}");
    assert!(turn["timings"]["total_s"].as_f64().unwrap() > 0.0, "{turn}");
    assert_eq!((&turn["prompt"], &turn["response"]), (&Value::Null, &Value::Null));
    home.run(&["ask", "-c", "x"]).code(2).says("its texts were not kept");
    home.run(&["logs", "show", &id]).ok().prints("(15 characters, not kept)");
}

#[test]
fn a_failed_turn_is_kept_but_is_no_part_of_the_conversation() {
    let home = Home::new();
    home.run(&["Good"]).ok();
    let long = "word ".repeat(2000);
    home.run(&["ask", "-c", &long]).code(2);
    let turns = home.turns();
    assert_eq!(turns.len(), 2);
    assert_eq!(turns[1]["error_kind"], "context_length_exceeded");
    let dry = home.json(&["ask", "-c", "--dry-run", "--json", "x"]);
    assert_eq!(dry["prompt"]["messages"].as_array().unwrap().len(), 3);
}

#[test]
fn another_file_can_be_named() {
    let home = Home::new();
    let elsewhere = home.path().join("deep/er/mine.db");
    let run = home.command(&["Hello"]).env("TEXTPORT_LOG_DB", &elsewhere).output().unwrap();
    assert!(run.status.success());
    assert!(elsewhere.exists() && !home.database().exists());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(elsewhere.as_path()), 0o600);
        assert_eq!(mode(elsewhere.parent().unwrap()), 0o700);
    }
}
