//! What the Hub says of a Space that runs, or does not.

use serde::{Deserialize, Deserializer};

/// How far a Space is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// There is nothing to run.
    NoAppFile,
    /// Its README or configuration is wrong.
    ConfigError,
    /// Its image is built.
    Building,
    /// Its image could not be built.
    BuildError,
    /// It answers.
    Running,
    /// It answers while its next version is built.
    RunningBuilding,
    /// It is built and starts.
    AppStarting,
    /// It answers while its next version starts.
    RunningAppStarting,
    /// It crashed.
    RuntimeError,
    /// It is going away.
    Deleting,
    /// It does not run; a visit starts it.
    Stopped,
    /// Its owner stopped it, and only the owner can start it.
    Paused,
    /// It sleeps; a visit wakes it.
    Sleeping,
    /// A word that this version does not know.
    Other(String),
}

impl Stage {
    /// The Hub's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::NoAppFile => "NO_APP_FILE",
            Self::ConfigError => "CONFIG_ERROR",
            Self::Building => "BUILDING",
            Self::BuildError => "BUILD_ERROR",
            Self::Running => "RUNNING",
            Self::RunningBuilding => "RUNNING_BUILDING",
            Self::AppStarting => "APP_STARTING",
            Self::RunningAppStarting => "RUNNING_APP_STARTING",
            Self::RuntimeError => "RUNTIME_ERROR",
            Self::Deleting => "DELETING",
            Self::Stopped => "STOPPED",
            Self::Paused => "PAUSED",
            Self::Sleeping => "SLEEPING",
            Self::Other(word) => word,
        }
    }

    /// Whether a version of it answers now.
    pub fn answers(&self) -> bool {
        matches!(self, Self::Running | Self::RunningBuilding | Self::RunningAppStarting)
    }

    /// Whether it will answer by itself.
    pub fn starts(&self) -> bool {
        matches!(self, Self::Building | Self::AppStarting)
    }

    /// Whether a visit starts it.
    pub fn wakes(&self) -> bool {
        matches!(self, Self::Sleeping | Self::Stopped)
    }
}

impl From<&str> for Stage {
    fn from(word: &str) -> Self {
        let known = [
            Self::NoAppFile,
            Self::ConfigError,
            Self::Building,
            Self::BuildError,
            Self::Running,
            Self::RunningBuilding,
            Self::AppStarting,
            Self::RunningAppStarting,
            Self::RuntimeError,
            Self::Deleting,
            Self::Stopped,
            Self::Paused,
            Self::Sleeping,
        ];
        let same = known.into_iter().find(|stage| stage.as_str() == word);
        same.unwrap_or_else(|| Self::Other(word.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Stage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|word| Self::from(word.as_str()))
    }
}

/// A Space at work.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Runtime {
    /// How far it is.
    pub stage: Stage,
    /// On what it runs.
    #[serde(default)]
    pub hardware: Hardware,
    /// The commit that its container was built from, where it runs.
    #[serde(default)]
    pub sha: Option<String>,
    /// Why it does not run.
    #[serde(default, rename = "errorMessage")]
    pub error_message: Option<String>,
}

/// What a Space runs on, in the Hub's words, e.g. `zero-a10g`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Hardware {
    /// Now; absent while it does not run.
    #[serde(default)]
    pub current: Option<String>,
    /// What it will run on.
    #[serde(default)]
    pub requested: Option<String>,
}
