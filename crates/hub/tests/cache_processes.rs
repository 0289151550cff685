//! Several processes, killed processes and a full disk: each is this test's own program, run again.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod shared;

use std::env;
use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use shared::World;
use testkit::faults::End;
use testkit::hub_emulator::Disturbance;
use textport_hub::{Client, HubCache, RepoId, Wanted};

const URL: &str = "TEXTPORT_TEST_HUB";
const CACHE: &str = "TEXTPORT_TEST_CACHE";

/// Not a test by itself: what the child processes do. Its result is the process's exit status.
#[tokio::test]
#[ignore = "run by the other tests of this file, in processes of their own"]
async fn child_fetches() {
    let client = Client::with_patience(&env::var(URL).unwrap(), None, shared::patience()).unwrap();
    let cache = HubCache::new(env::var(CACHE).unwrap());
    let repo = RepoId::parse("acme/tiny").unwrap();
    let commit = client.model_info(&repo, "main").await.unwrap().commit;
    let files = client.listing(&cache, &repo, &commit).await.unwrap();
    let wanted = Wanted::new(&repo, &commit, &files);
    if let Err(error) = client.fetch(&cache, &wanted, |_, _| {}).await {
        panic!("full: {}: {error}", error.is_disk_full());
    }
}

fn child(world: &World, before: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{before} exec \"$0\" \"$@\"")])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "child_fetches", "--ignored", "--nocapture"])
        .env(URL, world.hub.url())
        .env(CACHE, &world.folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Waits until so much has arrived, but not for ever.
fn arrives(world: &World, bytes: u64) {
    for _ in 0..6000 {
        if world.cache.model(&world.repo).is_some_and(|model| model.incomplete >= bytes) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never arrived");
}

#[tokio::test]
async fn after_kill_9_the_next_process_goes_on() {
    let world = World::new();
    world.hub.disturb("Signature", 2, Disturbance::Break(2_500_000, End::Silence));
    let mut process = child(&world, "").spawn().unwrap();
    // Whole pieces are written: two of 1 MB of each of the two files.
    arrives(&world, 2 * 2 * (1 << 20));
    process.kill().unwrap();
    process.wait().unwrap();
    let output = child(&world, "").output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let commit = world.client().model_info(&world.repo, "main").await.unwrap().commit;
    world.assert_whole(&world.cache.snapshot(&world.repo, &commit));
    let store = world.hub.store_journal();
    let ranges: Vec<_> = store.iter().filter_map(|request| request.header("range")).collect();
    assert_eq!(ranges.len(), 2, "both went on: {ranges:?}");
}

#[tokio::test]
async fn two_processes_download_each_content_once() {
    let world = World::new();
    let processes = [child(&world, "").spawn().unwrap(), child(&world, "").spawn().unwrap()];
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
    let commit = world.client().model_info(&world.repo, "main").await.unwrap().commit;
    world.assert_whole(&world.cache.snapshot(&world.repo, &commit));
    assert_eq!(world.hub.store_journal().len(), 2);
}

#[tokio::test]
async fn a_full_disk_is_told_and_what_fits_is_kept() {
    let world = World::new();
    // No file of the child may grow beyond 2,500 blocks of 512 bytes or 1 kB.
    let output = child(&world, "trap '' XFSZ; ulimit -f 2500;").output().unwrap();
    assert!(!output.status.success() && said(&output).contains("full: true"), "{}", said(&output));
    assert!(fs::read_dir(&world.folder).is_ok());
    let output = child(&world, "").output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let commit = world.client().model_info(&world.repo, "main").await.unwrap().commit;
    world.assert_whole(&world.cache.snapshot(&world.repo, &commit));
}
