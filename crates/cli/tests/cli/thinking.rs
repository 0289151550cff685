//! A model that thinks, as a folder: its reasoning is told apart from its answer, switched and cut.

use std::path::Path;

use serde_json::Value;

use crate::world::{Ended, World, tiny};

/// Asks the model that thinks `WHY NOT?` and answers `jumping-frocks.`.
fn ask(arguments: &[&str]) -> Ended {
    let config = tiny("hf/thinking/config.json");
    let folder = Path::new(&config).parent().unwrap().to_string_lossy().into_owned();
    let common = ["-m", &folder, "--temperature", "0", "--max-tokens", "60"];
    World::new().run(&[&common, arguments, &["hello"]].concat()).ok()
}

#[test]
fn the_answer_is_on_stdout_and_the_reasoning_is_not() {
    let ended = ask(&[]);
    assert_eq!(ended.stdout, "jumping-frocks.\n", "{ended:?}");
    assert!(ended.stderr.contains("WHY NOT?"), "{ended:?}");
    let ended = ask(&["--hide-reasoning"]);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("jumping-frocks.\n", ""));
}

#[test]
fn thinking_is_switched_and_cut() {
    for (arguments, reasoning, tokens) in [
        (&[][..], "WHY NOT?", 10),
        (&["--think", "on"], "WHY NOT?", 10),
        (&["--think", "auto"], "WHY NOT?", 10),
        (&["--think", "off"], "", 0),
        (&["--thinking-budget", "2"], "W", 4),
        (&["--think", "on", "--thinking-budget", "4"], "WHY", 6),
    ] {
        let answer = ask(&[arguments, &["--json"]].concat()).json();
        assert_eq!(answer["reasoning"], reasoning, "{arguments:?}");
        assert_eq!(answer["text"], "jumping-frocks.", "{arguments:?}");
        assert_eq!(answer["usage"]["reasoning_tokens"], tokens, "{arguments:?}");
        assert_eq!(answer["finish_reason"], "stop", "{arguments:?}");
    }
}

#[test]
fn events_say_which_text_is_reasoning() {
    let ended = ask(&["--format", "jsonl"]);
    let events: Vec<Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let joined = |kind: &str| -> String {
        let of = events.iter().filter(|event| event["type"] == kind);
        of.filter_map(|event| event["data"].as_str()).collect()
    };
    assert_eq!(joined("reasoning"), "WHY NOT?", "{ended:?}");
    assert_eq!(joined("text"), "jumping-frocks.", "{ended:?}");
    let first = |kind: &str| events.iter().position(|event| event["type"] == kind);
    assert!(first("reasoning") < first("text"), "{ended:?}");
}
