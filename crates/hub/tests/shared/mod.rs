//! A Hub, a cache and a client for each test.

#![allow(dead_code, reason = "each test file uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use testkit::hub_emulator::{HubEmulator, Model};
use textport_hub::{Client, Error, HubCache, Patience, RepoFile, RepoId, Token, Wanted};

pub(crate) const TOKEN: &str = "hf_good";

/// 3 MB in which every place looks different.
pub(crate) fn weights(seed: u32) -> Vec<u8> {
    (0..3_000_000_u32).map(|n| ((n ^ seed).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Small files, large ones, one in a folder, an empty one.
pub(crate) fn tiny() -> Model {
    Model::new("acme/tiny").with_commit(
        "main",
        &[
            ("config.json", b"{\"model_type\":\"llama\"}"),
            ("empty.txt", b""),
            ("model-00001-of-00002.safetensors", &weights(1)),
            ("model-00002-of-00002.safetensors", &weights(2)),
            ("sub/tokenizer.json", b"{}"),
        ],
    )
}

/// Quick to give up, and quick to try again.
pub(crate) fn patience() -> Patience {
    let mut patience = Patience::default();
    patience.connect = Duration::from_secs(5);
    patience.idle = Duration::from_secs(20);
    patience.tries = 3;
    patience.first_wait = Duration::from_millis(1);
    patience
}

pub(crate) struct World {
    pub(crate) hub: HubEmulator,
    pub(crate) folder: PathBuf,
    pub(crate) cache: HubCache,
    pub(crate) repo: RepoId,
    _temp: TempDir,
}

impl World {
    /// With the model `acme/tiny`.
    pub(crate) fn new() -> Self {
        Self::with(tiny())
    }

    pub(crate) fn with(model: Model) -> Self {
        let hub = HubEmulator::start(TOKEN).unwrap();
        hub.add_model(model);
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("hub");
        let cache = HubCache::new(&folder);
        let repo = RepoId::parse("acme/tiny").unwrap();
        Self { hub, folder, cache, repo, _temp: temp }
    }

    pub(crate) fn client(&self) -> Client {
        Client::with_patience(self.hub.url(), Some(Token::new(TOKEN)), patience()).unwrap()
    }

    /// One that gives up at once.
    pub(crate) fn hasty(&self) -> Client {
        let mut once = patience();
        once.tries = 1;
        Client::with_patience(self.hub.url(), Some(Token::new(TOKEN)), once).unwrap()
    }

    pub(crate) fn stranger(&self) -> Client {
        Client::with_patience(self.hub.url(), None, patience()).unwrap()
    }

    /// All files of a revision, in the cache, and the commit noted.
    pub(crate) async fn fetch_with(
        &self,
        client: &Client,
        revision: &str,
    ) -> Result<(String, PathBuf), Error> {
        let (commit, files) = self.listed(client, revision).await?;
        let wanted = Wanted::new(&self.repo, &commit, &files);
        let path = client.fetch(&self.cache, &wanted, |_, _| {}).await?;
        self.cache.set_commit(&self.repo, revision, &commit)?;
        Ok((commit, path))
    }

    pub(crate) async fn fetch(&self) -> (String, PathBuf) {
        self.fetch_with(&self.client(), "main").await.unwrap()
    }

    pub(crate) async fn listed(
        &self,
        client: &Client,
        revision: &str,
    ) -> Result<(String, Vec<RepoFile>), Error> {
        let commit = client.model_info(&self.repo, revision).await?.commit;
        let files = client.listing(&self.cache, &self.repo, &commit).await?;
        Ok((commit, files))
    }

    /// The requests so far, the Hub's and the store's, whose line contains `pattern`.
    pub(crate) fn asked(&self, pattern: &str) -> usize {
        let all = self.hub.journal().into_iter().chain(self.hub.store_journal());
        all.filter(|seen| format!("{} {}", seen.method, seen.target).contains(pattern)).count()
    }

    /// The names in a folder of the repository's, sorted.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.cache.repo(&self.repo).join(folder)).into_iter().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Every file of `acme/tiny`, with its content.
    pub(crate) fn assert_whole(&self, snapshot: &Path) {
        let read = |name: &str| fs::read(snapshot.join(name)).unwrap();
        assert_eq!(read("config.json"), b"{\"model_type\":\"llama\"}");
        assert_eq!(read("empty.txt"), b"");
        assert_eq!(read("sub/tokenizer.json"), b"{}");
        assert!(read("model-00001-of-00002.safetensors") == weights(1));
        assert!(read("model-00002-of-00002.safetensors") == weights(2));
        let blobs = self.names("blobs");
        assert_eq!(blobs.len(), 5, "nothing is left beside the contents: {blobs:?}");
    }
}
