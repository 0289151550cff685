//! `hf:OWNER/REPO[@REV][/FILE]`: how people name a model of the Hub.

use std::fmt;

use super::{RepoId, is_safe_path};
use crate::Error;

/// A repository, and perhaps a revision and a file of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Address {
    /// The repository.
    pub repo: RepoId,
    /// A branch, tag or commit; `main` when absent.
    pub revision: Option<String>,
    /// One file within it.
    pub file: Option<String>,
}

/// Revisions whose names have two `/`, and which the Hub's own addresses take as they are.
const LONG_REVISIONS: [&str; 2] = ["refs/pr/", "refs/convert/"];

impl Address {
    /// Whether a text means to be one.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("hf:")
    }

    /// Reads `hf:OWNER/REPO[@REV][/FILE]`; `hf://` is taken too. A `/` within a revision is written
    /// `%2F`, except in `refs/pr/1` and its like.
    ///
    /// # Errors
    /// [`Error::Name`] that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bad = |why: &str| Error::Name(format!("{text:?} is no address on the Hub: {why}"));
        let rest = text.strip_prefix("hf:").ok_or_else(|| bad("it does not begin with hf:"))?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let owner = rest.find('/').ok_or_else(|| bad("it is not of the form hf:OWNER/REPO"))?;
        let after = |at: usize| rest[at..].find(['@', '/']).map_or(rest.len(), |end| at + end);
        let (repo, tail) = rest.split_at(after(owner + 1));
        let repo = RepoId::parse(repo)?;
        let (revision, file) = match tail.strip_prefix('@') {
            Some(tail) => revision_and_file(tail),
            None => (None, tail.strip_prefix('/')),
        };
        let address = Self { repo, revision, file: file.map(str::to_owned) };
        if address.revision.as_deref().is_some_and(|revision| !is_safe_path(revision)) {
            return Err(bad("what follows @ is not a branch, tag or commit"));
        }
        match &address.file {
            Some(file) if file.is_empty() => Err(bad("a file's name is missing at its end")),
            Some(file) if !is_safe_path(file) => Err(bad("the file is not a plain relative path")),
            _ => Ok(address),
        }
    }

    /// The revision that is meant.
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or("main")
    }

    /// The repository alone, or one file of it, at `main`.
    pub fn new(repo: RepoId, file: Option<String>) -> Self {
        Self { repo, revision: None, file }
    }

    /// The same at another revision.
    #[must_use]
    pub fn at(self, revision: impl Into<String>) -> Self {
        Self { revision: Some(revision.into()), ..self }
    }
}

fn revision_and_file(tail: &str) -> (Option<String>, Option<&str>) {
    let long = LONG_REVISIONS.iter().find(|prefix| tail.starts_with(**prefix));
    let from = long.map_or(0, |prefix| prefix.len());
    match tail[from..].find('/') {
        Some(end) => (Some(decoded(&tail[..from + end])), Some(&tail[from + end + 1..])),
        None => (Some(decoded(tail)), None),
    }
}

fn decoded(revision: &str) -> String {
    revision.replace("%2F", "/").replace("%2f", "/")
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hf:{}", self.repo)?;
        if let Some(revision) = &self.revision {
            match LONG_REVISIONS.iter().any(|prefix| revision.starts_with(prefix)) {
                true => write!(f, "@{revision}")?,
                false => write!(f, "@{}", revision.replace('/', "%2F"))?,
            }
        }
        self.file.iter().try_for_each(|file| write!(f, "/{file}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_told_from_the_others() {
        let cases = [
            ("hf:a/b", (None, None)),
            ("hf:a/b@v1", (Some("v1"), None)),
            ("hf:a/b/m.gguf", (None, Some("m.gguf"))),
            ("hf:a/b/sub/m@2.gguf", (None, Some("sub/m@2.gguf"))),
            ("hf:a/b@v1/sub/m.gguf", (Some("v1"), Some("sub/m.gguf"))),
            ("hf:a/b@refs/pr/7/m.gguf", (Some("refs/pr/7"), Some("m.gguf"))),
            ("hf:a/b@refs/pr/7", (Some("refs/pr/7"), None)),
            ("hf:a/b@feature%2Fx/m.gguf", (Some("feature/x"), Some("m.gguf"))),
        ];
        for (text, (revision, file)) in cases {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.repo.as_str(), "a/b");
            assert_eq!((address.revision.as_deref(), address.file.as_deref()), (revision, file));
            assert_eq!(address.to_string(), text);
        }
        assert_eq!(Address::parse("hf://a/b/m").unwrap(), Address::parse("hf:a/b/m").unwrap());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            "a/b",
            "hf:",
            "hf:gpt2",
            "hf:a/b/",
            "hf:a/b@",
            "hf:a/b@/x",
            "hf:a/b@../x",
            "hf:../b",
            "hf:a/b/../c",
            "hf:a/b//c",
            "hf:a/b/c\0",
            "hf:a/b@..%2F..%2Fx",
            "hf:a/b@refs/pr/",
        ] {
            assert!(matches!(Address::parse(bad), Err(Error::Name(_))), "{bad:?}");
        }
    }
}
