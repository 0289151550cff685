//! `textport chat` without a terminal: a message a line.

use serde_json::Value;

use crate::home::Home;

fn texts(turns: &[Value], key: &str) -> Vec<String> {
    turns.iter().map(|turn| turn[key].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_line_is_a_message_of_one_conversation() {
    let home = Home::new();
    let run = home.feed(&["chat", "-s", "Be kind."], "One\n\nTwo\n").ok();
    assert!(!run.stdout.contains(">>>"), "no prompt in a pipe: {run:?}");
    let turns = home.turns();
    assert_eq!(texts(&turns, "prompt"), ["One", "Two"]);
    assert_eq!(texts(&turns, "system"), ["Be kind.", "Be kind."]);
    let said: String = texts(&turns, "response").iter().map(|text| format!("{text}\n")).collect();
    assert_eq!(run.stdout, said);
    let tokens = |turn: &Value| turn["usage"]["input_tokens"].as_u64().unwrap();
    assert!(tokens(&turns[1]) > tokens(&turns[0]) + 5, "{turns:?}");
    assert!(
        turns[1]["usage"]["cached_tokens"].as_u64() >= Some(tokens(&turns[0]) / 2),
        "the second turn starts from the first one's computation: {turns:?}"
    );
}

#[test]
fn a_conversation_goes_on_in_another_process() {
    let home = Home::new();
    home.feed(&["chat", "-s", "Be kind."], "One\n").ok();
    home.feed(&["chat", "-c"], "Two\n").ok();
    let turns = home.turns();
    assert_eq!(texts(&turns, "prompt"), ["One", "Two"]);
    assert_eq!(turns[1]["system"], "Be kind.", "the system prompt comes along");
    home.feed(&["chat", "-c", "-s", "Be brief."], "Three\n").ok();
    assert_eq!(home.turns()[2]["system"], "Be brief.");
    home.run(&["ask", "-c", "Four"]).ok();
    assert_eq!(home.turns().len(), 4);
    home.feed(&["chat"], "Five\n").ok();
    assert_eq!(home.turns().len(), 1, "without -c a new one begins");
}

#[test]
fn messages_may_have_several_lines() {
    let home = Home::new();
    home.feed(&["chat"], "\"\"\"\na\n\nb\n\"\"\"\nc\\\nd\n\"\"\"left open\n").ok();
    assert_eq!(texts(&home.turns(), "prompt"), ["a\n\nb", "c\nd", "left open"]);
}

#[test]
fn flags_of_generation_hold_for_every_turn() {
    let home = Home::new();
    home.feed(&["chat", "--max-tokens", "2", "-o", "seed=7"], "One\nTwo\n").ok();
    for turn in home.turns() {
        assert_eq!(turn["options"]["max_tokens"], 2);
        assert_eq!(turn["options"]["seed"], 7);
        assert!(turn["usage"]["output_tokens"].as_u64().unwrap() <= 2, "{turn}");
    }
}

#[test]
fn the_first_failure_ends_it_with_its_exit_code() {
    let home = Home::new();
    let long = "word ".repeat(2000);
    let run = home.feed(&["chat"], &format!("One\n{long}\nnever asked\n"));
    run.code(2).says("error:");
    let turns = home.turns();
    assert_eq!(turns.len(), 2);
    assert_eq!(turns[1]["error_kind"], "context_length_exceeded");
    home.feed(&["chat", "-m", "./nowhere.gguf"], "One\n").code(8);
    home.feed(&["chat", "-p", "nobody"], "One\n").code(2);
    home.feed(&["chat", "--json"], "One\n").code(2).says("chat prints text and no JSON");
}

#[test]
fn stdin_that_is_not_utf8_is_said_so() {
    let home = Home::new();
    std::fs::write(home.path().join("latin1"), b"caf\xe9\n").unwrap();
    let file = std::fs::File::open(home.path().join("latin1")).unwrap();
    let output = home.command(&["chat"]).stdin(file).output().unwrap();
    crate::home::Run::of(output).code(2).says("not UTF-8");
}
