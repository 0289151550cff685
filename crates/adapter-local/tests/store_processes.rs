//! Several processes, killed processes and a full disk: each is this test's own program, run again.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod fake_index;

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use fake_index::{Index, NAME, appears};
use ports::BuildContext;
use serde_json::json;

const FOLDER: &str = "TEXTPORT_TEST_INDEX";
const LOG: &str = "TEXTPORT_TEST_LOG";

/// Not a test by itself: what the child processes do. Its result is the process's exit status, its
/// progress and its error are in files.
#[tokio::test]
#[ignore = "run by the other tests of this file, in processes of their own"]
async fn child_fetches() {
    let index = Index::at(Path::new(&env::var(FOLDER).unwrap()));
    let log = env::var(LOG).unwrap();
    let context = BuildContext::default().with_progress({
        let log = log.clone();
        move |progress| {
            let word = progress.task.split(' ').next().unwrap_or_default().to_owned();
            fs::write(format!("{log}.{word}"), "").unwrap();
        }
    });
    let catalogue = Index::catalogue(json!([Index::wheels()]));
    if let Err(error) = index.store().ensure(&catalogue, NAME, &context).await {
        // To the error stream: on a disk that is full for this process a file would not do.
        panic!("{:?}: {error}", error.kind());
    }
}

fn child(index: &Index, log: &str, before: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{before} exec \"$0\" \"$@\"")])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "child_fetches", "--ignored", "--nocapture"])
        .env(FOLDER, &index.folder)
        .env(LOG, index.folder.join(log))
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn two_processes_fetch_one_model_once() {
    let index = Index::new();
    let (started, go) = (index.folder.join("started"), index.folder.join("go"));
    index.pip(&format!(
        "touch '{}'; while ! [ -e '{}' ]; do sleep 0.02; done\n{}",
        started.display(),
        go.display(),
        Index::well()
    ));
    let first = child(&index, "first", "").spawn().unwrap();
    appears(&started).await;
    let second = child(&index, "second", "").spawn().unwrap();
    appears(&index.folder.join("second.waiting")).await;
    fs::write(&go, "").unwrap();
    for process in [first, second] {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
    assert_eq!(index.calls().len(), 3, "one of them did all the work");
    assert!(!index.folder.join("second.fetching").exists());
    index.assert_fetched();
}

#[tokio::test]
async fn after_kill_9_the_next_process_goes_on_and_cleans_up() {
    let index = Index::new();
    let started = index.folder.join("started");
    index.pip(&format!(
        "if [ $package = tiny-part2 ]; then echo torn > \"$TMPDIR/torn\"; echo $$ > {0}.tmp; mv {0}.tmp {0}; exec sleep 600; fi\n{1}",
        started.display(),
        Index::well()
    ));
    let mut process = child(&index, "killed", "").spawn().unwrap();
    appears(&started).await;
    process.kill().unwrap();
    process.wait().unwrap();
    let left = index.left();
    assert!(left.iter().any(|name| name.contains("/pip-") && name.ends_with("/torn")), "{left:?}");
    assert!(!index.model_folder().join("tiny.gguf").exists());
    // The pip that lost its parent must not disturb the next one; it is ended here to leave nothing.
    let orphan = fs::read_to_string(&started).unwrap();
    index.pip(Index::well());
    fs::remove_file(index.folder.join("calls")).unwrap();
    let output = child(&index, "next", "").output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(Command::new("kill").arg(orphan.trim()).status().unwrap().success());
    assert_eq!(index.calls(), ["tiny-part2==1.0", "tiny-part3==1.0"]);
    index.assert_fetched();
    assert!(!index.folder.join("next.waiting").exists(), "a dead process holds no lock");
}

#[tokio::test]
async fn a_full_disk_is_told_and_the_whole_parts_are_kept() {
    let index = Index::new();
    // No file of the child may grow beyond 400 blocks of 512 bytes or 1 kB: one part or less fits.
    let output = child(&index, "full", "trap '' XFSZ; ulimit -f 400;").output().unwrap();
    let said = said(&output);
    assert!(!output.status.success() && said.contains("ModelLoad: the disk is full"), "{said}");
    assert!(!index.model_folder().join("tiny.gguf").exists());
    assert!(
        index.left().iter().all(|name| name.starts_with(".partial/joined")),
        "{:?}",
        index.left()
    );
    let output = child(&index, "again", "").output().unwrap();
    assert!(output.status.success());
    index.assert_fetched();
}
