//! The configuration as a whole: precedence, profiles, refusals.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::json;
use textport::{Error, ErrorKind};

use super::overrides::Flag;
use super::*;

/// A home, a project and an environment of their own.
struct World {
    root: tempfile::TempDir,
    environment: Environment,
    overrides: Overrides,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let project = root.path().join("project");
        fs::create_dir_all(&project).unwrap();
        let mut environment = Environment { current: project, ..Environment::default() };
        let home = root.path().join("home").to_string_lossy().into_owned();
        environment.variables.insert("HOME".into(), home);
        Self { root, environment, overrides: Overrides::default() }
    }

    fn write(&self, file: &str, text: &str) -> PathBuf {
        let path = self.root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn user(&self, text: &str) {
        self.write("home/.config/textport/config.toml", text);
    }

    fn project(&self, text: &str) {
        self.write("project/textport.toml", text);
    }

    fn variable(&mut self, name: &str, value: &str) {
        self.environment.variables.insert(name.into(), value.into());
    }

    fn set(&mut self, name: &str, key: &[&str], value: serde_json::Value) {
        let key = key.iter().map(|&part| part.to_owned()).collect();
        self.overrides.flags.push(Flag { name: name.into(), key, value });
    }

    fn load(&self) -> Result<Settings, Error> {
        Settings::resolve(&self.overrides, self.environment.clone())
    }

    fn refusal(&self) -> String {
        let error = self.load().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        format!("{error} | {}", error.hint().unwrap_or_default())
    }
}

fn places(settings: &Settings, key: &str) -> Vec<String> {
    let explanations = settings.explain(key).unwrap();
    let name = |place: &str| {
        let path = Path::new(place);
        path.file_name().map_or(place.to_owned(), |name| name.to_string_lossy().into_owned())
    };
    explanations[0].said.iter().map(|saying| name(&saying.place)).collect()
}

#[test]
fn without_any_file_the_local_provider_answers() {
    let world = World::new();
    let settings = world.load().unwrap();
    assert_eq!(settings.config.provider.as_str(), "local");
    assert_eq!(settings.config.providers[&settings.config.provider].kind, "local");
    assert_eq!(settings.config.cache_dir, world.root.path().join("home/.cache/textport"));
    assert!(settings.config.log.enabled && settings.config.log.prompts);
}

#[test]
fn every_layer_overrules_those_below_it() {
    let mut world = World::new();
    world.user("generation.seed = 1\nprofiles.dev.generation.seed = 4");
    world.project("generation.seed = 2");
    let extra = world.write("extra.json", "{\n\"generation\": {\"seed\": 3}}");
    world.overrides.files.push(extra);
    world.overrides.profile = Some("dev".into());
    world.variable("TEXTPORT_GENERATION__SEED", "5");
    world.set("--set", &["generation", "seed"], json!(6));
    world.set("--seed", &["generation", "seed"], json!(7));
    let settings = world.load().unwrap();
    assert_eq!(settings.config.generation.seed, Some(7));
    assert_eq!(
        places(&settings, "generation.seed"),
        [
            "--seed",
            "--set",
            "TEXTPORT_GENERATION__SEED",
            "config.toml:2",
            "extra.json:2",
            "textport.toml:1",
            "config.toml:1",
        ]
    );
}

#[test]
fn a_profile_lies_over_the_files_and_explains_itself() {
    let mut world = World::new();
    world.project(
        "default_profile = 'dev'\nsystem = 'root'\n[profiles.dev]\nsystem = 'dev'\n\
         [profiles.prod]\nprovider = 'b'\ntimeout = '2m'\nlog.prompts = false\n\
         [providers.b]\nkind = 'local'\n[profiles.prod.providers.b]\nmodel = 'x'\n",
    );
    let dev = world.load().unwrap();
    assert_eq!((dev.profile.as_deref(), dev.config.system.as_deref()), (Some("dev"), Some("dev")));
    let said = &dev.explain("system").unwrap()[0].said;
    assert_eq!(said[0].profile.as_deref(), Some("dev"));
    assert!(said[0].place.ends_with("textport.toml:4"), "{}", said[0].place);
    assert!(said[1].place.ends_with("textport.toml:2"));

    world.variable("TEXTPORT_PROFILE", "prod");
    let prod = world.load().unwrap();
    assert_eq!(prod.config.provider.as_str(), "b");
    assert_eq!(prod.config.timeout, Some(120.0));
    assert!(!prod.config.log.prompts);
    assert_eq!(prod.config.providers[&prod.config.provider].settings["model"], "x");

    world.overrides.profile = Some("porduction".into());
    assert!(world.refusal().contains("known profiles: dev, prod"));
}

#[test]
fn the_origins_file_is_understood() {
    let mut world = World::new();
    let text = r#"{"provider": "local",
 "provider_config": {"model": "m.gguf"}, "timeout": 60}"#;
    let file = world.write("config.json", text);
    world.overrides.files.push(file);
    let settings = world.load().unwrap();
    assert_eq!(settings.config.providers[&settings.config.provider].settings["model"], "m.gguf");
    assert_eq!(settings.config.timeout, Some(60.0));
    assert_eq!(places(&settings, "providers.local.model"), ["config.json:2"]);
}

#[test]
fn the_model_goes_to_the_provider_in_effect() {
    let mut world = World::new();
    world.project("[providers.b]\nkind = 'local'\nmodel = 'low'");
    world.variable("TEXTPORT_PROVIDER", "b");
    world.variable("TEXTPORT_MODEL", "from-variable");
    let settings = world.load().unwrap();
    let model = |settings: &Settings| {
        settings.config.providers[&settings.config.provider].settings["model"].clone()
    };
    assert_eq!(model(&settings), "from-variable");
    world.set("--model", &["provider_config", "model"], json!("from-flag"));
    assert_eq!(model(&world.load().unwrap()), "from-flag");
}

#[test]
fn variables_find_names_however_they_are_written() {
    let mut world = World::new();
    world.project("[providers.My-vLLM]\nkind = 'local'");
    world.variable("TEXTPORT_PROVIDERS__MY_VLLM__MODEL", "x");
    let settings = world.load().unwrap();
    let provider = textport::ProviderId::new("My-vLLM").unwrap();
    assert_eq!(settings.config.providers[&provider].settings["model"], "x");
}

#[test]
fn slips_are_refused_with_place_and_nearest_key() {
    for (text, expected) in [
        (
            "generation.temprature = 1",
            "textport.toml:1: unknown key \"generation.temprature\" | did you mean \"temperature\"?",
        ),
        (
            "\n[profiles.dev.generaton]\nx = 1",
            "textport.toml:2: unknown key \"profiles.dev.generaton\" | did you mean \"generation\"?",
        ),
        (
            "\nprovder = 'x'",
            "textport.toml:2: unknown key \"provder\" | did you mean \"provider\"?",
        ),
        ("[generation]\nseed = 'x'", "textport.toml:2: generation.seed: invalid type"),
        ("[generation]\ntemperature = 99", "textport.toml:2: temperature is 99"),
        ("timeout = 'soon'", "textport.toml:1: timeout: \"soon\" is no duration"),
        ("generation = 3", "textport.toml:1: generation: it must be a table"),
        (
            "provider = 'nope'",
            "textport.toml:1: there is no provider \"nope\" | known providers: local",
        ),
        ("[providers.x]\nmodel = 'y'", "textport.toml:1: providers.x: it has no kind"),
        (
            "profile = 'nope'",
            "textport.toml:1: there is no profile \"nope\" | known profiles: none",
        ),
    ] {
        let world = World::new();
        world.project(text);
        let refusal = world.refusal();
        assert!(refusal.contains(expected), "{text:?}: {refusal}");
    }
    let mut world = World::new();
    world.variable("TEXTPORT_TEMPRATURE", "1");
    assert!(world.refusal().starts_with("TEXTPORT_TEMPRATURE: unknown key \"temprature\""));
}

#[test]
fn secrets_are_references_and_projects_run_no_programs() {
    let world = World::new();
    world.project("[providers.x]\nkind = 'local'\ntoken = 'hf_abc'");
    let refusal = world.refusal();
    assert!(refusal.contains("textport.toml:3: providers.x.token"), "{refusal}");
    assert!(refusal.contains("{ env = \"NAME\" }") && !refusal.contains("hf_abc"), "{refusal}");

    world.project("[profiles.p.providers.x]\nkind = 'local'\ntoken.cmd = ['rm', '-rf', '/']");
    assert!(world.refusal().contains("must not name a program"));

    let world = World::new();
    world.user("[providers.x]\nkind = 'local'\ntoken.cmd = ['pass', 'show']");
    assert!(world.load().is_ok());

    let mut world = World::new();
    world.variable("TEXTPORT_PROVIDERS__LOCAL__API_KEY", "sk-abc");
    let refusal = world.refusal();
    assert!(refusal.starts_with("TEXTPORT_PROVIDERS__LOCAL__API_KEY"));
    assert!(!refusal.contains("sk-abc"));
}

#[test]
fn the_hub_of_the_hubs_own_tools_is_a_default_and_no_project_chooses_it() {
    let mut world = World::new();
    world.variable("HF_ENDPOINT", "http://tools");
    let settings = world.load().unwrap();
    assert_eq!(settings.config.hub_endpoint.as_deref(), Some("http://tools"));
    assert_eq!(places(&settings, "hub_endpoint"), ["HF_ENDPOINT"]);
    world.user("hub_endpoint = 'http://file'");
    let settings = world.load().unwrap();
    assert_eq!(settings.config.hub_endpoint.as_deref(), Some("http://file"));
    assert_eq!(places(&settings, "hub_endpoint"), ["config.toml:1", "HF_ENDPOINT"]);
    world.variable("TEXTPORT_HUB_ENDPOINT", "http://variable");
    let settings = world.load().unwrap();
    assert_eq!(settings.config.hub_endpoint.as_deref(), Some("http://variable"));

    for text in ["hub_endpoint = 'http://x'", "[profiles.p]\nhub_endpoint = 'http://x'"] {
        world.project(text);
        let refusal = world.refusal();
        assert!(refusal.contains("token is sent") && refusal.contains("HF_ENDPOINT"), "{refusal}");
    }
}

#[test]
fn the_hubs_own_tools_say_where_the_cache_is_and_whether_the_network_is_off() {
    let mut world = World::new();
    let settings = world.load().unwrap();
    let expected = world.root.path().join("home/.cache/huggingface/hub");
    assert_eq!(settings.config.hub_cache, Some(expected));
    assert!(!settings.config.offline);
    world.variable("HF_HOME", "~/models");
    let settings = world.load().unwrap();
    let expected = world.root.path().join("home/models/hub");
    assert_eq!(settings.config.hub_cache, Some(expected));
    assert_eq!(places(&settings, "hub_cache"), ["HF_HOME"]);
    world.variable("HF_HUB_OFFLINE", "1");
    assert!(world.load().unwrap().config.offline);
    world.user("offline = false\nhub_cache = '/cache'");
    let settings = world.load().unwrap();
    assert_eq!(settings.config.hub_cache.as_deref(), Some(Path::new("/cache")));
    assert!(!settings.config.offline);
    assert_eq!(places(&settings, "offline")[..2], ["config.toml:1", "HF_HUB_OFFLINE"]);
}

#[test]
fn a_later_reference_replaces_an_earlier_one_whole() {
    let world = World::new();
    world.user("[providers.x]\nkind = 'local'\ntoken = { env = 'A' }");
    world.project("[providers.x]\ntoken = { file = 'b' }");
    let settings = world.load().unwrap();
    let provider = textport::ProviderId::new("x").unwrap();
    assert_eq!(settings.config.providers[&provider].settings["token"], json!({ "file": "b" }));
}

#[test]
fn a_project_file_is_found_above_and_a_named_file_must_exist() {
    let mut world = World::new();
    world.project("system = 'above'");
    world.environment.current = world.root.path().join("project/a/b");
    assert_eq!(world.load().unwrap().config.system.as_deref(), Some("above"));
    world.overrides.files.push("/nonexistent.toml".into());
    assert!(world.refusal().starts_with("cannot read the configuration /nonexistent.toml"));
}

#[test]
fn paths_in_a_file_are_relative_to_it() {
    let world = World::new();
    world.user("cache_dir = 'models'");
    let expected = world.root.path().join("home/.config/textport/models");
    assert_eq!(world.load().unwrap().config.cache_dir, expected);
    world.user("cache_dir = '~/models'");
    assert_eq!(world.load().unwrap().config.cache_dir, world.root.path().join("home/models"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_configuration_makes_it_panic(
        text in "((provider|generation|providers|profiles|timeout|x)\\.?(seed|a|kind)? = ('a'|1|\\[\\]|\\{ a = 1 \\}|true|-0.5)\n){0,4}",
        ending in "(toml|json|yaml)",
    ) {
        let mut world = World::new();
        let file = world.write(&format!("any.{ending}"), &text);
        world.overrides.files.push(file);
        if let Ok(settings) = world.load() {
            let _ = settings.registry();
            let _ = settings.explain("providers");
        }
    }
}
