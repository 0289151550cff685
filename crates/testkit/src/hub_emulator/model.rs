//! A model's repository: commits, branches, and contents by their checksums.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Endings of files that git only has a pointer to.
const LARGE: [&str; 4] = [".safetensors", ".gguf", ".bin", ".model"];

/// A model's repository as the Hub has it.
#[derive(Debug, Clone)]
pub struct Model {
    pub(super) id: String,
    pub(super) private: bool,
    pub(super) gated: bool,
    pub(super) xet: bool,
    commits: BTreeMap<String, BTreeMap<String, Content>>,
    names: BTreeMap<String, String>,
}

/// The content of a file.
#[derive(Debug, Clone)]
pub(super) struct Content {
    /// What is sent.
    pub(super) bytes: Arc<[u8]>,
    /// Its length, as the listing has it.
    pub(super) size: usize,
    /// Its name in git: of a pointer where the content is elsewhere.
    pub(super) git_sha1: String,
    /// Its checksum, where git only has a pointer to it.
    pub(super) sha256: Option<String>,
}

impl Content {
    fn new(path: &str, bytes: &[u8]) -> Self {
        let large = LARGE.iter().any(|ending| path.ends_with(ending));
        let sha256 = large.then(|| hex(&Sha256::digest(bytes)));
        let size = bytes.len();
        let git_sha1 = match &sha256 {
            Some(oid) => git_sha1(
                format!(
                    "version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n"
                )
                .as_bytes(),
            ),
            None => git_sha1(bytes),
        };
        Self { bytes: bytes.into(), size, git_sha1, sha256 }
    }
}

impl Model {
    /// A public repository without a commit.
    pub fn new(id: &str) -> Self {
        let (commits, names) = (BTreeMap::new(), BTreeMap::new());
        Self { id: id.to_owned(), private: false, gated: false, xet: false, commits, names }
    }

    /// Only those who have the token may see it.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }

    /// Everybody sees it, but nobody has accepted its terms.
    #[must_use]
    pub fn gated(mut self) -> Self {
        self.gated = true;
        self
    }

    /// Its large files are in the chunk store too, as headers say to those who can use it.
    #[must_use]
    pub fn with_xet(mut self) -> Self {
        self.xet = true;
        self
    }

    /// A commit of these files, which `name` (a branch, a tag, `refs/pr/1`) stands for from now on.
    #[must_use]
    pub fn with_commit(mut self, name: &str, files: &[(&str, &[u8])]) -> Self {
        let content = |&(path, bytes): &(&str, &[u8])| (path.to_owned(), Content::new(path, bytes));
        self.commit_files(name, files.iter().map(content).collect());
        self
    }

    /// A commit on `main` of the files there and this one.
    #[must_use]
    pub fn with_file(mut self, path: &str, bytes: &[u8]) -> Self {
        let before = self.commit("main").and_then(|commit| self.commits.get(commit));
        let mut files = before.cloned().unwrap_or_default();
        files.insert(path.to_owned(), Content::new(path, bytes));
        self.commit_files("main", files);
        self
    }

    fn commit_files(&mut self, name: &str, files: BTreeMap<String, Content>) {
        let text: String =
            files.iter().map(|(path, file)| format!("{} {path}\n", file.git_sha1)).collect();
        let commit = git_sha1(format!("{}{text}", self.id).as_bytes());
        self.commits.insert(commit.clone(), files);
        self.names.insert(name.to_owned(), commit);
    }

    /// What is sent for a file is not what its checksum says, though as long.
    #[must_use]
    pub fn with_damaged(mut self, path: &str) -> Self {
        for file in self.commits.values_mut().filter_map(|files| files.get_mut(path)) {
            file.bytes = file.bytes.iter().map(|byte| byte ^ 1).collect();
        }
        self
    }

    /// The commit that a revision stands for.
    pub fn commit(&self, revision: &str) -> Option<&str> {
        let named = self.names.get(revision).map(String::as_str);
        named.or_else(|| self.commits.get_key_value(revision).map(|(commit, _)| commit.as_str()))
    }

    pub(super) fn files(&self, commit: &str) -> impl Iterator<Item = (&String, &Content)> {
        self.commits.get(commit).into_iter().flatten()
    }

    /// The content that has this checksum, whatever it is called.
    pub(super) fn large(&self, sha256: &str) -> Option<&Content> {
        let mut all = self.commits.values().flat_map(BTreeMap::values);
        all.find(|content| content.sha256.as_deref() == Some(sha256))
    }
}

/// The name that git gives a content.
pub(super) fn git_sha1(bytes: &[u8]) -> String {
    let mut hasher = Sha1::new_with_prefix(format!("blob {}\0", bytes.len()));
    hasher.update(bytes);
    hex(&hasher.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_have_the_names_that_git_gives_them() {
        // `git hash-object` says so.
        assert_eq!(git_sha1(b""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(git_sha1(b"hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
    }

    #[test]
    fn a_branch_moves_and_the_old_commit_stays() {
        let first = Model::new("a/b").with_commit("main", &[("x", b"1")]);
        let old = first.commit("main").unwrap().to_owned();
        let second = first.with_commit("main", &[("x", b"2")]);
        assert_ne!(second.commit("main"), Some(&*old));
        assert_eq!(second.commit(&old), Some(&*old));
        assert_eq!(second.commit("v9"), None);
    }
}
