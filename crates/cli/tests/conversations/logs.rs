//! `textport logs`.

use std::process::Stdio;

use rusqlite::Connection;

use crate::home::{Home, holds};

#[test]
fn an_empty_log_is_no_error() {
    let home = Home::new();
    let run = home.run(&["logs"]).ok().says("the log is empty");
    assert_eq!(run.stdout, "");
    assert_eq!(home.json(&["logs", "list", "--json"])["conversations"], serde_json::json!([]));
    home.run(&["logs", "search", "x"]).ok().says("nothing was found");
    home.run(&["logs", "prune", "--older-than", "1d"]).ok().prints("0 pruned");
    home.run(&["logs", "status"]).ok().prints("nothing is logged yet");
    home.run(&["logs", "show"]).code(2).says("the log is empty");
    assert!(!home.database().exists(), "none of it makes a log");
}

#[test]
fn the_newest_come_first_and_their_number_is_kept_to() {
    let home = Home::new();
    for word in ["Alpha", "Beta", "Gamma"] {
        home.run(&[word]).ok();
    }
    let titles = |words: &[&str]| {
        let listed = home.run(words).ok().stdout;
        let titles = listed.lines().map(|line| line.split('\t').next_back().unwrap().to_owned());
        titles.collect::<Vec<_>>()
    };
    assert_eq!(titles(&["logs"]), ["Gamma", "Beta", "Alpha"]);
    assert_eq!(titles(&["logs", "list", "-n", "1"]), ["Gamma"]);
    assert_eq!(titles(&["logs", "ls", "--count", "0"]).len(), 3);
    let lines = home.run(&["logs", "list", "--format", "jsonl"]).ok().stdout;
    assert_eq!(lines.lines().count(), 3);
    assert!(lines.lines().all(|line| line.starts_with("{\"")), "{lines}");
}

#[test]
fn a_search_finds_a_word_of_a_question() {
    let home = Home::new();
    home.run(&["Where do hedgehogs sleep?"]).ok();
    home.run(&["Something else"]).ok();
    home.run(&["logs", "search", "hedge*"]).ok().prints("[hedgehogs]");
    let found = home.json(&["logs", "search", "--json", "sleep", "HEDGEHOGS"]);
    assert_eq!(found["hits"].as_array().unwrap().len(), 1);
    home.run(&["logs", "search", "\"quoted"]).ok().says("nothing was found");
}

#[test]
fn old_conversations_are_pruned_and_new_ones_stay() {
    let home = Home::new();
    home.run(&["Oldxylophone"]).ok();
    let log = Connection::open(home.database()).unwrap();
    log.execute("UPDATE conversations SET updated = updated - 864000000", []).unwrap();
    drop(log);
    home.run(&["New"]).ok();
    home.run(&["logs", "prune", "--older-than", "11d"]).ok().prints("0 pruned");
    assert!(holds(&home.path().join("state"), "Oldxylophone"));
    home.run(&["logs", "prune", "--older-than", "9d"]).ok().prints("1 pruned");
    assert!(!holds(&home.path().join("state"), "Oldxylophone"));
    home.run(&["logs"]).ok().prints("\t1\t").prints("New");
    home.run(&["logs", "prune", "--older-than", "soon"]).code(2);
    home.run(&["logs", "prune"]).code(2);
}

#[test]
fn a_conversation_is_shown_whole() {
    let home = Home::new();
    home.run(&["-s", "Be kind.", "Hello there"]).ok();
    let shown = home.run(&["logs", "show"]).ok().prints("Hello there").prints("Be kind.").stdout;
    assert!(shown.contains("## user") && shown.contains("## assistant · local"), "{shown}");
    home.run(&["logs", "show", "nobody!"]).code(2).says("no conversation");
}

#[test]
fn status_and_path_say_where_the_log_is() {
    let home = Home::new();
    home.run(&["Hello"]).ok();
    let path = home.database().display().to_string();
    assert_eq!(home.run(&["logs", "path"]).ok().stdout.trim_end(), path);
    let status = home.json(&["logs", "status", "--json"]);
    assert_eq!((&status["on"], &status["turns"]), (&true.into(), &1.into()));
    assert_eq!(status["path"], path.as_str());
    home.run(&["logs", "off", "--json"]).ok().prints("\"on\":false");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let home = Home::new();
    home.run(&["Hello"]).ok();
    let mut command = home.command(&["logs", "show"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
