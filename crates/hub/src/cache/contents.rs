//! What is in the cache.

use std::fs;
use std::path::{Path, PathBuf};

use super::layout::HubCache;
use crate::repo::{RepoId, is_commit};

/// A repository of which something is here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachedModel {
    /// The repository.
    pub repo: RepoId,
    /// Its commits that are here, in whole or in part.
    pub revisions: Vec<CachedRevision>,
    /// Bytes of contents.
    pub bytes: u64,
    /// Bytes of contents that have not arrived in whole.
    pub incomplete: u64,
}

/// A commit of which something is here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachedRevision {
    /// The commit.
    pub commit: String,
    /// The branches and tags that stood for it when they were last looked up, sorted.
    pub names: Vec<String>,
    /// Its files that are here, sorted by path.
    pub files: Vec<CachedFile>,
}

/// A file that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachedFile {
    /// Its path within the repository.
    pub path: String,
    /// Its length.
    pub size: u64,
}

impl HubCache {
    /// Every model's repository that has a folder here, sorted by name. What cannot be read is
    /// passed over.
    pub fn models(&self) -> Vec<CachedModel> {
        let names = names(self.root()).into_iter();
        names.filter_map(|name| self.model(&RepoId::of_folder(&name)?)).collect()
    }

    /// What is here of a repository.
    pub fn model(&self, repo: &RepoId) -> Option<CachedModel> {
        let folder = self.repo(repo);
        let revisions = self.revisions(repo);
        let (mut bytes, mut incomplete) = (0, 0);
        for name in names(&folder.join("blobs")) {
            let size = fs::metadata(folder.join("blobs").join(&name)).map_or(0, |file| file.len());
            match name.ends_with(".incomplete") {
                true => incomplete += size,
                false if !name.ends_with(".json") => bytes += size,
                false => {}
            }
        }
        let repo = repo.clone();
        folder.is_dir().then_some(CachedModel { repo, revisions, bytes, incomplete })
    }

    /// The commits of a repository that are here.
    pub fn revisions(&self, repo: &RepoId) -> Vec<CachedRevision> {
        let folder = self.repo(repo);
        let mut refs = Vec::new();
        walk(&folder.join("refs"), "", &mut |name, path| {
            let commit = fs::read_to_string(path).unwrap_or_default();
            refs.push((name, commit.trim().to_owned()));
        });
        let commits = names(&folder.join("snapshots")).into_iter().filter(|name| is_commit(name));
        let revisions = commits.map(|commit| {
            let named = refs.iter().filter(|(_, of)| *of == commit);
            let names = named.map(|(name, _)| name.clone()).collect();
            let files = self.files(repo, &commit);
            CachedRevision { commit, names, files }
        });
        revisions.collect()
    }

    /// The files of a commit that are here.
    pub fn files(&self, repo: &RepoId, commit: &str) -> Vec<CachedFile> {
        let mut files = Vec::new();
        walk(&self.snapshot(repo, commit), "", &mut |path, file| {
            // A link whose content is gone leads nowhere.
            if let Ok(metadata) = fs::metadata(file) {
                files.push(CachedFile { path, size: metadata.len() });
            }
        });
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    }
}

/// Calls `seen` for everything below a folder that is no folder itself; links are not followed.
fn walk(folder: &Path, prefix: &str, seen: &mut dyn FnMut(String, &Path)) {
    for name in names(folder) {
        let path: PathBuf = folder.join(&name);
        let relative = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => walk(&path, &relative, seen),
            Ok(_) => seen(relative, &path),
            Err(_) => {}
        }
    }
}

/// The names in a folder that are text, sorted; none where there is no folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}
