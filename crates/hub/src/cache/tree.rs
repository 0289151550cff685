//! The listing of a commit, kept in the format of the Hub's own tools. A commit never changes, so
//! neither does its listing.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Serialize};

use super::layout::{HubCache, make_parent};
use crate::partial::write_whole;
use crate::repo::{RepoFile, RepoId};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Tree {
    format_version: u32,
    files: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    size: u64,
    blob_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lfs_sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lfs_size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    xet_hash: Option<String>,
}

impl HubCache {
    /// The files of a commit, if its listing is here and makes sense.
    pub fn listing(&self, repo: &RepoId, commit: &str) -> Option<Vec<RepoFile>> {
        let text = fs::read(self.tree(repo, commit)).ok()?;
        let tree: Tree = serde_json::from_slice(&text).ok()?;
        let files = tree.files.into_iter().map(|(path, entry)| {
            let Entry { size, blob_id: git_sha1, lfs_sha256: sha256, xet_hash, .. } = entry;
            RepoFile { path, size, git_sha1, sha256, xet_hash }.checked().ok()
        });
        files.collect::<Option<_>>().filter(|_| tree.format_version == VERSION)
    }

    /// Keeps the listing of a commit. It only saves requests: where it cannot be written, it is
    /// asked for again.
    pub(crate) fn keep_listing(&self, repo: &RepoId, commit: &str, files: &[RepoFile]) {
        let entries = files.iter().map(|file| {
            let entry = Entry {
                size: file.size,
                blob_id: file.git_sha1.clone(),
                lfs_sha256: file.sha256.clone(),
                lfs_size: file.sha256.is_some().then_some(file.size),
                xet_hash: file.xet_hash.clone(),
            };
            (file.path.clone(), entry)
        });
        let tree = Tree { format_version: VERSION, files: entries.collect() };
        let path = self.tree(repo, commit);
        if let Ok(text) = serde_json::to_vec_pretty(&tree)
            && make_parent(&path).is_ok()
        {
            let _ = write_whole(&path, &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_read_back_and_a_hostile_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, repo) = (HubCache::new(folder.path()), RepoId::parse("a/b").unwrap());
        let (commit, git_sha1) = ("c".repeat(40), "a".repeat(40));
        let sha256 = Some("b".repeat(64));
        let xet_hash = None;
        let large = RepoFile { path: "m/x".into(), size: 7, git_sha1, sha256, xet_hash };
        cache.keep_listing(&repo, &commit, std::slice::from_ref(&large));
        assert_eq!(cache.listing(&repo, &commit), Some(vec![large]));
        let path = cache.tree(&repo, &commit);
        let text = fs::read_to_string(&path).unwrap();
        for (from, to) in [("m/x", "../../x"), (": 1", ": 2"), ("{", "")] {
            fs::write(&path, text.replacen(from, to, 1)).unwrap();
            assert_eq!(cache.listing(&repo, &commit), None, "{to}");
        }
    }
}
