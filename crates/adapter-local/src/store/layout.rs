//! The names of files and folders in the store.

use std::path::PathBuf;

use super::ModelStore;
use crate::CatalogueEntry;

/// Where one model's files are.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// All of them.
    pub(super) folder: PathBuf,
    /// The model.
    pub(super) file: PathBuf,
    /// What says that it was checked.
    pub(super) record: PathBuf,
    /// Pieces of a fetch that is under way or was broken off.
    pub(super) partial: PathBuf,
    /// What processes that want it take turns by. Outside of the folder, so that removing the
    /// folder cannot give two processes two different locks.
    pub(super) lock: PathBuf,
}

impl ModelStore {
    pub(super) fn layout(&self, name: &str, entry: &CatalogueEntry) -> Layout {
        let folder = self.root.join(name);
        Layout {
            file: folder.join(&entry.file),
            record: folder.join(format!(".{}.verified.json", entry.file)),
            partial: self.partial(name),
            lock: self.lock_file(name),
            folder,
        }
    }

    pub(super) fn partial(&self, name: &str) -> PathBuf {
        self.root.join(name).join(".partial")
    }

    pub(super) fn lock_file(&self, name: &str) -> PathBuf {
        self.root.join(".locks").join(format!("{name}.lock"))
    }
}
