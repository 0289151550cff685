//! Bringing files of a commit into the cache, several at a time.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, process};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::cache::{HubCache, Lock, is_file};
use crate::partial::Guard;
use crate::repo::{RepoFile, RepoId, is_commit, is_safe_path};
use crate::{Client, Download, Error};

/// Files that are downloaded at a time.
const AT_A_TIME: usize = 4;

/// Files of one commit that are wanted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Wanted<'a> {
    /// The repository.
    pub repo: &'a RepoId,
    /// The commit.
    pub commit: &'a str,
    /// The files.
    pub files: &'a [RepoFile],
}

impl<'a> Wanted<'a> {
    /// These files of this commit.
    pub fn new(repo: &'a RepoId, commit: &'a str, files: &'a [RepoFile]) -> Self {
        Self { repo, commit, files }
    }

    /// Refuses what could be written elsewhere than below the repository's folder.
    fn checked(&self) -> Result<(), Error> {
        full(self.commit)?;
        match self.files.iter().find(|file| !is_safe_path(&file.path)) {
            Some(file) => Err(Error::UnsafeName(file.path.clone())),
            None => Ok(()),
        }
    }
}

fn full(commit: &str) -> Result<(), Error> {
    let bad = || Error::Name(format!("{commit:?} is not the full name of a commit"));
    is_commit(commit).then_some(()).ok_or_else(bad)
}

/// What has to be downloaded of some files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// Bytes of the files that are not here in whole.
    pub bytes: u64,
    /// As many of them have arrived already.
    pub arrived: u64,
}

/// Bytes of several files that arrive at the same time.
struct Together<'a, P> {
    arrived: Vec<AtomicU64>,
    total: u64,
    progress: &'a P,
}

impl<P: Fn(u64, u64) + Send + Sync> Together<'_, P> {
    fn set(&self, index: usize, bytes: u64) {
        self.arrived[index].store(bytes, Ordering::Relaxed);
        let sum = self.arrived.iter().map(|bytes| bytes.load(Ordering::Relaxed)).sum();
        (self.progress)(sum, self.total);
    }
}

impl HubCache {
    /// What would have to be downloaded.
    pub fn missing(&self, wanted: &Wanted<'_>) -> Missing {
        let Wanted { repo, commit, files } = wanted;
        let missing = files.iter().filter(|file| !self.is_here(repo, commit, file));
        missing.fold(Missing { bytes: 0, arrived: 0 }, |sum, file| Missing {
            bytes: sum.bytes + file.size,
            arrived: sum.arrived + self.arrived(repo, file),
        })
    }

    /// Whether nothing has to be downloaded for a file: it is there, or its content is.
    fn is_here(&self, repo: &RepoId, commit: &str, file: &RepoFile) -> bool {
        self.has(repo, commit, file) || is_file(&self.blob(repo, file.blob()), file.size)
    }

    fn arrived(&self, repo: &RepoId, file: &RepoFile) -> u64 {
        let part = self.part(repo, file.blob());
        fs::metadata(part).map_or(0, |metadata| metadata.len().min(file.size))
    }
}

impl Client {
    /// The files of a commit: as the cache has them, or asked for and kept there.
    ///
    /// # Errors
    /// As [`model_files`](Self::model_files).
    pub async fn listing(
        &self,
        cache: &HubCache,
        repo: &RepoId,
        commit: &str,
    ) -> Result<Vec<RepoFile>, Error> {
        full(commit)?;
        if let Some(files) = cache.listing(repo, commit) {
            return Ok(files);
        }
        let files = self.model_files(repo, commit).await?;
        cache.make(repo, commit)?;
        cache.keep_listing(repo, commit, &files);
        Ok(files)
    }

    /// Brings files into the cache, each checked, and gives the folder that shows them. What is
    /// there is not downloaded again; what arrived of the others, in this process or another, is
    /// gone on from. `progress` hears the bytes of all files together that have arrived, and of how
    /// many. Dropping the future ends the work. Any number of processes may do this at a time: they
    /// take turns for each content by the locks of the Hub's own tools.
    ///
    /// # Errors
    /// That of the first file that failed, as for [`download`](Self::download).
    pub async fn fetch(
        &self,
        cache: &HubCache,
        wanted: &Wanted<'_>,
        progress: impl Fn(u64, u64) + Send + Sync,
    ) -> Result<PathBuf, Error> {
        wanted.checked()?;
        let Wanted { repo, commit, files } = wanted;
        let is_missing = |file: &&RepoFile| !cache.is_here(repo, commit, file);
        let missing: Vec<&RepoFile> = files.iter().filter(is_missing).collect();
        let together = Together {
            arrived: missing.iter().map(|_| AtomicU64::new(0)).collect(),
            total: missing.iter().map(|file| file.size).sum(),
            progress: &progress,
        };
        if files.iter().any(|file| !cache.has(repo, commit, file)) {
            cache.make(repo, commit)?;
        }
        for file in files.iter().filter(|file| !is_missing(file)) {
            cache.show(repo, commit, file, false)?;
        }
        // By number: a closure that takes references makes futures that cannot change threads.
        let (together, missing) = (&together, &missing);
        let one = |index: usize| async move {
            let report = |bytes| together.set(index, bytes);
            self.fetch_one(cache, (repo, commit), missing[index], report).await
        };
        let all = stream::iter(0..missing.len()).map(one);
        all.buffer_unordered(AT_A_TIME).try_collect::<()>().await?;
        Ok(cache.snapshot(repo, commit))
    }

    async fn fetch_one(
        &self,
        cache: &HubCache,
        (repo, commit): (&RepoId, &str),
        file: &RepoFile,
        report: impl Fn(u64) + Send + Sync,
    ) -> Result<(), Error> {
        let blob = cache.blob(repo, file.blob());
        let waiting = || report(cache.arrived(repo, file));
        let lock = Lock::take(cache, repo, file.blob(), waiting).await?;
        // Another process may have brought it meanwhile.
        if is_file(&blob, file.size) {
            report(file.size);
            return cache.show(repo, commit, file, false);
        }
        let mut part = cache.part(repo, file.blob());
        if !lock.is_held() {
            // Without locks nobody may go on from what somebody else is writing.
            part.set_extension(format!("{:08x}.incomplete", process::id()));
        }
        let mut download = Download::new(repo.as_str(), &file.path, &blob);
        download.revision = commit.to_owned();
        download.size = Some(file.size);
        download.sha256.clone_from(&file.sha256);
        if file.sha256.is_none() {
            download.git_sha1 = Some(file.git_sha1.clone());
        }
        download.part = Some(part);
        let lock = Arc::new(lock);
        let guard = Arc::clone(&lock) as Guard;
        self.download_under(guard, &download, |done, _| report(done)).await?;
        cache.show(repo, commit, file, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes_threads(_: &impl Send) {}

    #[tokio::test]
    async fn only_a_full_commit_has_a_folder() {
        let client = Client::new("http://127.0.0.1:9", None).unwrap();
        let (cache, repo) = (HubCache::new("/nowhere"), RepoId::parse("a/b").unwrap());
        for commit in ["main", "../../x", ""] {
            let wanted = Wanted::new(&repo, commit, &[]);
            let error = client.fetch(&cache, &wanted, |_, _| {}).await.unwrap_err();
            assert!(matches!(error, Error::Name(_)), "{error:?}");
            let error = client.listing(&cache, &repo, commit).await.unwrap_err();
            assert!(matches!(error, Error::Name(_)), "{error:?}");
        }
    }

    #[test]
    fn the_work_may_change_threads() {
        let client = Client::new("http://127.0.0.1:9", None).unwrap();
        let (cache, repo) = (HubCache::new("/nowhere"), RepoId::parse("a/b").unwrap());
        let wanted = Wanted::new(&repo, "main", &[]);
        changes_threads(&client.fetch(&cache, &wanted, |_, _| {}));
        changes_threads(&client.listing(&cache, &repo, "main"));
    }
}
