//! Showing a content under its name in a snapshot.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use super::layout::{HubCache, is_file, make_parent};
use crate::Error;
use crate::repo::{RepoFile, RepoId};

impl HubCache {
    /// Shows a content that is here under its name. Where links cannot be made, the content itself
    /// goes there, as a copy unless it is `new`: nothing else can refer to it then.
    pub(crate) fn show(
        &self,
        repo: &RepoId,
        commit: &str,
        file: &RepoFile,
        new: bool,
    ) -> Result<(), Error> {
        let pointer = self.file(repo, commit, &file.path);
        self.try_show(repo, commit, file, new).map_err(|error| Error::io(&pointer, error))
    }

    fn try_show(&self, repo: &RepoId, commit: &str, file: &RepoFile, new: bool) -> io::Result<()> {
        let pointer = self.file(repo, commit, &file.path);
        if is_file(&pointer, file.size) {
            return Ok(());
        }
        stay_inside(&self.snapshot(repo, commit), &file.path)?;
        make_parent(&pointer)?;
        let spare = self.spare(repo);
        let made = match self.has_links() {
            true => link(&target(file), &spare),
            false => Err(io::ErrorKind::Unsupported.into()),
        };
        let blob = self.blob(repo, file.blob());
        match made {
            Ok(()) => fs::rename(&spare, &pointer),
            Err(error) if !no_links(&error) => Err(error),
            Err(_) if new => fs::rename(&blob, &pointer),
            Err(_) => {
                fs::copy(&blob, &spare)?;
                fs::rename(&spare, &pointer)
            }
        }
    }

    /// A name in the repository's folder that nobody else has: what gets its name by renaming is
    /// never seen half made.
    fn spare(&self, repo: &RepoId) -> PathBuf {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        self.repo(repo).join(format!(".textport-{}-{number}", process::id()))
    }
}

/// From the file's folder to its content: the folder moves with the whole cache.
fn target(file: &RepoFile) -> PathBuf {
    let depth = file.path.split('/').count() + 1;
    let up: PathBuf = std::iter::repeat_n("..", depth).collect();
    up.join("blobs").join(file.blob())
}

/// Refuses to write through a folder of the snapshot that is a link to somewhere else.
fn stay_inside(snapshot: &Path, path: &str) -> io::Result<()> {
    let mut folder = snapshot.to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    for part in &parts[..parts.len() - 1] {
        folder.push(part);
        if fs::symlink_metadata(&folder).is_ok_and(|metadata| !metadata.is_dir()) {
            let message = format!("{} is not a folder", folder.display());
            return Err(io::Error::new(io::ErrorKind::NotADirectory, message));
        }
    }
    Ok(())
}

#[cfg(unix)]
fn link(target: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, at)
}

#[cfg(windows)]
fn link(target: &Path, at: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(target, at)
}

/// Whether a system or a disk has no links, or gives them to administrators only.
fn no_links(error: &io::Error) -> bool {
    const PRIVILEGE_NOT_HELD: i32 = 1314;
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied)
        || (cfg!(windows) && error.raw_os_error() == Some(PRIVILEGE_NOT_HELD))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "9e26dfeeb6e641a33dae4961196235bdb965b21b";

    fn file(path: &str) -> RepoFile {
        let (git_sha1, xet_hash) = ("a".repeat(40), None);
        RepoFile { path: path.into(), size: 5, git_sha1, sha256: None, xet_hash }
    }

    fn with_blob(cache: &HubCache, repo: &RepoId) {
        cache.make(repo, COMMIT).unwrap();
        fs::write(cache.blob(repo, &"a".repeat(40)), "model").unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn links_are_relative_and_replace_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, repo) = (HubCache::new(folder.path()), RepoId::parse("a/b").unwrap());
        with_blob(&cache, &repo);
        for path in ["config.json", "sub/deep/x"] {
            let pointer = cache.file(&repo, COMMIT, path);
            make_parent(&pointer).unwrap();
            fs::write(&pointer, "another length").unwrap();
            cache.show(&repo, COMMIT, &file(path), false).unwrap();
            assert_eq!(fs::read(&pointer).unwrap(), b"model");
            assert!(fs::read_link(&pointer).unwrap().is_relative());
        }
        let link = fs::read_link(cache.file(&repo, COMMIT, "config.json")).unwrap();
        assert_eq!(link, Path::new("../../blobs").join("a".repeat(40)));
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_written_through_a_link_in_a_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, repo) = (HubCache::new(folder.path()), RepoId::parse("a/b").unwrap());
        with_blob(&cache, &repo);
        let elsewhere = tempfile::tempdir().unwrap();
        link(elsewhere.path(), &cache.file(&repo, COMMIT, "sub")).unwrap();
        let error = cache.show(&repo, COMMIT, &file("sub/x"), false).unwrap_err();
        assert!(error.to_string().contains("is not a folder"), "{error}");
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }

    #[test]
    fn without_links_the_content_itself_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let cache = HubCache::new(folder.path()).without_links();
        let repo = RepoId::parse("a/b").unwrap();
        with_blob(&cache, &repo);
        cache.show(&repo, COMMIT, &file("copied"), false).unwrap();
        cache.show(&repo, COMMIT, &file("moved"), true).unwrap();
        for name in ["copied", "moved"] {
            let pointer = cache.file(&repo, COMMIT, name);
            assert!(fs::symlink_metadata(&pointer).unwrap().is_file());
            assert_eq!(fs::read(pointer).unwrap(), b"model");
        }
        assert!(!cache.blob(&repo, &"a".repeat(40)).exists());
    }
}
