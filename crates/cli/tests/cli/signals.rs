//! Ctrl-C and SIGTERM.

#![cfg(unix)]

use std::io::Read;
use std::process::{Child, Command};

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
