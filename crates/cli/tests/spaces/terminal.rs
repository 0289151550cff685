//! What somebody at a terminal sees of a Space: the line, the progress and what the app says, on
//! stderr. Driven through a pseudo-terminal of Python's.

#![cfg(unix)]

use std::process::Command;

use crate::home::Home;
use crate::servers::{app, count};

/// Runs steps of the driver (`wait TEXT`, `exit CODE`), with stdout in a pipe of its own.
fn drive(home: &Home, words: &[&str], steps: &[&str]) -> String {
    // The shell parts the two: what the driver sees is stderr alone.
    let textport = home.command(words);
    let mut command = Command::new("python3");
    command.args(["-c", include_str!("../conversations/terminal.py")]);
    let steps = steps.join("\n");
    command.args([steps.as_str(), "/bin/sh", "-c", "exec \"$@\" > stdout", "sh"]);
    command.arg(textport.get_program()).args(textport.get_args());
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

fn stdout(home: &Home) -> String {
    std::fs::read_to_string(home.path().join("stdout")).unwrap()
}

fn home(endpoint: &str) -> Home {
    Home::with_config(&format!(
        "[providers.mine]\nkind = \"zerogpu\"\nspace = \"{}\"\nendpoint = \"{endpoint}\"\n\
         fixed = {{ seconds = 0.2 }}\n",
        app()
    ))
}

#[test]
fn the_line_is_shown_with_place_and_time() {
    let home = home("/slow");
    // The server guesses times from calls that have ended.
    home.run(&["gradio", "call", app(), "/slow", "0.2", "before"]).ok();
    let holder = home.start(&["gradio", "call", app(), "/slow", "5", "holder"]);
    while count("started", "slow:holder") == 0 {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let steps = ["wait waiting in line, 0 ahead, about ", "exit 0"];
    drive(&home, &["-p", "mine", "--no-log", "asked"], &steps);
    assert_eq!(stdout(&home), "slept 0.2\n");
    crate::home::Run::of(holder.wait_with_output().unwrap()).ok();
}

#[test]
fn what_the_app_says_and_how_far_it_is_are_shown() {
    let home = Home::new();
    let steps = ["wait started", "wait info: an info", "wait warning: a warning", "exit 0"];
    drive(&home, &["gradio", "call", app(), "/logs", "aloud"], &steps);
    assert_eq!(stdout(&home), "ALOUD\n");
    let steps = ["wait steps", "exit 0"];
    drive(&home, &["gradio", "call", app(), "/progress", "20"], &steps);
    assert_eq!(stdout(&home), "did 20\n");
}

#[test]
fn an_evaluation_shows_how_far_it_is() {
    let home = Home::with_config(&format!(
        "[providers.mine]\nkind = \"zerogpu\"\nspace = \"{}\"\nendpoint = \"/run_full_evaluation\"\n",
        app()
    ));
    home.write("samples.jsonl", &"{\"text\": \"x\"}\n".repeat(120));
    let steps = ["wait Evaluating", "wait /120", "exit 0"];
    drive(&home, &["eval", "run", "-p", "mine", "samples.jsonl", "--json"], &steps);
    assert!(stdout(&home).starts_with('{'), "{}", stdout(&home));
}
