//! A log that is damaged, locked, newer or shared costs a warning and never the answer.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use rusqlite::Connection;

use crate::home::{Home, Run};

#[test]
fn a_damaged_log_costs_a_warning_and_not_the_answer() {
    let home = Home::new();
    home.run(&["Hello"]).ok();
    let junk = "no database at all ".repeat(1000);
    fs::write(home.database(), &junk).unwrap();
    for side in ["logs.db-wal", "logs.db-shm"] {
        let _ = fs::remove_file(home.path().join("state").join(side));
    }
    let run = home.run(&["Hello"]).ok().says("warning:").says("damaged or not a log");
    assert!(!run.stdout.is_empty());
    home.feed(&["chat"], "one\ntwo\n").ok().says("damaged or not a log");
    home.run(&["logs"]).code(2).says("damaged or not a log").says("try: move it away");
    home.run(&["doctor"]).ok().prints("damaged or not a log");
    assert_eq!(fs::read_to_string(home.database()).unwrap(), junk, "it is left as it was");
}

#[test]
fn a_newer_log_is_refused_and_left_alone() {
    let home = Home::new();
    home.run(&["Hello"]).ok();
    let newer = Connection::open(home.database()).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let run = home.run(&["Hello"]).ok().says("written by a newer textport (layout 99");
    assert!(!run.stdout.is_empty());
    home.run(&["logs", "list"]).code(2).says("newer textport").says("update textport");
    home.run(&["ask", "-c", "x"]).code(2).says("newer textport");
}

#[test]
fn a_locked_log_costs_a_warning_and_not_the_answer() {
    let home = Home::new();
    home.run(&["Hello"]).ok();
    let holder = Connection::open(home.database()).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let run = home.run(&["Hello"]).ok().says("is locked by another process");
    assert!(!run.stdout.is_empty());
    // Readers do not wait for a writer.
    home.run(&["logs"]).ok().prints("Hello");
    holder.execute_batch("ROLLBACK").unwrap();
    home.run(&["Hello"]).ok();
    let listed = home.json(&["logs", "--json"]);
    assert_eq!(listed["conversations"].as_array().unwrap().len(), 2);
}

#[test]
fn many_processes_begin_one_log_at_once() {
    let home = Home::new();
    let children: Vec<_> = (0..6)
        .map(|number| {
            let mut command = home.command(&["ask", &format!("Question {number}")]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in children {
        let run = Run::of(child.wait_with_output().unwrap()).ok();
        assert!(!run.stderr.contains("warning"), "{run:?}");
    }
    let listed = home.json(&["logs", "--json"]);
    assert_eq!(listed["conversations"].as_array().unwrap().len(), 6);
}

#[cfg(unix)]
#[test]
fn a_process_that_is_killed_leaves_a_whole_log() {
    let home = Home::new();
    let mut command = home.command(&["chat"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // A line of its own for each command makes the answers countable.
    for number in 0..50 {
        writeln!(input, "Question {number}\n/new\n/show").unwrap();
    }
    let answered = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .filter(|line| line == "nothing was said yet")
        .take(5)
        .count();
    assert_eq!(answered, 5);
    child.kill().unwrap();
    child.wait().unwrap();

    let listed = home.json(&["logs", "list", "-n", "0", "--json"]);
    assert!(listed["conversations"].as_array().unwrap().len() >= 5, "{listed}");
    let log = Connection::open(home.database()).unwrap();
    let check: String = log.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    home.run(&["Hello"]).ok();
}
