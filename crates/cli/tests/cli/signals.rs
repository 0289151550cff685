//! Ctrl-C and SIGTERM.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::world::World;

fn send(signal: &str, child: &Child) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Asks for more than can be generated before the signal, and waits for the first words.
fn generating(world: &World, more: &[&str]) -> (Child, Vec<u8>) {
    let mut arguments = vec!["--max-tokens", "6000", "--temperature", "0"];
    arguments.extend_from_slice(more);
    arguments.push("Write a very long story about a ship.");
    let mut child = world.command(&arguments).spawn().unwrap();
    let mut first = vec![0; 16];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    (child, first)
}

#[test]
fn ctrl_c_keeps_what_was_printed_and_ends_with_130() {
    let world = World::new();
    let (mut child, mut text) = generating(&world, &[]);
    send("-INT", &child);
    child.stdout.as_mut().unwrap().read_to_end(&mut text).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(text.last(), Some(&b'\n'));
    assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted"), "{output:?}");
}

/// The program for a secret hangs, and work that hangs does not hear of the first Ctrl-C.
#[test]
fn a_second_ctrl_c_ends_what_does_not_end_by_itself() {
    let world = World::new();
    let config = world.write(
        "config.toml",
        "[providers.stuck]\nkind = 'zerogpu'\nspace = 'http://127.0.0.1:9'\n\
         token = { cmd = ['sh', '-c', 'echo here >&2; exec cat'] }\n",
    );
    let mut command = world.command(&["-C", &config, "providers", "test", "stuck"]);
    // The secret's program reads this pipe until the test lets go of it.
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let held = child.stdin.take();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "here");
    send("-INT", &child);
    let mut sent = 1;
    let status = loop {
        // Two signals that come before the first is looked at are one.
        std::thread::sleep(Duration::from_millis(200));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        send("-INT", &child);
        sent += 1;
        assert!(sent < 100, "Ctrl-C does not end it");
    };
    drop(held);
    assert_eq!(status.code(), Some(130));
    assert!(sent > 1, "the first one ended work that was stuck");
}

#[test]
fn sigterm_ends_with_143() {
    let world = World::new();
    let (child, _) = generating(&world, &[]);
    send("-TERM", &child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{output:?}");
}

#[test]
fn under_jsonl_an_interruption_is_an_error_object() {
    let world = World::new();
    let (child, _) = generating(&world, &["--format", "jsonl"]);
    send("-INT", &child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "cancelled");
    assert_eq!(error["error"]["exit_code"], 130);
}
