//! What is in the store, and removing it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ports::{Error, ErrorKind};
use serde::Serialize;

use super::ModelStore;
use super::disk::disk_error;
use super::lock::ModelLock;
use super::resolve::place;
use crate::catalogue::{choices, is_plain_word};
use crate::{Catalogue, CatalogueEntry};

/// What is here of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ModelState {
    /// All of it, checked.
    Fetched,
    /// A file that has not been checked, or has changed since; the next use checks it.
    Unchecked,
    /// A whole file, but of another checksum than the catalogue's; the next use replaces it.
    Outdated,
    /// Pieces; the next use goes on from there.
    Partial,
    /// Nothing.
    NotFetched,
    /// A file of the user's own, outside of the store.
    Own,
    /// Files of a model that is no longer in the catalogue.
    Leftover,
}

impl ModelState {
    /// One or two words for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fetched => "fetched",
            Self::Unchecked => "unchecked",
            Self::Outdated => "outdated",
            Self::Partial => "partial",
            Self::NotFetched => "not fetched",
            Self::Own => "own file",
            Self::Leftover => "leftover",
        }
    }
}

/// A model of the catalogue or of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StoredModel {
    /// Its name.
    pub name: String,
    /// What is here of it.
    pub state: ModelState,
    /// Its file, which is there only in some states; for leftovers their folder.
    pub path: PathBuf,
    /// The length of the whole file in bytes, where known.
    pub size: Option<u64>,
    /// Bytes that it takes up in the store.
    pub stored: u64,
    /// Where it comes from, in the order of trying.
    pub sources: Vec<String>,
    /// The licence of the weights.
    pub license: Option<String>,
    /// One line for people.
    pub about: Option<String>,
}

/// What was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Removed {
    /// The model.
    pub name: String,
    /// The folder that is gone.
    pub path: PathBuf,
    /// Bytes that it took up; 0 when nothing was there.
    pub bytes: u64,
}

pub(super) fn list(store: &ModelStore, catalogue: &Catalogue) -> Result<Vec<StoredModel>, Error> {
    let mut models: Vec<_> =
        catalogue.entries().map(|(name, entry)| stored(store, name, entry)).collect();
    for name in folders(store)? {
        if catalogue.get(&name).is_none() {
            models.push(leftover(store, name));
        }
    }
    Ok(models)
}

fn stored(store: &ModelStore, name: &str, entry: &CatalogueEntry) -> StoredModel {
    let (path, state) = place(store, name, entry);
    let there = fs::metadata(&path).ok().map(|metadata| metadata.len());
    StoredModel {
        name: name.to_owned(),
        state,
        size: entry.size.or(there),
        path,
        stored: bytes_under(&store.root.join(name)),
        sources: entry.sources.iter().map(ToString::to_string).collect(),
        license: entry.license.clone(),
        about: entry.about.clone(),
    }
}

fn leftover(store: &ModelStore, name: String) -> StoredModel {
    let path = store.root.join(&name);
    StoredModel {
        state: ModelState::Leftover,
        size: None,
        stored: bytes_under(&path),
        path,
        name,
        sources: Vec::new(),
        license: None,
        about: None,
    }
}

/// The names of the folders in the store that could be models, sorted.
fn folders(store: &ModelStore) -> Result<Vec<String>, Error> {
    let failed = |error| disk_error("read", &store.root, error);
    let entries = match fs::read_dir(&store.root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        match entry.file_name().into_string() {
            Ok(name) if is_folder && is_plain_word(&name) => names.push(name),
            _ => {}
        }
    }
    names.sort();
    Ok(names)
}

/// The length of all files in a folder; links are not followed.
pub(super) fn bytes_under(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_under(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

pub(super) fn remove(
    store: &ModelStore,
    catalogue: &Catalogue,
    name: &str,
) -> Result<Removed, Error> {
    let folder = store.root.join(name);
    if !is_plain_word(name) || (catalogue.get(name).is_none() && !folder.is_dir()) {
        let names = catalogue.entries().map(|(name, _)| name).collect::<Vec<_>>();
        let message = format!("there is no model {name:?}");
        return Err(
            Error::new(ErrorKind::ModelLoad, message).with_hint(choices(name, names.into_iter()))
        );
    }
    let removed = Removed { name: name.to_owned(), bytes: bytes_under(&folder), path: folder };
    if !removed.path.exists() {
        return Ok(removed);
    }
    let lock = store.lock_file(name);
    let taken = ModelLock::take_soon(&lock).map_err(|error| disk_error("lock", &lock, error))?;
    let Some(lock) = taken else {
        let message = format!("{name} is being fetched by another process");
        return Err(Error::new(ErrorKind::ModelLoad, message)
            .with_hint("wait until it is done, or end that process"));
    };
    fs::remove_dir_all(&removed.path)
        .map_err(|error| disk_error("remove", &removed.path, error))?;
    drop(lock);
    Ok(removed)
}
