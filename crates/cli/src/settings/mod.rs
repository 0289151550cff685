//! The configuration in effect: read in layers, merged, checked, and able to explain itself.

mod document;
mod environment;
mod explain;
mod hub_token;
mod layer;
mod layers;
mod literal;
mod merge;
mod overrides;
mod schema;
mod secrets;
#[cfg(test)]
mod tests;

// Only the documents look for lines.
mod locate;

use std::path::PathBuf;

use textport::{BuildContext, Config, Error, ErrorKind, Progress, ProviderRegistry};

pub(crate) use environment::{Dirs, Environment};
pub(crate) use hub_token::find as find_hub_token;
pub(crate) use layers::{FilePlace, PROJECT_FILE};
pub(crate) use overrides::Overrides;

use layers::Layers;

/// The configuration in effect.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// What the facade takes.
    pub(crate) config: Config,
    /// The profile that was chosen.
    pub(crate) profile: Option<String>,
    /// Where textport keeps things.
    pub(crate) dirs: Dirs,
    /// `TEXTPORT_LOG_DB`: the log of conversations, when it is not in the state folder.
    pub(crate) log_db: Option<PathBuf>,
    environment: Environment,
    layers: Layers,
}

impl Settings {
    /// Reads the configuration of this process.
    ///
    /// # Errors
    /// `ConfigInvalid` with the place of what is wrong.
    pub(crate) fn load(overrides: &Overrides) -> Result<Self, Error> {
        Self::resolve(overrides, Environment::of_process())
    }

    /// Reads the configuration as `environment` has it.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub(crate) fn resolve(overrides: &Overrides, environment: Environment) -> Result<Self, Error> {
        let dirs = environment.dirs()?;
        let layers = Layers::read(overrides, &environment, &dirs.config, &dirs.cache)?;
        let config = merge::extract(&layers)?;
        let log_db = environment
            .get("TEXTPORT_LOG_DB")
            .map(|path| environment.resolve(path, &environment.current));
        let profile = layers.profile.clone();
        let settings = Self { config, profile, dirs, log_db, environment, layers };
        settings.check_options()?;
        Ok(settings)
    }

    /// The provider kinds of this build, with every provider's keys checked against them.
    ///
    /// # Errors
    /// `ConfigInvalid` with the place of an unknown key, or for a model that makes no sense.
    pub(crate) fn registry(&self) -> Result<ProviderRegistry, Error> {
        let registry = ProviderRegistry::builtin(&self.config)?;
        merge::check_providers(&self.config, &self.layers, &registry)?;
        Ok(registry)
    }

    /// What factories need of this process.
    pub(crate) fn context(
        &self,
        progress: impl Fn(Progress) + Send + Sync + 'static,
    ) -> BuildContext {
        let environment = self.environment.clone();
        BuildContext::default()
            .with_offline(self.config.offline)
            .with_progress(progress)
            .with_secrets(move |reference| secrets::resolve(reference, &environment))
    }

    /// Names of all profiles.
    pub(crate) fn profiles(&self) -> &[String] {
        &self.layers.profiles
    }

    /// Says where the value of a key, or of every key below it, comes from.
    ///
    /// # Errors
    /// `ConfigInvalid` for a key that cannot be.
    pub(crate) fn explain(&self, key: &str) -> Result<Vec<explain::Explanation>, Error> {
        explain::explain(&self.layers, key)
    }

    /// Where configuration files are looked for, lowest first.
    pub(crate) fn file_places(
        overrides: &Overrides,
        environment: &Environment,
        dirs: &Dirs,
    ) -> Vec<FilePlace> {
        layers::file_places(overrides, environment, &dirs.config)
    }

    /// An option out of range is wrong where it is written, whoever is asked.
    fn check_options(&self) -> Result<(), Error> {
        let Err(invalid) = self.config.generation.validate() else { return Ok(()) };
        let key = ["generation".to_owned(), invalid.option.to_owned()];
        let place = self.layers.winner(&key).map(|layer| layer.place_and_profile(&key));
        let place = place.map(|place| format!("{place}: ")).unwrap_or_default();
        Err(Error::new(ErrorKind::ConfigInvalid, format!("{place}{invalid}")))
    }
}
