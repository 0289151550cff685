//! What can be wrong with a tokenizer or with a text for it.

use ports::{Error, ErrorKind};

use crate::error::bounded;

/// A tokenizer that cannot be used, or a text that it cannot encode.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenizerError {
    #[error("the model file does not say {0:?}")]
    Missing(&'static str),
    #[error("the {what} {found:?} is not supported; known: {known}")]
    Unknown { what: &'static str, found: String, known: String },
    #[error("the tokenizer in the model file is damaged: {0}")]
    Damaged(String),
    #[error("the tokenizer has {0}, which GGUF files cannot say")]
    NotInGguf(String),
    #[error("the model's vocabulary has no token for the byte 0x{0:02x}")]
    NoToken(u8),
}

impl TokenizerError {
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing(_) | Self::Damaged(_) | Self::Unknown { .. } => ErrorKind::ModelLoad,
            Self::NotInGguf(_) => ErrorKind::Unsupported,
            Self::NoToken(_) => ErrorKind::InvalidRequest,
        }
    }

    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Missing(_) | Self::Damaged(_) => {
                "the file does not describe a whole model: convert or fetch it again"
            }
            Self::Unknown { .. } => "use another model, or another provider for this one",
            Self::NotInGguf(_) => {
                "keep the folder: it runs as it is, and --quant quantizes it when it is loaded"
            }
            Self::NoToken(_) => "leave the character out: the model cannot read it",
        }
    }
}

impl From<TokenizerError> for Error {
    fn from(error: TokenizerError) -> Self {
        let (kind, hint) = (error.kind(), error.hint());
        bounded(kind, error).with_hint(hint)
    }
}
