//! Asking: what is sent, what comes out and where.

use serde_json::Value;

use crate::world::{World, tiny};

/// Arguments that ask a tiny model for a few greedy tokens.
fn few<'a>(model: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["-m", model, "--max-tokens", "8", "--temperature", "0"];
    arguments.extend_from_slice(more);
    arguments
}

#[test]
fn the_default_model_answers_on_stdout_only() {
    let world = World::new();
    let ended = world
        .run(&["--max-tokens", "24", "--temperature", "0", "What color is the sky? One sentence."])
        .ok();
    assert!(ended.stdout.trim().len() > 10, "{ended:?}");
    assert!(ended.stdout.ends_with('\n'), "{ended:?}");
}

#[test]
fn the_words_of_the_origin() {
    let world = World::new();
    let model = tiny("tiny-llama-f32.gguf");
    let config = format!(
        r#"{{"provider": "local", "provider_config": {{"model": "{model}"}}, "timeout": 60}}"#
    );
    world.write("project/config.json", config);
    let ended = world
        .run(&["--provider", "local", "--query", "Hello", "--config", "config.json", "--json"])
        .ok();
    assert_eq!(ended.json()["served_by"], "local");
}

#[test]
fn json_is_one_stable_object() {
    let world = World::new();
    let model = tiny("tiny-qwen3-f32.gguf");
    let ended = world.run(&few(&model, &["--json", "--logprobs", "2", "hello"])).ok();
    let answer = ended.json();
    assert_eq!(answer["v"], 1);
    assert_eq!(answer["provider"], "local");
    assert_eq!(answer["served_by"], "local");
    let fields = [
        "text",
        "reasoning",
        "finish_reason",
        "usage",
        "timings",
        "model",
        "attempts",
        "conversation",
    ];
    for field in fields {
        assert!(answer.get(field).is_some(), "{field} is missing: {ended:?}");
    }
    let tokens = answer["tokens"].as_array().unwrap();
    assert_eq!(tokens.len() as u64, answer["usage"]["output_tokens"].as_u64().unwrap());
    for token in tokens {
        assert_eq!(token["top"].as_array().unwrap().len(), 2);
        assert!(token["logprob"].as_f64().unwrap() <= 0.0);
    }
    assert!(answer["timings"]["total_s"].as_f64().unwrap() > 0.0);
    assert_eq!(ended.stderr, "", "{ended:?}");
}

#[test]
fn jsonl_tells_the_events_and_they_add_up() {
    let world = World::new();
    let model = tiny("tiny-qwen2-f32.gguf");
    let lines = world.run(&few(&model, &["--format", "jsonl", "hello"])).ok();
    let events: Vec<Value> =
        lines.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().all(|event| event["v"] == 1));
    assert_eq!(events.last().unwrap()["type"], "finish");
    let text: String = events
        .iter()
        .filter(|event| event["type"] == "text")
        .map(|event| event["data"].as_str().unwrap())
        .collect();
    let whole = world.run(&few(&model, &["--json", "hello"])).ok().json();
    assert_eq!(whole["text"].as_str().unwrap(), text);
}

#[test]
fn streamed_or_not_the_text_is_the_same() {
    let world = World::new();
    let model = tiny("tiny-qwen3-f32.gguf");
    let streamed = world.run(&few(&model, &["hello"])).ok().stdout;
    let whole = world.run(&few(&model, &["--no-stream", "hello"])).ok().stdout;
    let quiet = world.run(&few(&model, &["-q", "hello"])).ok();
    assert_eq!(streamed, whole);
    assert_eq!((quiet.stdout, quiet.stderr.as_str()), (whole, ""));
}

#[test]
fn prompt_files_and_stdin_are_joined() {
    let world = World::new();
    let file = world.write("notes.txt", "from a file\n");
    let ended =
        world.run_with(&["--dry-run", "--json", "-f", &file, "first"], b"from stdin\n").ok();
    let prompt = &ended.json()["prompt"]["messages"][0];
    assert_eq!(prompt["content"], "first\n\nfrom a file\n\nfrom stdin");
    let ended = world.run_with(&["--dry-run", "--json", "-s", "sys", "-"], b"only stdin").ok();
    let messages = &ended.json()["prompt"]["messages"];
    assert_eq!(messages[0]["role"], "system");
    assert_eq!(messages[1]["content"], "only stdin");
    let ended = world.run(&["--dry-run", "--json", "--raw", "as it stands"]).ok();
    assert_eq!(ended.json()["prompt"]["raw"], "as it stands");
}

#[test]
fn a_dry_run_shows_what_a_local_model_would_be_given() {
    let world = World::new();
    let model = tiny("tiny-qwen3-f32.gguf");
    let plan = world.run(&["--dry-run", "--json", "-m", &model, "hello"]).ok().json();
    let rendered = plan["rendered"].as_str().unwrap();
    assert!(rendered.contains("<|im_start|>user\nhello<|im_end|>"), "{rendered}");
    assert!(plan["prompt_tokens"].as_u64().unwrap() > 5);
    let text = world.run(&["--dry-run", "-m", &model, "hello"]).ok().stdout;
    assert!(text.contains(rendered) && text.contains("options: none"), "{text}");
    let text = world.run(&["--dry-run", "--seed", "1", "hello"]).ok().stdout;
    assert!(text.contains("smollm2-135m") && text.contains("seed = 1"), "{text}");
}

#[test]
fn a_prompt_may_be_the_name_of_a_verb() {
    let world = World::new();
    for arguments in [["--dry-run", "ask", "models"], ["--dry-run", "--", "models"]] {
        let ended = world.run(&arguments).ok();
        assert!(ended.stdout.contains("models"), "{ended:?}");
    }
}

#[test]
fn options_reach_the_request_from_every_flag() {
    let world = World::new();
    let flags = [
        "--dry-run",
        "--json",
        "--max-tokens",
        "5",
        "--temperature",
        "0.7",
        "--top-p",
        "0.9",
        "--top-k",
        "40",
        "--min-p",
        "0.05",
        "--repeat-penalty",
        "1.1",
        "--presence-penalty",
        "-0.5",
        "--frequency-penalty",
        "0.25",
        "--seed",
        "7",
        "--stop",
        "a",
        "--stop",
        "b",
        "--think",
        "off",
        "-o",
        "thinking_budget=9",
        "--timeout",
        "1m",
        "hello",
    ];
    let plan = world.run(&flags).ok().json();
    let expected = serde_json::json!({
        "max_tokens": 5, "temperature": 0.7, "top_p": 0.9, "top_k": 40, "min_p": 0.05,
        "repeat_penalty": 1.1, "presence_penalty": -0.5, "frequency_penalty": 0.25, "seed": 7,
        "stop": ["a", "b"], "think": "off", "thinking_budget": 9,
    });
    assert_eq!(plan["options"], expected);
    assert_eq!(plan["timeout_s"], 60.0);
}

#[test]
fn usage_goes_to_stderr() {
    let world = World::new();
    let model = tiny("tiny-llama-f32.gguf");
    let ended = world.run(&few(&model, &["-u", "hello"])).ok();
    assert!(ended.stderr.contains(" in, ") && ended.stderr.contains(" out, "), "{ended:?}");
}

#[test]
fn a_timeout_has_its_own_code() {
    let world = World::new();
    let ended = world.run(&["--timeout", "1ms", "Write a long story."]);
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert!(ended.stderr.contains("longer than"), "{ended:?}");
}

#[test]
fn code_that_is_not_there_is_not_extracted() {
    let world = World::new();
    let model = tiny("tiny-qwen3-f32.gguf");
    let ended = world.run(&few(&model, &["-x", "hello"]));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(7), ""), "{ended:?}");
}

#[test]
fn profiles_answer_from_different_providers_with_the_same_words() {
    let world = World::new();
    let (first, second) = (tiny("tiny-llama-f32.gguf"), tiny("tiny-qwen3-q8_0.gguf"));
    world.project(&format!(
        "[providers.small]\nkind = 'local'\nmodel = '{first}'\n\
         [providers.large]\nkind = 'local'\nmodel = '{second}'\n\
         [profiles.dev]\nprovider = 'small'\n[profiles.staging]\nprovider = 'large'\n\
         [generation]\nmax_tokens = 8\ntemperature = 0\n"
    ));
    let ask = |profile| world.run(&["--profile", profile, "--json", "hello"]).ok().json();
    let (dev, staging) = (ask("dev"), ask("staging"));
    assert_eq!((&dev["served_by"], &dev["profile"]), (&"small".into(), &"dev".into()));
    assert_eq!((&staging["served_by"], &staging["profile"]), (&"large".into(), &"staging".into()));
    assert_ne!(dev["model"], staging["model"]);
    assert_ne!(dev["text"], staging["text"]);
}

#[test]
fn json_names_the_conversation_that_goes_on() {
    let world = World::new();
    let model = tiny("tiny-llama-f32.gguf");
    let first = world.run(&few(&model, &["--json", "hello"])).ok().json();
    let id = first["conversation"].as_str().unwrap();
    let second = world.run(&few(&model, &["--json", "--cid", id, "more"])).ok().json();
    assert_eq!(second["conversation"], id);
    let shown = world.run(&["logs", "show", id]).ok().stdout;
    assert!(shown.contains("hello") && shown.contains("more"), "{shown}");
    let unlogged = world.run(&few(&model, &["--json", "--no-log", "hello"])).ok().json();
    assert!(unlogged["conversation"].is_null());
}

#[test]
fn the_log_can_be_left_out() {
    let world = World::new();
    let model = tiny("tiny-llama-f32.gguf");
    let log = world.path("home/.local/state/textport/logs.db");
    world.run(&few(&model, &["--no-log", "hello"])).ok();
    assert!(!log.exists());
    world.run(&few(&model, &["hello"])).ok();
    assert!(log.exists());
}
