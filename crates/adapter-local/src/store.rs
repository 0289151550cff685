//! Where fetched models are kept, and how one gets there.

mod disk;
mod ensure;
mod layout;
mod listing;
mod lock;
mod record;
mod report;
mod repos;
mod resolve;
mod work;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ::hub::HubCache;
use ports::{BuildContext, Error};

use crate::Catalogue;

pub(crate) use disk::{disk_error, need_space, sync_folder};
pub(crate) use ensure::wrong_checksum;
pub use listing::{ModelState, Removed, StoredModel};
pub(crate) use record::{hex, write_whole};
pub(crate) use report::Reporter;
pub(crate) use repos::is_companion;
pub use resolve::Located;
pub(crate) use work::{Held, Stop};

/// Where the Hub answers unless the application says otherwise.
pub const DEFAULT_HUB_ENDPOINT: &str = "https://huggingface.co";

/// The folder that holds fetched models.
///
/// A model is `models/NAME/FILE` under the cache folder. It appears there whole or not at all:
/// pieces are gathered in `models/NAME/.partial`, checked against the pinned checksum, and renamed.
/// A record beside the file says that it was checked, so that later starts do not hash it again.
/// Processes that want the same model take turns; the lock is the operating system's and ends with
/// the process that holds it.
///
/// Models of the Hub (`hf:OWNER/REPO`) are in the cache of the Hub's own tools instead, shared with
/// them.
#[derive(Debug, Clone)]
pub struct ModelStore {
    root: PathBuf,
    pip: Vec<Vec<OsString>>,
    hub_endpoint: String,
    hub_cache: HubCache,
}

impl ModelStore {
    /// Keeps models in `models/` under a cache folder, which is made when it is needed.
    pub fn new(cache_dir: &Path) -> Self {
        Self {
            root: cache_dir.join("models"),
            pip: crate::sources::usual_pip(),
            hub_endpoint: DEFAULT_HUB_ENDPOINT.to_owned(),
            hub_cache: HubCache::new(cache_dir.join("hub")),
        }
    }

    /// Fetches wheels with this command (`["python3", "-m", "pip"]`) instead of looking for one.
    #[must_use]
    pub fn with_pip(mut self, command: Vec<OsString>) -> Self {
        self.pip = vec![command];
        self
    }

    /// Asks this server instead of [`DEFAULT_HUB_ENDPOINT`].
    #[must_use]
    pub fn with_hub_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.hub_endpoint = endpoint.into();
        self
    }

    /// Keeps models of the Hub in this cache; by default in `hub/` under the cache folder. The one
    /// of the Hub's own tools is where [`hub_cache_folder`](crate::hub_cache_folder) says.
    #[must_use]
    pub fn with_hub_cache(mut self, cache: HubCache) -> Self {
        self.hub_cache = cache;
        self
    }

    /// Where models of the Hub are kept.
    pub fn hub_cache(&self) -> &HubCache {
        &self.hub_cache
    }

    pub(crate) fn hub_endpoint(&self) -> &str {
        &self.hub_endpoint
    }

    /// The folder that holds the models.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a model is, or would be, without using the network. `model` is
    ///
    /// - a name of the catalogue;
    /// - an address on the Hub: `hf:OWNER/REPO`, `hf:OWNER/REPO@REVISION`, `hf:OWNER/REPO/FILE`.
    ///   Without a file, a repository with `config.json` and safetensors stands for the folder of
    ///   these, any other for its only `.gguf` file;
    /// - a path: with a separator, starting with `.` or `~`, or ending in `.gguf`. A folder with
    ///   `config.json` is a model, any other stands for its only `.gguf` file.
    ///
    /// # Errors
    /// [`ports::ErrorKind::ModelLoad`] for an unknown name, an address that cannot be one, or a
    /// path without a model.
    pub fn locate(&self, catalogue: &Catalogue, model: &str) -> Result<Located, Error> {
        resolve::locate(self, catalogue, model)
    }

    /// Brings a model up to date: an address on the Hub without a commit is looked up there again,
    /// where [`ensure`](Self::ensure) takes the commit that is here.
    ///
    /// # Errors
    /// As [`ensure`](Self::ensure).
    pub async fn pull(
        &self,
        catalogue: &Catalogue,
        model: &str,
        context: &BuildContext,
    ) -> Result<PathBuf, Error> {
        match resolve::wanted(catalogue, model)? {
            resolve::Wanted::Hub(address) => {
                self.bring(&address, repos::What::Model, repos::Newness::AsOnHub, context).await
            }
            _ => self.ensure(catalogue, model, context).await,
        }
    }

    /// The folder of a LoRA adapter. `adapter` is a path, which stays what it is, or an address on
    /// the Hub (`hf:OWNER/REPO`, `hf:OWNER/REPO@REVISION`, `hf:OWNER/REPO/FOLDER`): then its two
    /// files are fetched if need be, as [`ensure`](Self::ensure) fetches models.
    ///
    /// # Errors
    /// As [`ensure`](Self::ensure); nothing is said of a path.
    pub async fn ensure_adapter(
        &self,
        adapter: &Path,
        context: &BuildContext,
    ) -> Result<PathBuf, Error> {
        match adapter.to_str().filter(|text| ::hub::Address::is_meant(text)) {
            Some(text) => {
                let address = repos::address(text)?;
                self.bring(&address, repos::What::Adapter, repos::Newness::AsHere, context).await
            }
            None => Ok(resolve::home(adapter)),
        }
    }

    /// Every model of the catalogue and what is here of it, then what is here of other models, then
    /// the models in the Hub's cache.
    ///
    /// # Errors
    /// [`ports::ErrorKind::ModelLoad`] when the folder cannot be read.
    pub fn list(&self, catalogue: &Catalogue) -> Result<Vec<StoredModel>, Error> {
        let mut models = listing::list(self, catalogue)?;
        models.extend(repos::list(&self.hub_cache));
        Ok(models)
    }

    /// Deletes what is here of a model. Files of the user's own are never touched; what is in the
    /// Hub's cache is gone for the Hub's own tools too.
    ///
    /// # Errors
    /// [`ports::ErrorKind::ModelLoad`] for an unknown name, a model that is just being fetched,
    /// or a file that cannot be deleted.
    pub fn remove(&self, catalogue: &Catalogue, name: &str) -> Result<Removed, Error> {
        match ::hub::Address::is_meant(name) {
            true => repos::remove(&self.hub_cache, name),
            false => listing::remove(self, catalogue, name),
        }
    }
}
