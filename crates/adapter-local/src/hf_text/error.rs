//! What can be wrong with the texts of a folder. Every error names the file.

use std::path::{Path, PathBuf};

use ports::{Error, ErrorKind};

use crate::error::bounded;
use crate::tokenizer::TokenizerError;

/// A file of a folder that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", path.display())]
pub(crate) struct TextError {
    path: PathBuf,
    cause: TextCause,
}

impl TextError {
    pub(super) fn new(path: &Path, cause: TextCause) -> Self {
        Self { path: path.to_owned(), cause }
    }

    /// What is wrong with the file.
    #[cfg(test)]
    pub(crate) fn cause(&self) -> &TextCause {
        &self.cause
    }
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TextCause {
    #[error("cannot be read: {0}")]
    Io(std::io::Error),
    #[error("is no file")]
    NoFile,
    #[error("is not there")]
    NoTokenizer,
    #[error("has {size} bytes, more than {most}")]
    TooLarge { size: u64, most: u64 },
    #[error("is not UTF-8")]
    NotUtf8,
    #[error("is damaged: {0}")]
    Json(serde_json::Error),
    #[error("has no chat template that is the default, only: {0}")]
    NoDefaultTemplate(String),
    #[error("{0}")]
    Tokenizer(TokenizerError),
}

impl TextCause {
    fn hint(&self) -> &'static str {
        match self {
            Self::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                "check who may read the file"
            }
            Self::Io(_) | Self::NoFile => "check the disk and the path",
            Self::NoTokenizer => {
                "fetch the whole model; if it never had one, transformers writes it: \
                 AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
            }
            Self::TooLarge { .. } | Self::NotUtf8 | Self::Json(_) => {
                "the file is damaged or not what its name says: fetch it again"
            }
            Self::NoDefaultTemplate(_) => {
                "name one of them \"default\" in the file, or send a raw prompt instead"
            }
            Self::Tokenizer(error) => error.hint(),
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoDefaultTemplate(_) => ErrorKind::Unsupported,
            Self::Tokenizer(error) => error.kind(),
            _ => ErrorKind::ModelLoad,
        }
    }
}

impl From<TextError> for Error {
    fn from(error: TextError) -> Self {
        let (kind, hint) = (error.cause.kind(), error.cause.hint());
        bounded(kind, error).with_hint(hint)
    }
}
