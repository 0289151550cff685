//! The slash commands of `textport chat`.

use std::fs;

use serde_json::Value;

use crate::home::Home;

#[test]
fn options_and_the_system_prompt_change_under_way() {
    let home = Home::new();
    let lines = "One\n/set max_tokens 2\n/system Be kind.\nTwo\n/set max-tokens\n/system\nThree\n";
    home.feed(&["chat", "--max-tokens", "5"], lines).ok().says("max_tokens = 2");
    let turns = home.turns();
    let most: Vec<_> = turns.iter().map(|t| t["options"]["max_tokens"].as_u64()).collect();
    assert_eq!(most, [Some(5), Some(2), Some(6)], "unset, the configuration's 6 holds again");
    let system: Vec<_> = turns.iter().map(|t| t["system"].as_str()).collect();
    assert_eq!(system, [None, Some("Be kind."), None]);
}

#[test]
fn a_wrong_option_names_the_nearest_one() {
    let home = Home::new();
    home.feed(&["chat"], "/set temprature 1\n").code(2).says("temperature");
    home.feed(&["chat"], "/set temperature hot\n").code(2).says("temperature");
    home.feed(&["chat"], "/set top_p 7\n").code(2).says("top_p");
}

#[test]
fn an_unknown_command_names_the_nearest_one() {
    let home = Home::new();
    home.feed(&["chat"], "/sytem x\n").code(2).says("no command /sytem").says("/system");
    home.feed(&["chat"], "/save\n").code(2).says("wants a file");
    home.feed(&["chat"], "/undo\n").code(2).says("nothing to take back");
    home.feed(&["chat"], "/retry\n").code(2).says("nothing to ask again");
    home.feed(&["chat"], " /sytem is a word\n").ok();
}

#[test]
fn what_is_taken_back_is_forgotten() {
    let home = Home::new();
    home.feed(&["chat"], "One\nTwo\n/undo\nThree\n").ok().says("taken back: Two");
    let turns = home.turns();
    let undone: Vec<_> = turns.iter().map(|t| t["undone"].as_bool().unwrap()).collect();
    assert_eq!(undone, [false, true, false]);
    let dry = home.json(&["ask", "-c", "--dry-run", "--json", "x"]);
    let asked: Vec<_> = dry["prompt"]["messages"].as_array().unwrap().iter().step_by(2).collect();
    let asked: Vec<_> = asked.iter().map(|m| m["content"].as_str().unwrap()).collect();
    assert_eq!(asked, ["One", "Three", "x"]);
}

#[test]
fn a_retry_replaces_the_last_answer() {
    let home = Home::new();
    home.feed(&["chat"], "One\n/set max_tokens 2\n/retry\n/show\n").ok();
    let turns = home.turns();
    assert_eq!(turns.len(), 2);
    assert_eq!((&turns[0]["undone"], &turns[1]["undone"]), (&true.into(), &false.into()));
    assert_eq!(turns[1]["prompt"], "One");
    assert_eq!(turns[1]["options"]["max_tokens"], 2);
}

#[test]
fn a_new_conversation_forgets_the_old_one() {
    let home = Home::new();
    let run = home.feed(&["chat", "-s", "Be kind."], "One\n/new\n/show\nTwo\n/show\n").ok();
    assert!(!run.stdout.contains("One"), "{run:?}");
    let turns = home.turns();
    assert_eq!(turns.len(), 1);
    assert_eq!((&turns[0]["prompt"], &turns[0]["system"]), (&"Two".into(), &"Be kind.".into()));
    let listed = home.json(&["logs", "--json"]);
    assert_eq!(listed["conversations"].as_array().unwrap().len(), 2);
}

#[test]
fn a_conversation_is_saved_as_text_or_messages_and_over_no_other_file() {
    let home = Home::new();
    home.feed(&["chat"], "One\n/save talk.md\n/save talk.json\nTwo\n/save talk.json\n").ok();
    let text = fs::read_to_string(home.path().join("talk.md")).unwrap();
    assert!(text.starts_with("## user\nOne\n\n## assistant\n"), "{text}");
    let messages: Vec<Value> =
        serde_json::from_slice(&fs::read(home.path().join("talk.json")).unwrap()).unwrap();
    assert_eq!(messages.len(), 4, "the same chat may write it again");
    home.feed(&["chat"], "/save talk.md\n").code(2).says("is there already");
    assert_eq!(fs::read_to_string(home.path().join("talk.md")).unwrap(), text);
}

#[test]
fn models_and_providers_change_under_way() {
    let home = Home::new();
    let other = crate::home::tiny_model().with_file_name("tiny-llama-f32.gguf");
    home.configure(&format!("[providers.other]\nkind = \"local\"\nmodel = {other:?}\n"));
    let lines =
        format!("One\n/provider other\nTwo\n/provider\n/model {}\nThree\n", other.display());
    home.feed(&["chat"], &lines).ok().says("* other");
    let turns = home.turns();
    let who: Vec<_> = turns.iter().map(|t| t["provider"].as_str().unwrap()).collect();
    assert_eq!(who, ["local", "other", "other"], "one conversation, two providers");
    assert_ne!(turns[0]["model"], turns[1]["model"]);
    home.feed(&["chat"], "/provider nobody\n").code(2).says("nobody");
    home.feed(&["chat"], "/model ./nowhere.gguf\n").code(8).says("nowhere.gguf");
}

#[test]
fn help_and_usage_are_told_beside_the_answer() {
    let home = Home::new();
    let run = home.feed(&["chat"], "/help\n/usage\nOne\n/usage\n/quit\nnever asked\n").ok();
    for word in ["/retry", "/provider", "nothing was answered yet", "last answer: ", " in, "] {
        assert!(run.stderr.contains(word), "{word}: {run:?}");
    }
    assert!(!run.stdout.contains('/'), "stdout has only the answer: {run:?}");
    assert_eq!(home.turns().len(), 1);
}
