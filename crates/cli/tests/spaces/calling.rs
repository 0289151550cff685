//! `textport gradio call` that ends well.

use serde_json::json;

use crate::home::Home;
use crate::servers::app;

#[test]
fn values_go_in_by_place_by_name_and_as_json() {
    let home = Home::new();
    let call = |more: &[&str]| {
        let words = [&["gradio", "call", app()], more, &["--json"]].concat();
        home.run(&words).ok().json()
    };
    let answer = call(&["/add", "2", "-0.5"]);
    assert_eq!(answer["outputs"], json!(["1.5", -1.0]));
    assert_eq!((&answer["v"], &answer["endpoint"]), (&json!(1), &json!("/add")));
    assert_eq!(answer["address"], app());
    assert_eq!(call(&["add", "--arg", "b=4", "--arg", "a=3"])["outputs"], json!(["7", 12]));
    assert_eq!(call(&["add", "--data", "[2, 2]"])["outputs"], json!(["4", 4]));
    let words = ["gradio", "call", app(), "add", "--data", "-", "--json"];
    let piped = home.feed(&words, "{\"a\": 5, \"b\": 6}").ok().json();
    assert_eq!(piped["outputs"], json!(["11", 30]));
    home.write("values.json", "[1, 1]");
    assert_eq!(call(&["add", "--data", "@values.json"])["outputs"], json!(["2", 1]));
    // As text: a value a line.
    let text = home.run(&["gradio", "call", app(), "/add", "2", "3"]).ok();
    assert_eq!((text.stdout.as_str(), text.stderr.as_str()), ("5\n6\n", ""));
}

#[test]
fn a_generator_streams() {
    let home = Home::new();
    let words = ["gradio", "call", app(), "/complete", "SAY one two three", "10"];
    assert_eq!(home.run(&words).ok().stdout, "one two three\n");
    let lines = home.run(&[&words[..], &["--format", "jsonl"]].concat()).ok().lines();
    assert!(lines.iter().all(|line| line["v"] == 1), "{lines:?}");
    let partial: Vec<_> = lines.iter().filter(|line| line["type"] == "partial").collect();
    assert!(partial.len() >= 2, "{lines:?}");
    for line in &partial {
        let text = line["outputs"][0].as_str().unwrap();
        assert!("one two three".starts_with(text), "{line}");
    }
    let last = lines.last().unwrap();
    assert_eq!((&last["type"], &last["outputs"]), (&json!("finished"), &json!(["one two three"])));
    let whole = home.run(&[&words[..], &["--json"]].concat()).ok().json();
    assert_eq!(whole["outputs"], json!(["one two three"]));
}

#[test]
fn a_text_that_is_taken_back_is_printed_whole_at_the_end() {
    let home = Home::new();
    let run = home.run(&["gradio", "call", app(), "/revise", "x"]).ok().says("changed its text");
    assert!(run.stdout.ends_with("\nThe port was\n"), "{run:?}");
}

#[test]
fn what_the_app_says_and_how_far_it_is_goes_to_stderr() {
    let home = Home::new();
    let words = ["gradio", "call", app(), "/logs", "x"];
    let told = home.run(&words).ok().says("info: an info").says("warning: a warning");
    assert_eq!(told.stdout, "X\n");
    let quiet = home.run(&[&words[..], &["--quiet"]].concat()).ok();
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("X\n", ""));
    let words = ["gradio", "call", app(), "/progress", "9"];
    let silent = home.run(&words).ok();
    assert_eq!((silent.stdout.as_str(), silent.stderr.as_str()), ("did 9\n", ""));
    let told = home.run(&[&words[..], &["-v"]].concat()).ok().says("started\n").says("ste");
    assert_eq!(told.stdout, "did 9\n");
    assert!(told.stderr.starts_with("waiting in line"), "{told:?}");
}

#[test]
fn a_token_goes_along_by_reference() {
    let home = Home::new();
    let words = ["gradio", "call", app(), "/seen", "x", "--token", "env:MY_TOKEN", "--json"];
    let output = home.command(&words).env("MY_TOKEN", "hf_secret").output().unwrap();
    let seen = crate::home::Run::of(output).ok().json();
    assert_eq!(seen["outputs"][0]["headers"]["x-hf-authorization"], "Bearer hf_secret");
    let without = home.run(&["gradio", "call", app(), "/seen", "x", "--json"]).ok().json();
    assert!(without["outputs"][0]["headers"].get("x-hf-authorization").is_none());
    home.run(&words).code(3).says("MY_TOKEN");
    // The token of the Hub's own tools is for the Hub, also when it is asked for by name.
    let words = ["gradio", "call", app(), "/seen", "x", "--token", "hf"];
    let output = home.command(&words).env("HF_TOKEN", "hf_tools").output().unwrap();
    crate::home::Run::of(output).code(3).says("not on the Hub").says("--token env:NAME");
    home.run(&["gradio", "call", "acme/proof", "/seen", "x", "--token", "hf"]).code(3);
}

#[test]
fn a_provider_of_the_configuration_is_a_space_too() {
    let home = Home::with_config(&format!(
        "[providers.mine]\nkind = \"zerogpu\"\nspace = \"{}\"\n",
        app()
    ));
    assert_eq!(home.run(&["gradio", "call", "mine", "/lengths", "abcd"]).ok().stdout, "4\n");
}
