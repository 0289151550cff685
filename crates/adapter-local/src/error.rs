//! What can go wrong inside the engine, and the one place where it becomes the port's error.

use std::path::{Path, PathBuf};

use ports::{Error, ErrorKind};

/// A model file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", path.display())]
pub(crate) struct LoadError {
    path: PathBuf,
    cause: LoadCause,
}

impl LoadError {
    pub(crate) fn new(path: &Path, cause: LoadCause) -> Self {
        Self { path: path.to_owned(), cause }
    }

    /// What is wrong with the file.
    #[cfg(test)]
    pub(crate) fn cause(&self) -> &LoadCause {
        &self.cause
    }
}

/// What is wrong with a model file. Each names the place in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadCause {
    #[error("cannot be read: {0}")]
    Io(std::io::Error),
    #[error("is a folder, not a GGUF file")]
    Folder,
    #[error("is not a GGUF file (it begins with {:?})", String::from_utf8_lossy(magic))]
    NotGguf { magic: Vec<u8> },
    #[error("is a big-endian GGUF file; only little-endian ones are supported")]
    BigEndian,
    #[error("GGUF version {0} is not supported; known: 2, 3")]
    Version(u32),
    #[error("is cut short: {what} needs {wanted} bytes at byte {at} but the file has {size}")]
    HeaderCut { what: String, at: usize, wanted: usize, size: usize },
    #[error("is cut short: tensor {tensor:?} ends at byte {end} but the file has {size}")]
    TensorCut { tensor: String, end: u64, size: u64 },
    #[error("is damaged: {what} is {value}, more than {most}")]
    Absurd { what: String, value: u64, most: u64 },
    #[error("is damaged: {what} at byte {at} is not UTF-8")]
    NotUtf8 { what: String, at: usize },
    #[error("is damaged: the metadata key {0:?} appears twice")]
    DuplicateKey(String),
    #[error("is damaged: the tensor {0:?} appears twice")]
    DuplicateTensor(String),
    #[error("is damaged: the tensors {first:?} and {second:?} overlap")]
    Overlap { first: String, second: String },
    #[error("is damaged: tensor {tensor:?} begins at {offset}, not a multiple of {alignment}")]
    Misaligned { tensor: String, offset: u64, alignment: u64 },
    #[error("tensor {tensor:?}: {problem}")]
    Shape { tensor: String, problem: String },
    #[error(
        "tensor {tensor:?} is stored as {kind}, which is not supported; known: {}",
        known_types()
    )]
    Quantization { tensor: String, kind: String },
    #[error("has no tensor {0:?}")]
    MissingTensor(String),
    #[error(
        "has the tensor {tensor:?}, which a model of the architecture {architecture} does not use"
    )]
    UnknownTensor { tensor: String, architecture: String },
    #[error("does not say {0:?}")]
    MissingKey(String),
    #[error("metadata {key:?} {problem}")]
    Metadata { key: String, problem: String },
    #[error("architecture {found:?} is not supported; known: {known}")]
    Architecture { found: String, known: String },
    #[error("asks for {0}, which is not supported")]
    Unsupported(String),
    #[error("the worker threads could not be started: {0}")]
    Threads(String),
}

fn known_types() -> String {
    crate::gguf::GgmlType::ALL.map(crate::gguf::GgmlType::as_str).join(", ")
}

impl LoadCause {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Threads(_) => ErrorKind::Internal,
            _ => ErrorKind::ModelLoad,
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Io(error) if error.kind() == std::io::ErrorKind::NotFound => {
                "check the path; `textport models list` shows the models that are known by name"
            }
            Self::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                "check who may read the file"
            }
            Self::Io(_) => "check the disk and the path",
            Self::Folder => "name the .gguf file inside it",
            Self::NotGguf { .. } => {
                "local models are single GGUF files; fetch one with `textport models pull`"
            }
            Self::BigEndian | Self::Version(_) => "convert the model again with current tools",
            Self::Quantization { .. } => {
                "use another quantization of the same model, e.g. Q4_K_M or Q8_0"
            }
            Self::Architecture { .. } | Self::Unsupported(_) | Self::UnknownTensor { .. } => {
                "use another model, or another provider for this one"
            }
            Self::Threads(_) => "ask for fewer threads",
            Self::MissingTensor(_)
            | Self::MissingKey(_)
            | Self::Metadata { .. }
            | Self::Shape { .. } => {
                "the file does not describe a whole model: convert or fetch it again"
            }
            Self::HeaderCut { .. }
            | Self::TensorCut { .. }
            | Self::Absurd { .. }
            | Self::NotUtf8 { .. }
            | Self::DuplicateKey(_)
            | Self::DuplicateTensor(_)
            | Self::Overlap { .. }
            | Self::Misaligned { .. } => "the file is incomplete or damaged: fetch it again",
        }
    }
}

impl From<LoadError> for Error {
    fn from(error: LoadError) -> Self {
        let converted = Self::new(error.cause.kind(), error.to_string());
        converted.with_hint(error.cause.hint()).with_source(error)
    }
}

/// A step of the decoder that failed. The tokens of the failed step are not in its context.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("no token was given to the decoder")]
    NoTokens,
    #[error("token {token} is not in the vocabulary of {vocabulary}")]
    UnknownToken { token: u32, vocabulary: usize },
    #[error("{wanted} tokens do not fit the context length of {context_length}")]
    ContextFull { wanted: usize, context_length: usize },
    #[error("not enough memory for the KV cache ({bytes} bytes)")]
    OutOfMemory { bytes: usize },
    #[error("the model computed a value that is not a number")]
    NotFinite,
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        let (kind, hint) = match &error {
            DecodeError::NoTokens | DecodeError::UnknownToken { .. } => (ErrorKind::Internal, None),
            DecodeError::ContextFull { .. } => (
                ErrorKind::ContextLengthExceeded,
                Some("shorten the prompt or raise context_length"),
            ),
            DecodeError::OutOfMemory { .. } => {
                (ErrorKind::OutOfMemory, Some("use a shorter context_length or a smaller model"))
            }
            DecodeError::NotFinite => {
                (ErrorKind::ModelLoad, Some("the model file is damaged: fetch it again"))
            }
        };
        let converted = Self::new(kind, error.to_string()).with_source(error);
        match hint {
            Some(hint) => converted.with_hint(hint),
            None => converted,
        }
    }
}
