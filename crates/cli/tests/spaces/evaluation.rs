//! `textport eval run` with the provider of the origin, at another address.

use serde_json::{Value, json};

use crate::home::Home;
use crate::servers::app;

const PROVIDER: &str = "qwen3_zerogpu_eval";

fn home() -> Home {
    let home = Home::with_config(&format!("[providers.{PROVIDER}]\nspace = \"{}\"\n", app()));
    let line = |n: usize| {
        let text = format!("<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na{n}<|im_end|>");
        json!({ "text": text, "task_id": format!("t{n}") }).to_string() + "\n"
    };
    home.write("samples.jsonl", &(0..12).map(line).collect::<String>());
    home
}

fn words<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["eval", "run", "--provider", PROVIDER], more].concat()
}

#[test]
fn a_run_prints_its_summary_and_writes_its_file() {
    let home = home();
    let more = ["samples.jsonl", "--batch-size", "4", "-o", "out.json"];
    let run = home.run(&words(&more)).ok().says("Evaluating").says("wrote ");
    let run = run.prints("12 samples: 12 passed, 0 failed (100.0 %), 0.02 s each");
    run.prints("**12** examples, all good");
    let path = home.path().join("out.json");
    let read = || serde_json::from_str::<Value>(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let written = read();
    assert_eq!((&written["v"], &written["provider"]), (&json!(1), &json!(PROVIDER)));
    assert_eq!(written["result"]["samples"].as_array().unwrap().len(), 12);
    assert_eq!(written["result"]["raw"]["batch_size"], 4);
    // Once more, as JSON: the file is safe unless it is given up.
    home.run(&words(&more)).code(2).says("exists already").says("--force");
    let json = home.run(&words(&[&more[..], &["--force", "--json"]].concat())).ok().json();
    assert_eq!(json, read());
    assert_eq!(json["result"]["success_rate"], 100.0);
}

#[test]
fn samples_come_from_stdin_too() {
    let run = home().feed(&words(&["-", "--json"]), "{\"text\": \"x\"}\n").ok();
    assert_eq!(run.json()["result"]["total"], 1);
}

#[test]
fn what_cannot_be_evaluated_is_refused_and_writes_nothing() {
    let home = home();
    home.write("nonsense.jsonl", "{}\nnonsense\n");
    for (more, code, says) in [
        (&["missing.jsonl"][..], 2, "missing.jsonl"),
        (&["nonsense.jsonl", "-o", "out.json"], 2, "line 2"),
        (
            &["samples.jsonl", "-o", "out.json", "--batch-size", "11"],
            9,
            "batch size between 1 and 10",
        ),
        (&["samples.jsonl", "-o", "no/such/folder.json"], 2, "cannot write"),
        (&["samples.jsonl", "--format", "jsonl"], 2, "jsonl"),
    ] {
        home.run(&words(more)).code(code).says(says);
    }
    home.run(&["eval", "run", "samples.jsonl"]).code(9).says("do not evaluate");
    let files: Vec<_> = std::fs::read_dir(home.path()).unwrap().flatten().collect();
    let names = files.iter().map(|file| file.file_name().to_string_lossy().into_owned());
    let left: Vec<_> =
        names.filter(|name| name.contains("out") || name.starts_with(".text")).collect();
    assert!(left.is_empty(), "{left:?}");
}
