//! `textport config`, and the example that the project ships.

use std::path::Path;

use crate::world::World;

#[test]
fn explain_names_file_line_profile_and_what_was_overruled() {
    let world = World::new();
    world.project("[generation]\nseed = 1\n[profiles.dev.generation]\nseed = 2\n");
    let ended = world.run(&["--profile", "dev", "config", "explain", "generation.seed"]).ok();
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(
        lines[0].starts_with("generation.seed = 2  (")
            && lines[0].ends_with("textport.toml:4, profile dev)")
    );
    assert!(lines[1].starts_with("  overrides 1  (") && lines[1].ends_with("textport.toml:2)"));
    let ended = world.run(&["config", "explain", "generation.top_k"]).ok();
    assert_eq!(ended.stdout, "generation.top_k is not set: the provider decides\n");
    world.run(&["config", "explain", "generation.topk"]).fails(2, &["did you mean \"top_k\"?"]);
    let all = world.run(&["config", "explain"]).ok().stdout;
    assert!(
        all.contains("\ngeneration.seed = 1  (")
            && all.contains("\nprovider = \"local\"  (built in)"),
        "{all}"
    );
}

#[test]
fn show_prints_what_can_be_read_again() {
    let world = World::new();
    world.project("timeout = '90s'\ngeneration.temperature = 0.7\n");
    let shown = world.run(&["config", "show"]).ok().stdout;
    assert!(shown.contains("timeout = 90.0") && shown.contains("temperature = 0.7\n"), "{shown}");
    assert!(!shown.contains("[routes]"), "an empty table says nothing: {shown}");
    let again = world.write("again.toml", &shown);
    let other = World::new();
    let json = other.run(&["-C", &again, "config", "show", "--json"]).ok().json();
    assert_eq!(json["config"]["generation"]["temperature"], 0.7);
    assert_eq!(json["config"]["timeout"], 90.0);
}

#[test]
fn references_to_secrets_are_shown_and_literals_are_refused() {
    let world = World::new();
    world.project("[providers.local]\ntoken = 'hf_secret'\n");
    let ended = world.run(&["config", "show"]).fails(2, &["providers.local.token", "{ env = "]);
    assert!(!ended.stderr.contains("hf_secret"));
}

#[test]
fn check_looks_at_every_profile() {
    let world = World::new();
    world.project("[profiles.dev]\n[profiles.prod]\nprovider = 'nope'\n");
    world.run(&["config", "check"]).fails(2, &["textport.toml:3", "no provider \"nope\""]);
    world.project("[profiles.dev]\n[profiles.prod]\nprovider = 'local'\n");
    let ended = world.run(&["config", "check"]).ok();
    assert!(ended.stdout.contains("profiles dev, prod"), "{ended:?}");
}

#[test]
fn path_works_while_the_configuration_is_broken() {
    let world = World::new();
    world.project("this is not TOML");
    let ended = world.run(&["config", "path"]).ok();
    assert!(ended.stdout.contains("project/textport.toml\n"), "{ended:?}");
    assert!(ended.stdout.contains("/etc/textport/config.toml"), "{ended:?}");
}

#[test]
fn path_names_the_cache_that_is_used() {
    let world = World::new();
    let elsewhere = world.path("elsewhere").to_string_lossy().into_owned();
    let set = format!("cache_dir={elsewhere}");
    let paths = world.run(&["--set", &set, "config", "path", "--json"]).ok().json();
    assert_eq!(paths["folders"][0]["path"], elsewhere);
}

#[test]
fn init_never_overwrites() {
    let world = World::new();
    let ended = world.run(&["config", "init"]).ok();
    assert!(Path::new(ended.stdout.trim()).is_file());
    world.run(&["config", "check"]).ok();
    world.run(&["config", "init"]).fails(2, &["edit it"]);
}

#[test]
fn the_shipped_example_is_valid_and_its_profiles_differ() {
    let world = World::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/textport.toml");
    world.project(&std::fs::read_to_string(example).unwrap());
    let ended = world.run(&["config", "check"]).ok();
    assert!(ended.stdout.contains("profiles dev, prod, staging"), "{ended:?}");
    let asked =
        |profile| world.run(&["--profile", profile, "--dry-run", "--json", "hello"]).ok().json();
    let (dev, staging, prod) = (asked("dev"), asked("staging"), asked("prod"));
    assert_ne!(dev["provider"], staging["provider"]);
    assert_ne!(staging["provider"], prod["provider"]);
    assert_eq!(dev["prompt"], staging["prompt"]);
}

#[test]
fn a_home_of_its_own_moves_everything() {
    let world = World::new();
    let home = world.path("elsewhere");
    let output = world
        .command(&["config", "path", "--json"])
        .env_remove("TEXTPORT_CACHE_DIR")
        .env("TEXTPORT_HOME", &home)
        .output()
        .unwrap();
    let paths = crate::world::Ended::from(output).ok().json();
    let cache = paths["folders"][0]["path"].as_str().unwrap().to_owned();
    assert_eq!(Path::new(&cache), home.join("cache"));
    assert_eq!(paths["files"][1]["path"], home.join("config.toml").to_string_lossy().as_ref());
}

#[test]
fn providers_are_listed_without_being_built() {
    let world = World::new();
    world.project(
        "[providers.far]\nkind = 'local'\nmodel = '/nonexistent.gguf'\n\
         [routes.both]\nchain = ['far', 'local']\n",
    );
    let ended = world.run(&["-C", "textport.toml", "providers", "list"]).ok();
    let columns = |line: &str| line.find("local  ").or(line.find("KIND"));
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(
        lines[0].split_whitespace().collect::<Vec<_>>(),
        ["NAME", "KIND", "MODEL", "OR", "CHAIN"]
    );
    let far = lines.iter().find(|line| line.trim_start().starts_with("far")).unwrap();
    assert_eq!(columns(far), columns(lines[0]), "{ended:?}");
    assert!(ended.stdout.contains("* local"), "{ended:?}");
    assert!(ended.stdout.contains("/nonexistent.gguf"), "{ended:?}");
    assert!(ended.stdout.contains("far → local"), "{ended:?}");
    let ended = world.run(&["providers", "test", "far"]);
    assert_eq!(ended.code, Some(8), "{ended:?}");
}
