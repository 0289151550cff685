//! The names of files and folders in the cache, and the small files in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::partial::write_whole;
use crate::repo::{RepoFile, RepoId, is_commit, is_safe_path};

/// What backup programs skip a folder by.
const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
    # This file is a cache directory tag created by textport.\n\
    # For information about cache directory tags, see https://bford.info/cachedir/\n";

/// The cache of the Hub's own tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubCache {
    root: PathBuf,
    links: bool,
}

impl HubCache {
    /// The cache in this folder, which is made when it is needed.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), links: true }
    }

    /// Keeps files where links would be, as the Hub's own tools do when told to
    /// (`HF_HUB_DISABLE_SYMLINKS`) and where a system has no links.
    #[must_use]
    pub fn without_links(mut self) -> Self {
        self.links = false;
        self
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a repository.
    pub fn repo(&self, repo: &RepoId) -> PathBuf {
        self.root.join(repo.folder())
    }

    /// The folder that shows the files of a commit under their own names.
    pub fn snapshot(&self, repo: &RepoId, commit: &str) -> PathBuf {
        self.repo(repo).join("snapshots").join(commit)
    }

    /// Where a file of a commit is, or would be.
    pub fn file(&self, repo: &RepoId, commit: &str, path: &str) -> PathBuf {
        path.split('/').fold(self.snapshot(repo, commit), |folder, part| folder.join(part))
    }

    /// Whether a file of a commit is here, with the length that it should have.
    pub fn has(&self, repo: &RepoId, commit: &str, file: &RepoFile) -> bool {
        is_file(&self.file(repo, commit, &file.path), file.size)
    }

    /// The commit that a revision stood for when it was last looked up; a commit stands for itself.
    pub fn commit(&self, repo: &RepoId, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return Some(revision.to_owned());
        }
        let reference = is_safe_path(revision).then(|| self.reference(repo, revision))?;
        let commit = fs::read_to_string(reference).ok()?;
        is_commit(commit.trim()).then(|| commit.trim().to_owned())
    }

    /// Notes the commit that a revision stands for.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Name`] for a revision that cannot be a file's name.
    pub fn set_commit(&self, repo: &RepoId, revision: &str, commit: &str) -> Result<(), Error> {
        // A cache that may only be read needs no write for what it says already.
        if self.commit(repo, revision).as_deref() == Some(commit) {
            return Ok(());
        }
        if !is_safe_path(revision) || !is_commit(commit) {
            return Err(Error::Name(format!("{revision:?} is not a branch, tag or commit")));
        }
        let path = self.reference(repo, revision);
        let written = make_parent(&path).and_then(|()| write_whole(&path, commit.as_bytes()));
        written.map_err(|error| Error::io(&path, error))
    }

    /// Makes a repository's folders, in an order that never looks damaged to the Hub's own tools.
    pub(crate) fn make(&self, repo: &RepoId, commit: &str) -> Result<(), Error> {
        let folders = [self.snapshot(repo, commit), self.repo(repo).join("blobs")];
        for folder in folders {
            fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, error))?;
        }
        let tag = self.root.join("CACHEDIR.TAG");
        if !tag.exists() {
            // A courtesy to backup programs, no more.
            let _ = write_whole(&tag, TAG.as_bytes());
        }
        Ok(())
    }

    pub(crate) fn blob(&self, repo: &RepoId, blob: &str) -> PathBuf {
        self.repo(repo).join("blobs").join(blob)
    }

    /// What has arrived of a content. Named otherwise than the files of the Hub's own tools, which
    /// never go on from one; they clean it up as one of theirs.
    pub(crate) fn part(&self, repo: &RepoId, blob: &str) -> PathBuf {
        self.repo(repo).join("blobs").join(format!("{blob}.textport.incomplete"))
    }

    pub(super) fn locks(&self, repo: &RepoId) -> PathBuf {
        self.root.join(".locks").join(repo.folder())
    }

    pub(super) fn tree(&self, repo: &RepoId, commit: &str) -> PathBuf {
        self.repo(repo).join("trees").join(format!("{commit}.json"))
    }

    pub(super) fn has_links(&self) -> bool {
        self.links
    }

    fn reference(&self, repo: &RepoId, revision: &str) -> PathBuf {
        revision.split('/').fold(self.repo(repo).join("refs"), |folder, part| folder.join(part))
    }
}

/// Whether there is a file of this length; links are followed.
pub(crate) fn is_file(path: &Path, size: u64) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size)
}

pub(super) fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "9e26dfeeb6e641a33dae4961196235bdb965b21b";

    #[test]
    fn a_revision_is_noted_and_found_as_the_hubs_own_tools_do() {
        let folder = tempfile::tempdir().unwrap();
        let cache = HubCache::new(folder.path());
        let repo = RepoId::parse("a/b").unwrap();
        assert_eq!(cache.commit(&repo, "main"), None);
        cache.set_commit(&repo, "main", COMMIT).unwrap();
        cache.set_commit(&repo, "refs/pr/1", COMMIT).unwrap();
        let written = fs::read(folder.path().join("models--a--b/refs/main")).unwrap();
        assert_eq!(written, COMMIT.as_bytes(), "no newline");
        assert!(folder.path().join("models--a--b/refs/refs/pr/1").is_file());
        assert_eq!(cache.commit(&repo, "refs/pr/1").as_deref(), Some(COMMIT));
        assert_eq!(cache.commit(&repo, COMMIT).as_deref(), Some(COMMIT));
        fs::write(folder.path().join("models--a--b/refs/main"), "../../x").unwrap();
        assert_eq!(cache.commit(&repo, "main"), None);
        assert!(cache.set_commit(&repo, "../../x", COMMIT).is_err());
        assert_eq!(cache.commit(&repo, "../refs/main"), None);
    }
}
