//! `textport chat` on a real terminal, driven through a pseudo-terminal of Python's.

use std::process::Command;

use crate::home::Home;

/// Runs steps of the driver: `send TEXT`, `key NAME`, `wait TEXT`, `prompt`, `exit CODE`, and gives all that the
/// terminal showed. The driver fails when it waits in vain.
fn drive(home: &Home, words: &[&str], steps: &[&str]) -> String {
    let textport = home.command(words);
    let mut command = Command::new("python3");
    command.args(["-c", include_str!("terminal.py")]);
    command.arg(steps.join("\n")).arg(textport.get_program()).args(textport.get_args());
    for (name, value) in textport.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env("TERM", "xterm").env("NO_COLOR", "1").current_dir(home.path());
    let output = command.output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\nthe terminal showed:\n{shown}");
    shown
}

#[test]
fn lines_are_edited_remembered_and_commands_completed() {
    let home = Home::new();
    let shown = drive(
        &home,
        &["chat"],
        &[
            "prompt",
            // "Onn", back over one letter, "e".
            "send Onn",
            "key backspace",
            "send e",
            "key enter",
            "prompt",
            // The arrow key brings the line back; its end is changed.
            "key up",
            "send  more",
            "key enter",
            "prompt",
            "send /sh",
            "key tab",
            "wait /show",
            "key enter",
            "wait ## user",
            "prompt",
            "key ctrl-d",
            "exit 0",
        ],
    );
    assert!(shown.contains("/help lists commands"), "{shown}");
    let turns = home.turns();
    let asked: Vec<_> = turns.iter().map(|turn| turn["prompt"].as_str().unwrap()).collect();
    assert_eq!(asked, ["One", "One more"]);

    let history = home.path().join("state/chat_history");
    assert!(std::fs::read_to_string(&history).unwrap().contains("One more"));
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&history).unwrap().permissions().mode() & 0o777, 0o600);
    // Another chat has the lines at hand.
    drive(
        &home,
        &["chat", "-c"],
        &[
            "wait going on after 2 turns",
            "prompt",
            "key up",
            "key up",
            "wait One more",
            "key ctrl-c",
            "wait again or Ctrl-D",
            "prompt",
            "key ctrl-c",
            "exit 0",
        ],
    );
}

#[test]
fn a_failure_is_told_and_the_conversation_goes_on() {
    let home = Home::new();
    let long = format!("send {}", "word ".repeat(1000));
    drive(
        &home,
        &["chat"],
        &[
            "prompt",
            &long,
            "key enter",
            "wait error:",
            "wait /undo takes back",
            "prompt",
            "send /sytem",
            "key enter",
            "wait did you mean /system",
            "prompt",
            "send One",
            "key enter",
            "prompt",
            "send /quit",
            "key enter",
            "exit 0",
        ],
    );
    let turns = home.turns();
    assert_eq!(turns.len(), 2);
    assert_eq!(turns[1]["prompt"], "One");
}

#[test]
fn nothing_is_remembered_when_nothing_is_logged() {
    let home = Home::new();
    drive(
        &home,
        &["chat", "--no-log"],
        &["prompt", "send Xylophone", "key enter", "prompt", "key ctrl-d", "exit 0"],
    );
    assert!(!crate::home::holds(&home.path().join("state"), "Xylophone"));
}

#[test]
fn ctrl_c_ends_the_answer_and_keeps_what_there_is_of_it() {
    let home = Home::with_default_model();
    let shown = drive(
        &home,
        &["chat", "--max-tokens", "4000", "--temperature", "0", "-o", "repeat_penalty=1.2"],
        &[
            "prompt",
            "send Write a very long story about a lighthouse.",
            "key enter",
            // Only an answer has this word with a small letter and something after it.
            "wait  the ",
            "key ctrl-c",
            "wait (interrupted",
            "prompt",
            "send /show",
            "key enter",
            "wait assistant (interrupted)",
            "prompt",
            "send Write a very long story about a ship.",
            "key enter",
            "wait  the ",
            "key ctrl-c",
            "wait (interrupted",
            "prompt",
            "key ctrl-c",
            "wait again or Ctrl-D",
            "prompt",
            "send /quit",
            "key enter",
            "exit 0",
        ],
    );
    let turns = home.turns();
    assert_eq!(turns[0]["error_kind"], "cancelled", "{shown}");
    assert!(turns[0]["response_chars"].as_i64().unwrap() > 0);
    let dry = home.json(&["ask", "-c", "--dry-run", "--json", "x"]);
    let messages = dry["prompt"]["messages"].as_array().unwrap();
    assert_eq!(messages[messages.len().min(3) - 2]["content"], turns[0]["response"]);
}
