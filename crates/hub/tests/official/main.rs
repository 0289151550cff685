//! The Hub's own Python client and ours on one emulated Hub and one cache: the emulator is faithful,
//! and neither downloads what the other has.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

#[path = "../shared/mod.rs"]
mod shared;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use shared::{TOKEN, World, tiny, weights};
use testkit::Venv;
use testkit::faults::End;
use testkit::hub_emulator::Disturbance;
use textport_hub::Wanted;

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/official").join(name)
}

/// The official client on this Hub and this cache.
fn python(world: &World, arguments: &[&str]) -> Command {
    let venv = Venv::ensure(&here("requirements.txt")).unwrap();
    let home = world.folder.parent().unwrap().join("home");
    let mut command = Command::new(venv.python());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HF_") {
            command.env_remove(name);
        }
    }
    command
        .arg(here("client.py"))
        .args(arguments)
        .env("HF_ENDPOINT", world.hub.url())
        .env("HF_HOME", home)
        .env("HF_HUB_CACHE", &world.folder)
        .env("HF_TOKEN", TOKEN)
        .env("HF_HUB_DISABLE_XET", "1")
        .env("HF_HUB_DISABLE_TELEMETRY", "1")
        .env("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn result(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    let (out, err) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
    serde_json::from_slice(&out).unwrap_or_else(|_| panic!("{err}"))
}

fn official(world: &World, arguments: &[&str]) -> Value {
    result(&mut python(world, arguments))
}

fn path(answer: &Value) -> &Path {
    Path::new(answer["path"].as_str().unwrap_or_else(|| panic!("{answer}")))
}

#[tokio::test]
async fn what_the_official_client_downloads_we_use() {
    let world = World::with(tiny().private().with_xet());
    world.hub.set_page(2);
    let answer = official(&world, &["snapshot", "acme/tiny", "main"]);
    world.assert_whole(path(&answer));
    let store = world.hub.store_journal();
    assert!(store.len() == 2 && store.iter().all(|request| !request.mentions(TOKEN)));
    let before = world.hub.journal().len();
    let commit = world.cache.commit(&world.repo, "main").unwrap();
    let files = world.cache.listing(&world.repo, &commit).unwrap();
    assert!(files.iter().all(|file| world.cache.has(&world.repo, &commit, file)));
    let wanted = Wanted::new(&world.repo, &commit, &files);
    let ours = world.client().fetch(&world.cache, &wanted, |_, _| {}).await.unwrap();
    assert_eq!(fs::canonicalize(ours).unwrap(), fs::canonicalize(path(&answer)).unwrap());
    assert_eq!(world.hub.journal().len(), before, "the network was not used");
    // What we are told by the Hub is what it noted.
    fs::remove_dir_all(world.cache.repo(&world.repo).join("trees")).unwrap();
    assert_eq!(world.client().listing(&world.cache, &world.repo, &commit).await.unwrap(), files);
}

#[tokio::test]
async fn what_we_download_the_official_client_uses() {
    let world = World::with(tiny().with_commit("refs/pr/1", &[("config.json", b"{\"pr\":1}")]));
    let (_, ours) = world.fetch().await;
    let (_, request) = world.fetch_with(&world.client(), "refs/pr/1").await.unwrap();
    let before = world.hub.journal().len();
    let offline = |arguments: &[&str]| result(python(&world, arguments).env("HF_HUB_OFFLINE", "1"));
    for (revision, expected) in [("main", &ours), ("refs/pr/1", &request)] {
        let answer = offline(&["snapshot", "acme/tiny", revision]);
        assert_eq!(fs::canonicalize(path(&answer)).unwrap(), fs::canonicalize(expected).unwrap());
        let answer = offline(&["file", "acme/tiny", revision, "config.json"]);
        assert_eq!(
            fs::read(path(&answer)).unwrap(),
            fs::read(expected.join("config.json")).unwrap()
        );
    }
    assert_eq!(world.hub.journal().len(), before, "the network was not used");
    let answer = official(&world, &["snapshot", "acme/tiny", "main"]);
    world.assert_whole_but(path(&answer));
    assert_eq!(world.hub.store_journal().len(), 2, "only our downloads");
    let scan = official(&world, &["scan"]);
    assert_eq!(scan, json!({"repos": {"acme/tiny": [1, 5]}, "warnings": []}));
}

impl World {
    fn assert_whole_but(&self, snapshot: &Path) {
        let read = |name: &str| fs::read(snapshot.join(name)).unwrap();
        assert!(read("model-00001-of-00002.safetensors") == weights(1));
        assert_eq!(read("sub/tokenizer.json"), b"{}");
    }
}

#[tokio::test]
async fn one_file_and_what_is_cut_on_its_way() {
    let world = World::new();
    let name = "model-00001-of-00002.safetensors";
    // Both go on after a cut within one process.
    world.hub.disturb("Signature", 1, Disturbance::Break(2_000_000, End::Closed));
    let answer = official(&world, &["file", "acme/tiny", "main", name]);
    assert!(fs::read(path(&answer)).unwrap() == weights(1));
    let (commit, files) = world.listed(&world.client(), "main").await.unwrap();
    let file = files.iter().find(|file| file.path == name).unwrap();
    assert!(world.cache.has(&world.repo, &commit, file));
    // What we left behind does not disturb it, and it is told as damaged by nobody.
    world.hub.disturb("Signature", 1, Disturbance::Break(1_500_000, End::Closed));
    world.fetch_with(&world.hasty(), "main").await.unwrap_err();
    assert!(world.cache.model(&world.repo).unwrap().incomplete > 0);
    let scan = official(&world, &["scan"]);
    assert_eq!(scan["warnings"], json!([]));
    let answer = official(&world, &["snapshot", "acme/tiny", "main"]);
    world.assert_whole_but(path(&answer));
    let store = world.hub.store_journal().len();
    world.fetch().await;
    assert_eq!(world.hub.store_journal().len(), store, "we took what it brought");
}

#[tokio::test]
async fn the_emulator_refuses_as_the_official_client_expects() {
    let world = World::new();
    let error = |arguments: &[&str]| official(&world, arguments)["error"].clone();
    assert_eq!(error(&["file", "acme/none", "main", "x"]), "RepositoryNotFoundError");
    assert_eq!(error(&["file", "acme/tiny", "v9", "config.json"]), "RevisionNotFoundError");
    assert_eq!(error(&["file", "acme/tiny", "main", "none.txt"]), "RemoteEntryNotFoundError");
    world.hub.add_model(tiny().gated());
    assert_eq!(error(&["file", "acme/tiny", "main", "config.json"]), "GatedRepoError");
    let wrong = result(
        python(&world, &["file", "acme/tiny", "main", "config.json"]).env("HF_TOKEN", "hf_bad"),
    );
    assert_eq!(wrong["error"], "HfHubHTTPError");
    let offline =
        result(python(&world, &["snapshot", "acme/tiny", "main"]).env("HF_HUB_OFFLINE", "1"));
    assert_eq!(offline["error"], "LocalEntryNotFoundError");
}

#[tokio::test]
async fn both_take_turns_by_the_same_locks() {
    let world = World::new();
    let (commit, files) = world.listed(&world.client(), "main").await.unwrap();
    let file = files.iter().find(|file| file.path.ends_with("1-of-00002.safetensors")).unwrap();
    let root = world.folder.parent().unwrap();
    let of = |name: &str| root.join(name).to_string_lossy().into_owned();
    fs::write(of("content"), weights(1)).unwrap();
    let lock = world.folder.join(format!(".locks/models--acme--tiny/{}.lock", file.blob()));
    let lock = lock.to_string_lossy().into_owned();
    let blob = world.cache.repo(&world.repo).join("blobs").join(file.blob());
    let blob = blob.to_string_lossy().into_owned();
    let arguments = ["hold", &lock, &of("ready"), &of("go"), &of("content"), &blob];
    let mut holder = python(&world, &arguments).spawn().unwrap();
    while !Path::new(&of("ready")).exists() {
        assert!(holder.try_wait().unwrap().is_none(), "the official client ended");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(official(&world, &["wait", &lock]), json!({"held": false}));
    let wanted = Wanted::new(&world.repo, &commit, std::slice::from_ref(file));
    // The first report comes while it waits: then the holder brings the content.
    let go = of("go");
    let progress = move |_, _| fs::write(&go, "").unwrap();
    let path = world.client().fetch(&world.cache, &wanted, progress).await.unwrap();
    assert!(fs::read(path.join(&file.path)).unwrap() == weights(1));
    assert_eq!(world.asked("resolve"), 0, "nothing was downloaded");
    assert!(holder.wait().unwrap().success());
}
