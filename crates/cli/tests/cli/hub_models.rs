//! Models of the Hub by address, from an emulated Hub.

use std::fs;
use std::process::Command;

use testkit::hub_emulator::{HubEmulator, Model};

use crate::world::{Ended, World, tiny};

fn fixture() -> Vec<u8> {
    fs::read(tiny("tiny-thinking-q8_0.gguf")).unwrap()
}

/// A world whose Hub has a private model in two files.
struct Shelf {
    world: World,
    hub: HubEmulator,
}

impl Shelf {
    fn new() -> Self {
        let hub = HubEmulator::start("hf_good").unwrap();
        let files: [(&str, &[u8]); 2] = [("tiny.gguf", &fixture()), ("other.gguf", b"GGUF")];
        hub.add_model(Model::new("acme/tiny").with_commit("main", &files).private());
        Self { world: World::new(), hub }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.world.command(arguments);
        command.env("HF_ENDPOINT", self.hub.url()).env("HF_TOKEN", "hf_good");
        command.env("HF_HUB_CACHE", self.world.path("hub"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).output().unwrap().into()
    }

    fn offline(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).env("HF_HUB_OFFLINE", "1").output().unwrap().into()
    }
}

const MODEL: &str = "hf:acme/tiny/tiny.gguf";

#[test]
fn a_model_is_pulled_listed_inspected_asked_and_removed_by_its_address() {
    let shelf = Shelf::new();
    let words = ["has 2 GGUF files: other.gguf, tiny.gguf", "name one of them: hf:acme/tiny/"];
    shelf.run(&["models", "pull", "hf:acme/tiny"]).fails(8, &words);
    let hint = format!("textport models pull {MODEL}");
    shelf.run(&["models", "inspect", MODEL]).fails(8, &["is not on this machine", &hint]);
    let pulled = shelf.run(&["models", "pull", MODEL]).ok().stdout;
    assert!(pulled.contains("/models--acme--tiny/snapshots/"), "{pulled}");
    assert_eq!(fs::read(pulled.trim()).unwrap(), fixture());
    let names = shelf.run(&["models", "list", "-q"]).ok().stdout;
    assert!(names.lines().any(|name| name == MODEL), "{names}");
    shelf.run(&["models", "inspect", MODEL]).ok();
    let answer = shelf.run(&["-m", MODEL, "hello"]).ok().stdout;
    assert!(!answer.trim().is_empty());
    let before = shelf.hub.journal().len();
    assert_eq!(shelf.offline(&["-m", MODEL, "hello"]).ok().stdout, answer);
    shelf.offline(&["models", "pull", MODEL]).ok();
    let ended = shelf.offline(&["models", "pull", "hf:acme/tiny/other.gguf"]);
    ended.fails(8, &["is not complete in the Hub's cache, and the network is off"]);
    assert_eq!(shelf.hub.journal().len(), before, "the network was not used");
    shelf.run(&["models", "rm", "hf:acme/tiny"]).fails(2, &["wants to be confirmed", "--yes"]);
    shelf.run(&["models", "rm", "--yes", MODEL]).fails(8, &["models rm hf:acme/tiny"]);
    shelf.run(&["models", "rm", "--yes", "hf:acme/tiny"]).ok();
    assert!(!shelf.world.path("hub/models--acme--tiny").exists());
}

#[test]
fn a_provider_names_a_model_of_the_hub() {
    let shelf = Shelf::new();
    shelf.world.project(&format!("[providers.local]\nmodel = '{MODEL}'\n"));
    let doctor = shelf.run(&["doctor"]);
    assert!(doctor.stdout.contains(&format!("{MODEL}: not fetched")), "{doctor:?}");
    assert!(!shelf.run(&["hello"]).ok().stdout.trim().is_empty());
    assert!(shelf.world.path("hub/models--acme--tiny/refs/main").is_file());
    let strangers = shelf.command(&["-m", "hf:acme/tiny@v9", "hello"]).env("HF_TOKEN", "").output();
    Ended::from(strangers.unwrap()).fails(8, &["hf:acme/tiny@v9", "HF_TOKEN"]);
}

#[test]
fn where_the_cache_is_can_be_explained() {
    let shelf = Shelf::new();
    let ended = shelf.run(&["config", "explain", "hub_cache"]).ok();
    assert!(ended.stdout.contains("HF_HUB_CACHE"), "{ended:?}");
    let ended = shelf.world.run(&["config", "explain", "hub_cache"]).ok();
    assert!(ended.stdout.contains(".cache/huggingface/hub"), "{ended:?}");
}
