//! A model as it was published, whatever its files are: what it is, its numbers, its texts.
//!
//! [`Checkpoint::open`] is the one place that tells the forms apart. Decoders see [`Parameters`]
//! and a [`TensorSource`]; merged adapters and other storage types stand around the source.
//!
//! | form | numbers that describe it | tensors | texts |
//! |---|---|---|---|
//! | a GGUF file | its metadata | in it | its metadata |
//! | a folder | `config.json` | safetensors | `tokenizer.json` and its neighbours |
//! | a shape alone | a published model's, or a `config.json` | random | none |

mod config;
mod config_rope;
mod dtype;
mod folder;
mod gguf;
mod names;
mod parameters;
mod random;
mod rope;
mod shapes;
mod tensor;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ports::{Error, ErrorKind};

use crate::error::{LoadCause, LoadError};
use crate::gguf::GgufFile;
use crate::hf_text::HfText;
use crate::prompt::Prompter;
use crate::sampler::SamplerSettings;

use config::HfConfig;
use folder::Folder;
use random::RandomWeights;

pub(crate) use config::{model_type, read_keys};
pub(crate) use dtype::{Converted, Dtype};
pub(crate) use names::{gguf_name, hf_name};
pub(crate) use parameters::{Family, Parameters};
pub(crate) use rope::{Frequencies, Pairing, RopeParameters, RopeScaling, Yarn};
pub(crate) use shapes::Shape;
pub use shapes::known_shapes;
pub(crate) use tensor::{StoredTensor, TensorFacts, TensorSource};

/// Where a model's texts are: tokenizer, chat template, sampling defaults.
#[derive(Debug, Clone)]
enum Texts {
    Gguf(Arc<GgufFile>),
    Folder(PathBuf),
    /// A shape alone has none.
    Absent,
}

/// A model that has been found and described, and of which nothing has been computed yet.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoint {
    path: PathBuf,
    family: &'static Family,
    parameters: Parameters,
    tensors: Arc<dyn TensorSource>,
    texts: Texts,
}

impl Checkpoint {
    /// Opens a GGUF file or a model folder.
    pub(crate) fn open(path: &Path) -> Result<Self, LoadError> {
        if path.is_dir() {
            return Self::of_folder(path);
        }
        if path.extension().is_some_and(|ending| ending == "safetensors") {
            return Err(LoadError::new(path, LoadCause::WeightsOnly));
        }
        Self::of_gguf(Arc::new(GgufFile::open(path)?))
    }

    /// The model in a folder of the form that transformers reads and writes.
    fn of_folder(path: &Path) -> Result<Self, LoadError> {
        let config = HfConfig::read(path)?;
        // Before the weights: a model that cannot be run is refused for what it is.
        let parameters = config.parameters()?;
        Ok(Self {
            path: path.to_owned(),
            family: config.family(),
            parameters,
            tensors: Arc::new(Folder::open(path, &config)?),
            texts: Texts::Folder(path.to_owned()),
        })
    }

    /// The model in a GGUF file.
    pub(crate) fn of_gguf(file: Arc<GgufFile>) -> Result<Self, LoadError> {
        let family = gguf::family(&file)?;
        Ok(Self {
            path: file.path().to_owned(),
            family,
            parameters: gguf::parameters(&file, family)?,
            tensors: Arc::clone(&file) as Arc<dyn TensorSource>,
            texts: Texts::Gguf(file),
        })
    }

    /// A model of that shape with random numbers, its matrices stored as `dtype`.
    pub(crate) fn of_shape(shape: &Shape, dtype: Dtype) -> Self {
        Self {
            path: PathBuf::from(&shape.name),
            family: shape.family,
            parameters: shape.parameters.clone(),
            tensors: Arc::new(RandomWeights::new(shape, dtype)),
            texts: Texts::Absent,
        }
    }

    /// The same model with its matrices kept in another type.
    pub(crate) fn with_dtype(self, dtype: Dtype) -> Self {
        let tensors = Arc::clone(&self.tensors);
        self.with_tensors(Arc::new(Converted::new(tensors, dtype)))
    }

    /// The same model with its numbers taken from elsewhere.
    pub(crate) fn with_tensors(self, tensors: Arc<dyn TensorSource>) -> Self {
        Self { tensors, ..self }
    }

    /// Refuses what is done to weights by the names that only our own decoders' models have.
    pub(crate) fn refuse_single(&self, what: &str) -> Result<(), LoadError> {
        if !self.family.single {
            return Ok(());
        }
        let what = format!("{what} of a model of the architecture {}", self.family.name);
        Err(LoadError::new(&self.path, LoadCause::Unsupported(what)))
    }

    /// What errors name.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The architecture.
    pub(crate) fn family(&self) -> &'static Family {
        self.family
    }

    /// The model's own name, where its file says one.
    pub(crate) fn name(&self) -> Option<&str> {
        self.gguf_file().and_then(|file| file.metadata().str("general.name"))
    }

    /// How the model is built.
    pub(crate) fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Its numbers.
    pub(crate) fn tensors(&self) -> &Arc<dyn TensorSource> {
        &self.tensors
    }

    /// The GGUF file that it is, if it is one.
    pub(crate) fn gguf_file(&self) -> Option<&Arc<GgufFile>> {
        match &self.texts {
            Texts::Gguf(file) => Some(file),
            Texts::Folder(_) | Texts::Absent => None,
        }
    }

    /// What makes its prompts.
    pub(crate) fn prompter(&self) -> Result<Prompter, Error> {
        match &self.texts {
            Texts::Gguf(file) => Prompter::load(file.metadata()),
            Texts::Folder(folder) => Prompter::of_folder(&HfText::read(folder)?),
            Texts::Absent => Err(self.no_texts()),
        }
    }

    /// How it wants its tokens chosen.
    pub(crate) fn sampling(&self) -> Result<SamplerSettings, Error> {
        Ok(match &self.texts {
            Texts::Gguf(file) => SamplerSettings::of_model(file.metadata()),
            Texts::Folder(folder) => {
                SamplerSettings::of_generation_config(HfText::read(folder)?.generation())
            }
            Texts::Absent => return Err(self.no_texts()),
        })
    }

    fn no_texts(&self) -> Error {
        let message = format!("{} is a shape without a tokenizer", self.path.display());
        Error::new(ErrorKind::Unsupported, message)
    }
}
