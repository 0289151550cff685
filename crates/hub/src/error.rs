//! What can go wrong between us and the Hub.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What went wrong. `Display` is one line and holds neither the token nor a signed address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such repository, revision or file, or the token may not see it.
    #[error("not found: {what}{}", said(.message))]
    NotFound {
        /// What was asked for.
        what: String,
        /// The server's words.
        message: Option<String>,
    },
    /// The repository is there, but not this branch, tag or commit.
    #[error("no such revision: {what}{}", said(.message))]
    NoRevision {
        /// What was asked for.
        what: String,
        /// The server's words.
        message: Option<String>,
    },
    /// The files are given only to those who accepted the repository's terms.
    #[error("its terms have to be accepted first: {what}{}", said(.message))]
    Gated {
        /// What was asked for.
        what: String,
        /// The server's words.
        message: Option<String>,
    },
    /// The token is missing or not valid.
    #[error("no permission without a valid token: {what}{}", said(.message))]
    Unauthorized {
        /// What was asked for.
        what: String,
        /// The server's words.
        message: Option<String>,
    },
    /// The token is valid but does not allow it, e.g. because a licence has to be accepted.
    #[error("no permission: {what}{}", said(.message))]
    Forbidden {
        /// What was asked for.
        what: String,
        /// The server's words.
        message: Option<String>,
    },
    /// Too many requests.
    #[error("too many requests{}", .retry_after.map(|wait| format!(": try again in {} s", wait.as_secs())).unwrap_or_default())]
    RateLimited {
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// Another answer than the wanted one.
    #[error("the server answered with status {status}{}", said(.message))]
    Status {
        /// The number.
        status: u16,
        /// The server's words.
        message: Option<String>,
    },
    /// The connection failed, broke or stood still.
    #[error("{message}")]
    Network {
        /// What happened.
        message: String,
        /// The cause, without addresses.
        #[source]
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// The server sent us somewhere that we do not go.
    #[error("bad redirect: {0}")]
    Redirect(String),
    /// The answer makes no sense.
    #[error("bad answer: {0}")]
    Protocol(String),
    /// The file there is not as long as the wanted one.
    #[error("wrong length: expected {expected} bytes, the server has {actual}")]
    Length {
        /// What was wanted.
        expected: u64,
        /// What is there.
        actual: u64,
    },
    /// The file there is not the wanted one; what came was deleted.
    #[error("wrong checksum: expected {kind} {expected}, got {actual}")]
    Checksum {
        /// How it is computed: `sha256`, or `git sha1` for the name that git gives a content.
        kind: &'static str,
        /// What was wanted.
        expected: String,
        /// What came.
        actual: String,
    },
    /// This names nothing on the Hub.
    #[error("{0}")]
    Name(String),
    /// A repository has a file whose name could lead out of the folder that it is put into.
    #[error("the repository has a file with an unsafe name: {0:?}")]
    UnsafeName(String),
    /// The disk said no.
    #[error("could not write {}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The runtime was shut down meanwhile.
    #[error("the download was cancelled")]
    Cancelled,
    /// The client cannot be made of these settings.
    #[error("{0}")]
    Config(String),
}

impl Error {
    pub(crate) fn network(message: impl Into<String>) -> Self {
        Self::Network { message: message.into(), source: None }
    }

    /// From reqwest, without the address, which may be signed, and with the innermost cause, which
    /// is the one that says something.
    pub(crate) fn from_reqwest(doing: &str, error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut cause: &dyn StdError = &error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        let message = if error.is_timeout() {
            format!("{doing}: it took too long")
        } else {
            format!("{doing}: {cause}")
        };
        Self::Network { message, source: Some(error.into()) }
    }

    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// Whether the disk is full.
    pub fn is_disk_full(&self) -> bool {
        use io::ErrorKind as Io;
        matches!(self, Self::Io { source, .. } if matches!(
            source.kind(), Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge | Io::WriteZero
        ))
    }

    /// Whether the same request may succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Network { .. } | Self::RateLimited { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 425 | 500..),
            _ => false,
        }
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => *retry_after,
            _ => None,
        }
    }
}

fn said(message: &Option<String>) -> String {
    message.as_ref().map(|message| format!(" ({message})")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_other_trouble() {
        let io = |kind: io::ErrorKind| Error::io(Path::new("/m"), kind.into());
        assert!(io(io::ErrorKind::StorageFull).is_disk_full());
        assert!(!io(io::ErrorKind::PermissionDenied).is_disk_full());
        assert!(!io(io::ErrorKind::StorageFull).is_transient());
    }
}
