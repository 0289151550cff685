//! `textport models` and `textport providers test`.

use crate::world::{World, tiny};

#[test]
fn the_list_names_the_default_model_and_the_users_own() {
    let world = World::new();
    let path = tiny("tiny-llama-f32.gguf");
    world.project(&format!("[models.mine]\nabout = 'my own'\nsources = [{{ path = '{path}' }}]\n"));
    let ended = world.run(&["models", "list"]).ok();
    assert!(ended.stdout.starts_with("NAME"), "{ended:?}");
    assert!(ended.stdout.contains("smollm2-135m"), "{ended:?}");
    assert!(ended.stdout.contains("my own"), "{ended:?}");
    let names = world.run(&["models", "list", "-q"]).ok().stdout;
    assert!(names.lines().any(|name| name == "mine"), "{names}");
    let json = world.run(&["models", "list", "--json"]).ok().json();
    assert!(json["models"].as_array().unwrap().len() >= 2);
}

#[test]
fn inspect_tells_what_a_file_holds() {
    let world = World::new();
    let path = tiny("tiny-qwen3-q8_0.gguf");
    let ended = world.run(&["models", "inspect", &path]).ok();
    for words in ["qwen3", "Q8_0", "512 tokens", "chat template", "KV cache"] {
        assert!(ended.stdout.contains(words), "{words:?} is missing in {ended:?}");
    }
    let json = world.run(&["models", "inspect", &path, "--json"]).ok().json();
    assert_eq!((&json["v"], &json["architecture"]), (&1.into(), &"qwen3".into()));
    world.run(&["models", "inspect", "/nonexistent.gguf"]).fails(8, &["/nonexistent.gguf"]);
}

#[test]
fn a_model_that_is_not_here_says_how_to_get_it() {
    let world = World::new();
    let set = format!("cache_dir={}", world.path("cache").display());
    let ended = world.run(&["--set", &set, "models", "inspect", "smollm2-135m"]);
    ended.fails(8, &["is not on this machine", "textport models pull smollm2-135m"]);
}

#[test]
fn removing_wants_to_be_confirmed() {
    let world = World::new();
    let set = format!("cache_dir={}", world.path("cache").display());
    world.write("cache/models/old/file.gguf", "left over");
    let ended = world.run(&["--set", &set, "models", "rm", "old"]);
    ended.fails(2, &["wants to be confirmed", "--yes"]);
    assert!(world.path("cache/models/old").exists());
    world.run(&["--set", &set, "models", "rm", "--yes", "old"]).ok();
    assert!(!world.path("cache/models/old").exists());
    let ended = world.run(&["models", "rm", "--yes", &tiny("tiny-llama-f32.gguf")]);
    ended.fails(2, &["your own file"]);
}

#[test]
fn a_provider_is_tested_with_one_token() {
    let world = World::new();
    let model = tiny("tiny-llama-f32.gguf");
    world.project(&format!("[providers.local]\nmodel = '{model}'\n"));
    let ended = world.run(&["providers", "test"]).ok();
    assert!(ended.stdout.starts_with("local answers with "), "{ended:?}");
    let json = world.run(&["providers", "test", "local", "--json"]).ok().json();
    assert_eq!(json["ok"], true);
}
