//! The name of a repository.

use std::fmt;

use crate::Error;

/// The longest name that the Hub allows.
const LONGEST: usize = 96;

/// `owner/name`, checked: safe in addresses and as the name of a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoId(String);

impl RepoId {
    /// Reads `owner/name`.
    ///
    /// # Errors
    /// [`Error::Name`] when the Hub would not allow it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bad = |why: &str| Error::Name(format!("{text:?} is no repository of the Hub: {why}"));
        let Some((owner, name)) = text.split_once('/') else {
            return Err(bad("it is not of the form OWNER/NAME"));
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let plain = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
                && !part.ends_with(['-', '.'])
                && part.chars().all(allowed)
        };
        if !plain(owner) || !plain(name) {
            return Err(bad("a part has only ASCII letters, digits, '-', '_' and '.'"));
        }
        if text.contains("--") || text.contains("..") {
            return Err(bad("'--' and '..' are not allowed"));
        }
        if text.len() > LONGEST {
            return Err(bad("it is too long"));
        }
        Ok(Self(text.to_owned()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of its folder in the cache: `models--owner--name`.
    pub(crate) fn folder(&self) -> String {
        format!("models--{}", self.0.replace('/', "--"))
    }

    /// The repository that a folder of the cache is of.
    pub(crate) fn of_folder(folder: &str) -> Option<Self> {
        Self::parse(&folder.strip_prefix("models--")?.replacen("--", "/", 1)).ok()
    }
}

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_hub_does_not_allow_are_refused() {
        for bad in [
            "", "gpt2", "a/", "/b", "a/b/c", "../b", "a/..", "a/b--c", "a/-b", "a/b.", "a b/c",
            "a/b\0", "a\\b/c", "ä/b",
        ] {
            assert!(matches!(RepoId::parse(bad), Err(Error::Name(_))), "{bad:?}");
        }
        assert!(RepoId::parse(&format!("a/{}", "b".repeat(95))).is_err());
    }

    #[test]
    fn a_folder_names_its_repository() {
        let id = RepoId::parse("Qwen/Qwen3-0.6B").unwrap();
        assert_eq!(id.folder(), "models--Qwen--Qwen3-0.6B");
        assert_eq!(RepoId::of_folder(&id.folder()), Some(id));
        for other in ["datasets--a--b", "models--gpt2", "models--a--b--c", ".locks"] {
            assert_eq!(RepoId::of_folder(other), None, "{other}");
        }
    }
}
