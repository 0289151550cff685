//! What can be wrong with a tokenizer or with a text for it.

use ports::{Error, ErrorKind};

/// A tokenizer that cannot be used, or a text that it cannot encode.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenizerError {
    #[error("the model file does not say {0:?}")]
    Missing(&'static str),
    #[error("the {what} {found:?} is not supported; known: {known}")]
    Unknown { what: &'static str, found: String, known: String },
    #[error("the tokenizer in the model file is damaged: {0}")]
    Damaged(String),
    #[error("the model's vocabulary has no token for the byte 0x{0:02x}")]
    NoToken(u8),
}

impl From<TokenizerError> for Error {
    fn from(error: TokenizerError) -> Self {
        let (kind, hint) = match &error {
            TokenizerError::Missing(_) | TokenizerError::Damaged(_) => (
                ErrorKind::ModelLoad,
                "the file does not describe a whole model: convert or fetch it again",
            ),
            TokenizerError::Unknown { .. } => {
                (ErrorKind::ModelLoad, "use another model, or another provider for this one")
            }
            TokenizerError::NoToken(_) => {
                (ErrorKind::InvalidRequest, "leave the character out: the model cannot read it")
            }
        };
        Self::new(kind, error.to_string()).with_hint(hint).with_source(error)
    }
}
