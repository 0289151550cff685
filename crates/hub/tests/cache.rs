//! Models in the cache that is shared with the Hub's own tools, from an emulated Hub.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod shared;

use std::fs;
use std::sync::Mutex;
use std::time::Duration;

use shared::{TOKEN, World, tiny, weights};
use testkit::faults::{Answer, End};
use testkit::hub_emulator::{Disturbance, Model};
use textport_hub::{Error, HubCache, RepoId, Wanted};

#[tokio::test]
async fn all_files_arrive_with_joint_progress() {
    let world = World::new();
    world.hub.set_page(2);
    let client = world.client();
    let (commit, files) = world.listed(&client, "main").await.unwrap();
    assert_eq!(files.len(), 5, "all pages of the listing: {files:?}");
    let wanted = Wanted::new(&world.repo, &commit, &files);
    let missing = world.cache.missing(&wanted);
    let reports = Mutex::new(Vec::new());
    let progress = |done, of| reports.lock().unwrap().push((done, of));
    let path = client.fetch(&world.cache, &wanted, progress).await.unwrap();
    world.assert_whole(&path);
    assert_eq!(path, world.folder.join("models--acme--tiny/snapshots").join(&commit));
    let reports = reports.into_inner().unwrap();
    assert_eq!((missing.bytes, missing.arrived), (6_000_024, 0));
    assert!(reports.iter().all(|(done, of)| done <= of && *of == 6_000_024), "{reports:?}");
    assert_eq!(reports.iter().map(|(done, _)| *done).max(), Some(6_000_024));
    assert!(world.folder.join("CACHEDIR.TAG").is_file());
    let found = world.cache.model(&world.repo).unwrap();
    assert_eq!((found.bytes, found.incomplete), (6_000_024, 0));
    assert_eq!(found.revisions[0].files.len(), 5);
}

#[tokio::test]
async fn what_is_here_is_not_asked_for_again() {
    let world = World::new();
    let (commit, path) = world.fetch().await;
    let before = world.hub.journal().len() + world.hub.store_journal().len();
    let files = world.client().listing(&world.cache, &world.repo, &commit).await.unwrap();
    let wanted = Wanted::new(&world.repo, &commit, &files);
    let again = world.client().fetch(&world.cache, &wanted, |_, _| {}).await.unwrap();
    assert_eq!(again, path);
    assert_eq!(world.hub.journal().len() + world.hub.store_journal().len(), before);
    // The next commit shares what has not changed.
    let next = [("config.json", b"{}".as_slice()), ("m.safetensors", &weights(1))];
    world.hub.add_model(tiny().with_commit("main", &next));
    let (_, moved) = world.fetch().await;
    assert!(fs::read(moved.join("m.safetensors")).unwrap() == weights(1));
    assert_eq!(world.asked("m.safetensors"), 0, "its content was here under another name");
    world.assert_whole_of_old(&path);
}

impl World {
    fn assert_whole_of_old(&self, path: &std::path::Path) {
        assert!(fs::read(path.join("model-00002-of-00002.safetensors")).unwrap() == weights(2));
        assert_eq!(self.cache.model(&self.repo).unwrap().revisions.len(), 2);
    }
}

#[tokio::test]
async fn the_token_is_for_the_hub_and_not_for_the_server_of_large_files() {
    let world = World::with(tiny().private().with_xet());
    let (_, path) = world.fetch().await;
    world.assert_whole(&path);
    let bearer = format!("Bearer {TOKEN}");
    assert!(world.hub.journal().iter().all(|r| r.header("authorization") == Some(&*bearer)));
    let store = world.hub.store_journal();
    assert_eq!(store.len(), 2);
    assert!(store.iter().all(|request| !request.mentions(TOKEN)));
}

#[tokio::test]
async fn a_cut_download_goes_on_in_the_next_client() {
    let world = World::new();
    world.hub.disturb("Signature", 1, Disturbance::Break(2_000_000, End::Closed));
    let error = world.fetch_with(&world.hasty(), "main").await.unwrap_err();
    assert!(matches!(error, Error::Network { .. }), "{error:?}");
    assert_eq!(world.cache.commit(&world.repo, "main"), None, "noted when all is there");
    assert!(world.cache.model(&world.repo).unwrap().incomplete >= 2_000_000);
    let (_, path) = world.fetch().await;
    world.assert_whole(&path);
    let ranges: Vec<_> = world
        .hub
        .store_journal()
        .iter()
        .filter_map(|r| r.header("range").map(str::to_owned))
        .collect();
    assert!(ranges.contains(&"bytes=2000000-".to_owned()), "{ranges:?}");
}

#[tokio::test]
async fn whenever_one_is_dropped_the_next_one_succeeds_at_once() {
    for delay in 0..24 {
        let world = World::new();
        let dropped = tokio::time::timeout(Duration::from_millis(delay), world.fetch());
        let _ = dropped.await;
        let (_, path) = world.fetch().await;
        world.assert_whole(&path);
    }
}

#[tokio::test]
async fn a_store_that_knows_no_ranges_is_asked_for_all() {
    let world = World::new();
    world.hub.disturb("Signature", 1, Disturbance::Break(2_000_000, End::Closed));
    world.hub.disturb("Signature", 9, Disturbance::NoRange);
    let (_, path) = world.fetch().await;
    world.assert_whole(&path);
}

#[tokio::test]
async fn an_expired_address_is_asked_for_again() {
    let world = World::new();
    world.hub.disturb("Signature", 2, Disturbance::Instead(Answer::status(403)));
    let (_, path) = world.fetch().await;
    world.assert_whole(&path);
    assert_eq!(world.asked("GET /acme/tiny/resolve"), 7);
}

#[tokio::test]
async fn damaged_contents_are_refused_large_or_small() {
    for name in ["model-00001-of-00002.safetensors", "config.json"] {
        let world = World::with(tiny().with_damaged(name));
        let error = world.fetch_with(&world.client(), "main").await.unwrap_err();
        let Error::Checksum { kind, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*kind, if name == "config.json" { "git sha1" } else { "sha256" });
        let (commit, files) = world.listed(&world.client(), "main").await.unwrap();
        let file = files.iter().find(|file| file.path == name).unwrap();
        assert!(!world.cache.has(&world.repo, &commit, file));
        assert!(world.names("blobs").iter().all(|blob| !blob.contains(file.blob())));
    }
}

#[tokio::test]
async fn a_content_that_was_cut_short_in_the_cache_is_downloaded_anew() {
    let world = World::new();
    let (commit, path) = world.fetch().await;
    let pointer = path.join("model-00001-of-00002.safetensors");
    let blob = fs::canonicalize(&pointer).unwrap();
    fs::write(&blob, "cut short").unwrap();
    let files = world.cache.listing(&world.repo, &commit).unwrap();
    assert!(files.iter().any(|file| !world.cache.has(&world.repo, &commit, file)));
    let (_, path) = world.fetch().await;
    world.assert_whole(&path);
}

#[tokio::test]
async fn branches_tags_requests_and_commits_are_revisions() {
    let model = tiny()
        .with_commit("v1", &[("config.json", b"{\"v\":1}")])
        .with_commit("refs/pr/1", &[("config.json", b"{\"pr\":1}")]);
    let commit = model.commit("v1").unwrap().to_owned();
    let world = World::with(model);
    let client = world.client();
    for (revision, content) in
        [("v1", "{\"v\":1}"), ("refs/pr/1", "{\"pr\":1}"), (&commit, "{\"v\":1}")]
    {
        let (_, path) = world.fetch_with(&client, revision).await.unwrap();
        assert_eq!(fs::read_to_string(path.join("config.json")).unwrap(), content);
    }
    assert_eq!(world.cache.commit(&world.repo, "v1"), Some(commit));
    assert!(world.asked("/revision/refs%2Fpr%2F1") == 1);
    let error = world.fetch_with(&client, "v9").await.unwrap_err();
    assert!(matches!(&error, Error::NoRevision { .. }), "{error:?}");
    assert!(error.to_string().contains("acme/tiny at v9"), "{error}");
}

#[tokio::test]
async fn what_may_not_be_seen_is_told_apart() {
    let world = World::with(tiny().private());
    let error = world.fetch_with(&world.stranger(), "main").await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    assert!(error.to_string().contains("private"), "{error}");
    world.hub.add_model(tiny().gated());
    for client in [world.stranger(), world.client()] {
        assert!(client.model_info(&world.repo, "main").await.unwrap().gated);
        let error = world.fetch_with(&client, "main").await.unwrap_err();
        assert!(matches!(error, Error::Gated { .. }), "{error:?}");
    }
    let nobody = RepoId::parse("acme/nothing").unwrap();
    let error = world.client().model_info(&nobody, "main").await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    assert!(!world.folder.join("models--acme--nothing").exists());
}

#[tokio::test]
async fn a_busy_hub_is_asked_again_and_one_that_wants_a_long_wait_is_not() {
    let world = World::new();
    let busy = |seconds: &str| {
        Disturbance::Instead(Answer::status(429).with_header("retry-after", seconds))
    };
    world.hub.disturb("/revision/", 1, busy("0"));
    world.hub.disturb("/tree/", 1, Disturbance::Instead(Answer::status(503)));
    let (_, path) = world.fetch().await;
    world.assert_whole(&path);
    world.hub.disturb("/revision/", 1, busy("3600"));
    let error = world.client().model_info(&world.repo, "main").await.unwrap_err();
    let Error::RateLimited { retry_after } = error else { panic!("{error:?}") };
    assert_eq!(retry_after, Some(Duration::from_secs(3600)));
}

#[tokio::test]
async fn names_that_lead_out_of_the_folder_are_refused() {
    for name in ["../../evil", "/etc/evil", "a/../../evil", "a\\..\\evil", "evil\0", ".git/hooks/x"]
    {
        let world = World::with(Model::new("acme/tiny").with_commit("main", &[(name, b"x")]));
        let client = world.client();
        let error = client.model_info(&world.repo, "main").await.unwrap_err();
        assert!(matches!(&error, Error::UnsafeName(bad) if bad == name), "{name:?}: {error:?}");
        assert!(!error.to_string().contains('\0'));
        let commit = Model::new("acme/tiny").with_commit("main", &[(name, b"x")]);
        let commit = commit.commit("main").unwrap();
        let error = client.listing(&world.cache, &world.repo, commit).await.unwrap_err();
        assert!(matches!(error, Error::UnsafeName(_)), "{name:?}: {error:?}");
        assert!(!world.folder.exists(), "nothing is written for it");
    }
}

#[tokio::test]
async fn a_listing_that_goes_on_elsewhere_is_refused() {
    let world = World::new();
    let elsewhere = Answer::json(200, &serde_json::json!([]))
        .with_header("link", "<http://elsewhere.invalid/x>; rel=\"next\"");
    world.hub.disturb("/tree/", 1, Disturbance::Instead(elsewhere));
    let error = world.fetch_with(&world.client(), "main").await.unwrap_err();
    assert!(matches!(error, Error::Protocol(_)), "{error:?}");
}

#[tokio::test]
async fn dropping_the_future_leaves_only_what_can_be_gone_on_from() {
    let world = World::new();
    world.hub.disturb("Signature", 9, Disturbance::Break(2_000_000, End::Silence));
    let client = world.client();
    let (commit, files) = world.listed(&client, "main").await.unwrap();
    let wanted = Wanted::new(&world.repo, &commit, &files);
    let (reached, arrived) = tokio::sync::oneshot::channel();
    let reached = Mutex::new(Some(reached));
    let progress = |done, _| {
        if done > 3_000_000
            && let Some(reached) = reached.lock().unwrap().take()
        {
            let _ = reached.send(());
        }
    };
    tokio::select! {
        biased;
        _ = arrived => {}
        result = client.fetch(&world.cache, &wanted, progress) => panic!("it ended: {result:?}"),
    }
    assert!(world.cache.model(&world.repo).unwrap().incomplete > 0);
    let mut whole = world;
    whole.hub = World::new().hub;
    let (_, path) = whole.fetch().await;
    whole.assert_whole(&path);
    assert!(whole.hub.store_journal().iter().any(|request| request.header("range").is_some()));
}

#[tokio::test]
async fn two_at_once_download_each_content_once() {
    let world = World::new();
    let (one, two) = (world.client(), world.client());
    let both = tokio::join!(world.fetch_with(&one, "main"), world.fetch_with(&two, "main"));
    world.assert_whole(&both.0.unwrap().1);
    both.1.unwrap();
    assert_eq!(world.hub.store_journal().len(), 2);
}

#[tokio::test]
async fn a_cache_without_links_holds_the_files_themselves() {
    let mut world = World::new();
    world.cache = HubCache::new(&world.folder).without_links();
    let (_, path) = world.fetch().await;
    assert!(fs::read(path.join("model-00001-of-00002.safetensors")).unwrap() == weights(1));
    assert!(fs::symlink_metadata(path.join("config.json")).unwrap().is_file());
    let before = world.hub.store_journal().len();
    world.fetch().await;
    assert_eq!(world.hub.store_journal().len(), before);
}

#[tokio::test]
async fn a_repository_is_removed_unless_it_is_being_downloaded() {
    let world = World::new();
    world.fetch().await;
    let locks = world.folder.join(".locks/models--acme--tiny");
    let lock = fs::read_dir(&locks).unwrap().next().unwrap().unwrap().path();
    let held = fs::File::open(lock).unwrap();
    held.lock().unwrap();
    assert_eq!(world.cache.remove(&world.repo).unwrap(), None);
    assert!(world.cache.model(&world.repo).is_some());
    drop(held);
    assert_eq!(world.cache.remove(&world.repo).unwrap(), Some(6_000_024));
    assert!(world.cache.models().is_empty() && !world.cache.repo(&world.repo).exists());
}
