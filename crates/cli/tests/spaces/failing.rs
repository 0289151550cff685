//! `textport gradio call` that does not end well: exit codes and words.

use crate::home::Home;
use crate::servers::app;

#[test]
fn every_mistake_has_its_code_and_its_words() {
    let home = Home::new();
    for (words, code, says) in [
        (&["/nothing"][..], 8, "its endpoints: "),
        (&["/add", "--arg", "c=1"], 2, "it takes: "),
        (&["/add", "--arg", "nonsense"], 2, "NAME=VALUE"),
        (&["/add", "--arg", "a=1", "--arg", "a=2"], 2, "given twice"),
        (&["/add", "1", "2", "3"], 2, "3 values given"),
        (&["/add", "--data", "{"], 2, "no JSON"),
        (&["/complete", "x", "5000"], 2, "between 1 and 4096"),
        (&["/boom", "x"], 5, "deliberate: x"),
        (&["/add", "1", "2", "--offline"], 5, "not to be used"),
        (&["/slow", "60", "late", "--timeout", "1s"], 6, "longer than 1 s"),
    ] {
        let run = home.run(&[&["gradio", "call", app()], words].concat()).code(code).says(says);
        assert_eq!(run.stdout, "", "{run:?}");
    }
    home.run(&["gradio", "call", "local", "/x"]).code(9).says("not a Space");
    home.run(&["gradio", "call", "nobody", "/x"]).code(2).says("no provider \"nobody\"");
    home.run(&["gradio", "call", "http://127.0.0.1:1", "/x"]).code(5);
}

#[test]
fn a_secret_is_not_taken_from_the_command_line_and_not_repeated() {
    let home = Home::new();
    let words = ["gradio", "call", app(), "/add", "1", "2", "--token", "hf_oh_no"];
    let run = home.run(&words).code(2).says("--token env:NAME");
    assert!(!run.stderr.contains("hf_oh_no"), "{run:?}");
    let words = ["providers", "inspect", app(), "--user", "bob", "--password", "hunter2"];
    let run = home.run(&words).code(2).says("--password");
    assert!(!run.stderr.contains("hunter2"), "{run:?}");
}

#[test]
fn an_error_is_json_for_those_who_want_json() {
    let home = Home::new();
    let run = home.run(&["gradio", "call", app(), "/boom", "x", "--json"]).code(5);
    let error: serde_json::Value = serde_json::from_str(&run.stderr).unwrap();
    assert_eq!((&error["v"], &error["error"]["exit_code"]), (&1.into(), &5.into()));
    assert!(error["error"]["message"].as_str().unwrap().contains("deliberate: x"));
}
