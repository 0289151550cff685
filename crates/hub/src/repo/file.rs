//! A file of a repository, as its listing describes it.

use crate::Error;

/// A file at one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepoFile {
    /// Its path within the repository, with `/` between the parts; always a plain relative one.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// The name of its content in git, 40 hex digits: of a pointer where the content is elsewhere.
    pub git_sha1: String,
    /// The checksum of its content, 64 hex digits, where git only has a pointer to it.
    pub sha256: Option<String>,
    /// Its name in the Hub's chunk store. Nothing of ours uses it; the Hub's own tools do.
    pub xet_hash: Option<String>,
}

impl RepoFile {
    /// The name of its content in the cache.
    pub fn blob(&self) -> &str {
        self.sha256.as_deref().unwrap_or(&self.git_sha1)
    }

    /// Itself, if nothing in it could lead out of the folder that it is put into.
    pub(crate) fn checked(self) -> Result<Self, Error> {
        if !is_safe_path(&self.path) {
            return Err(Error::UnsafeName(self.path));
        }
        let sound = is_hex(&self.git_sha1, 40)
            && self.sha256.as_deref().is_none_or(|sha256| is_hex(sha256, 64));
        if !sound {
            return Err(Error::Protocol(format!("{} has no usable checksum", self.path)));
        }
        Ok(self)
    }
}

/// Whether this is the full name of a commit, which never changes its meaning.
pub(crate) fn is_commit(revision: &str) -> bool {
    is_hex(revision, 40)
}

fn is_hex(text: &str, length: usize) -> bool {
    let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == length && text.bytes().all(lower)
}

/// Whether a path with `/` between its parts stays below the folder that it is joined to, on every
/// system, and means the same there.
pub(crate) fn is_safe_path(path: &str) -> bool {
    let safe = |part: &str| {
        !matches!(part, "" | "." | "..")
            && !part.eq_ignore_ascii_case(".git")
            && part.len() <= 255
            && !part.contains(|c: char| c.is_control() || matches!(c, '\\' | ':'))
    };
    path.len() <= 1024 && path.split('/').all(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_elsewhere_are_not_safe() {
        for bad in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../x",
            "a/../../x",
            "a/..",
            "a//b",
            "a/",
            "./a",
            "a\0b",
            "a\nb",
            "..\\x",
            "C:x",
            "C:\\x",
            "\\\\server\\x",
            ".git/config",
            "a/.GIT/hooks/x",
        ] {
            assert!(!is_safe_path(bad), "{bad:?}");
        }
        for good in ["config.json", "sub/folder/a b.gguf", ".gitattributes", "a..b", "…/ü@x"] {
            assert!(is_safe_path(good), "{good:?}");
        }
    }

    #[test]
    fn a_file_without_a_checksum_is_refused() {
        let file = |git: &str, sha256: Option<&str>| RepoFile {
            path: "x".into(),
            size: 1,
            git_sha1: git.into(),
            sha256: sha256.map(str::to_owned),
            xet_hash: None,
        };
        let (git, sha256) = ("0".repeat(40), "a".repeat(64));
        assert_eq!(file(&git, Some(&sha256)).checked().unwrap().blob(), sha256);
        assert_eq!(file(&git, None).checked().unwrap().blob(), git);
        for (git, sha256) in [("../../x", None), (&*git, Some("../x")), ("", None)] {
            assert!(matches!(file(git, sha256).checked(), Err(Error::Protocol(_))));
        }
    }
}
