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
    pub(crate) fn cause(&self) -> &LoadCause {
        &self.cause
    }
}

/// What is wrong with a model file. Each names the place in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadCause {
    #[error("cannot be read: {0}")]
    Io(std::io::Error),
    #[error("is a folder, not a file")]
    Folder,
    #[error("is a folder without a config.json, so it holds no model")]
    NoConfig,
    #[error("has neither model.safetensors nor model.safetensors.index.json")]
    NoWeights,
    #[error("is not there, but model.safetensors.index.json names it")]
    MissingShard,
    #[error("holds the weights of a model and nothing else")]
    WeightsOnly,
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
    #[error("is damaged: {what} cannot be read: {problem}")]
    Json { what: String, problem: String },
    #[error("is damaged: the {bytes} bytes before tensor {tensor:?} belong to no tensor")]
    Hole { tensor: String, bytes: u64 },
    #[error("is damaged: the {bytes} bytes after the last tensor belong to no tensor")]
    Trailing { bytes: u64 },
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
    #[error(
        "tensor {tensor:?} is stored as {dtype}, which is not supported; known: {}",
        known_dtypes()
    )]
    Dtype { tensor: String, dtype: String },
    #[error("no memory for tensor {tensor:?} ({bytes} bytes)")]
    OutOfMemory { tensor: String, bytes: usize },
    #[error("TEXTPORT_CPU: {0}")]
    Kernels(String),
    #[error("no memory to compute with ({bytes} bytes)")]
    NoRoom { bytes: usize },
    #[error("no memory for keys and values ({bytes} bytes)")]
    NoCache { bytes: usize },
    #[error("what computes this model does not keep keys and values as {0}")]
    KvCache(&'static str),
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
    #[error("is no folder of safetensors, which merging adapters into a folder starts from")]
    NoFolder,
    #[error(
        "tensor {tensor:?} is quantized to {kind} already; making {wanted} of it would round twice"
    )]
    QuantizedAlready { tensor: String, kind: &'static str, wanted: String },
    #[error("is a folder without an adapter_config.json, so it holds no adapter")]
    NoAdapter,
    #[error("has no adapter_model.safetensors")]
    NoAdapterWeights,
    #[error("the adapter has {0}, which cannot be merged")]
    Adapter(String),
    #[error(
        "the adapter was not made for this model: it changes {tensor:?} with the shape {adapter:?}, {}",
        no_or_other(model.as_deref(), architecture)
    )]
    OtherBase {
        tensor: String,
        adapter: Vec<usize>,
        model: Option<Vec<usize>>,
        architecture: String,
    },
    #[error("the worker threads could not be started: {0}")]
    Threads(String),
    #[error("the device cannot take it: {0}")]
    Device(String),
}

fn no_or_other(model: Option<&[usize]>, architecture: &str) -> String {
    match model {
        Some(shape) => format!("which has the shape {shape:?} in the model"),
        None => format!("which the {architecture} model does not have"),
    }
}

fn known_types() -> String {
    crate::gguf::GgmlType::ALL.map(crate::gguf::GgmlType::as_str).join(", ")
}

fn known_dtypes() -> String {
    crate::safetensors::DTYPES.map(|(name, _)| name).join(", ")
}

impl LoadCause {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Device(_) => ErrorKind::Internal,
            Self::Kernels(_) | Self::KvCache(_) => ErrorKind::ConfigInvalid,
            Self::OutOfMemory { .. } | Self::NoRoom { .. } | Self::NoCache { .. } => {
                ErrorKind::OutOfMemory
            }
            // A system that gives no thread has no memory for its stack, or was told to give no more.
            Self::Threads(_) => ErrorKind::OutOfMemory,
            Self::Io(error) if is_short_of_memory(error) => ErrorKind::OutOfMemory,
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
            Self::Io(error) if is_short_of_memory(error) => {
                "free some memory or allow the process more, or use a smaller model"
            }
            Self::Io(_) => "check the disk and the path",
            Self::Folder => "name a file inside it",
            Self::NoConfig => {
                "name a folder with config.json and model.safetensors, or a .gguf file"
            }
            Self::NoWeights => {
                "if the weights are there in another form, transformers converts them: \
                 AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(FOLDER)"
            }
            Self::WeightsOnly => "name the folder that it is in",
            Self::Dtype { .. } => "convert the model to BF16, or use a GGUF file of it",
            Self::OutOfMemory { .. } => {
                "use a smaller model or leave its numbers as they are stored"
            }
            Self::NotGguf { .. } => {
                "local models are GGUF files or folders with config.json and model.safetensors; \
                 `textport models pull` fetches one"
            }
            Self::BigEndian | Self::Version(_) => "convert the model again with current tools",
            Self::Quantization { .. } => {
                "use another quantization of the same model, e.g. Q4_K_M or Q8_0"
            }
            Self::Architecture { .. } | Self::Unsupported(_) | Self::UnknownTensor { .. } => {
                "use another model, or another provider for this one"
            }
            Self::NoFolder => {
                "name the folder of the model, or merge into a file: textport models quantize --lora"
            }
            Self::QuantizedAlready { .. } => {
                "start from a file in full or half precision (F32, F16, BF16)"
            }
            Self::NoAdapter => "name a folder that PEFT's save_pretrained has written",
            Self::NoAdapterWeights => {
                "save the adapter again with safe_serialization=True, or name its folder"
            }
            Self::Adapter(_) => {
                "merge it with PEFT (merge_and_unload) and name the merged model instead"
            }
            Self::OtherBase { .. } => {
                "name the model that adapter_config.json gives as base_model_name_or_path"
            }
            Self::Kernels(_) => {
                "unset TEXTPORT_CPU: the best kernels of this machine are the default"
            }
            Self::NoRoom { .. } => "free some memory or allow the process more",
            Self::NoCache { .. } => "lower kv_cache_mib or context_length",
            Self::KvCache(_) => "leave kv_cache out",
            Self::Threads(_) => "ask for fewer threads, or free some memory",
            Self::Device(_) => "use device = \"cpu\"",
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
            | Self::Json { .. }
            | Self::Hole { .. }
            | Self::Trailing { .. }
            | Self::MissingShard
            | Self::DuplicateKey(_)
            | Self::DuplicateTensor(_)
            | Self::Overlap { .. }
            | Self::Misaligned { .. } => "the file is incomplete or damaged: fetch it again",
        }
    }
}

/// Whether the system refused a map or a thread because there is no memory for it.
pub(crate) fn is_short_of_memory(error: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{OutOfMemory, WouldBlock};
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| matches!(error.kind(), OutOfMemory | WouldBlock))
        || error.source().is_some_and(is_short_of_memory)
}

/// One line of bounded length: files put what they like into their keys and names.
pub(crate) fn one_line(message: &str) -> String {
    message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(1000).collect()
}

/// The port's error for one of ours. What had to be cut is not repeated whole as its cause.
pub(crate) fn bounded(
    kind: ErrorKind,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    let whole = error.to_string();
    let outer = Error::new(kind, one_line(&whole));
    if outer.to_string() == whole { outer.with_source(error) } else { outer }
}

impl From<LoadError> for Error {
    fn from(error: LoadError) -> Self {
        let (kind, hint) = (error.cause.kind(), error.cause.hint());
        bounded(kind, error).with_hint(hint)
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
    #[error("the device has not enough memory for a step")]
    StepOutOfMemory,
    #[error("the device failed: {0}")]
    Device(String),
    #[error("the model computed a value that is not a number")]
    NotFinite,
    #[error("a step names a sequence that is not open, or one twice")]
    WrongSequence,
    #[error("{most} sequences are open already")]
    TooManySequences { most: usize },
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        let (kind, hint) = match &error {
            DecodeError::NoTokens
            | DecodeError::UnknownToken { .. }
            | DecodeError::WrongSequence
            | DecodeError::TooManySequences { .. } => (ErrorKind::Internal, None),
            DecodeError::Device(_) => (ErrorKind::Internal, Some("use device = \"cpu\"")),
            DecodeError::ContextFull { .. } => (
                ErrorKind::ContextLengthExceeded,
                Some("shorten the prompt or raise context_length"),
            ),
            DecodeError::OutOfMemory { .. } | DecodeError::StepOutOfMemory => {
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
