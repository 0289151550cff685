//! What a model's name or path stands for.

use std::fs;
use std::path::{Path, PathBuf};

use ::hub::Address;
use ports::{Error, ErrorKind};

use super::record::{Known, look};
use super::{ModelState, ModelStore, repos};
use crate::catalogue::{choices, nearest};
use crate::{Catalogue, CatalogueEntry, Source};

/// Where a model is or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Located {
    /// Its name in the catalogue or its address on the Hub; absent for a path.
    pub name: Option<String>,
    /// Its file or folder, which is there only if the state is [`ModelState::Fetched`] or [`ModelState::Own`].
    pub path: PathBuf,
    /// What is there of it.
    pub state: ModelState,
}

/// A model that was asked for.
#[derive(Debug)]
pub(super) enum Wanted<'a> {
    /// A file or folder of the user's own, which is there.
    Own(PathBuf),
    /// A model of the Hub.
    Hub(Address),
    /// An entry of the catalogue.
    Entry(&'a str, &'a CatalogueEntry),
}

pub(super) fn wanted<'a>(catalogue: &'a Catalogue, model: &str) -> Result<Wanted<'a>, Error> {
    if let Some((name, entry)) = catalogue.entries().find(|(name, _)| *name == model) {
        return Ok(Wanted::Entry(name, entry));
    }
    if Address::is_meant(model) {
        return repos::address(model).map(Wanted::Hub);
    }
    if is_path(model) {
        return own(&home(Path::new(model)), catalogue).map(Wanted::Own);
    }
    let message = format!("there is no model {model:?}");
    let names = catalogue.entries().map(|(name, _)| name).collect::<Vec<_>>();
    let hint = choices(model, names.into_iter());
    Err(Error::new(ErrorKind::ModelLoad, message)
        .with_hint(format!("{hint}; or give a path, or hf:OWNER/REPO for a model of the Hub")))
}

pub(super) fn locate(
    store: &ModelStore,
    catalogue: &Catalogue,
    model: &str,
) -> Result<Located, Error> {
    let (name, entry) = match wanted(catalogue, model)? {
        Wanted::Own(path) => return Ok(Located { name: None, path, state: ModelState::Own }),
        Wanted::Hub(address) => return Ok(repos::located(&store.hub_cache, &address)),
        Wanted::Entry(name, entry) => (name, entry),
    };
    let (path, state) = place(store, name, entry);
    Ok(Located { name: Some(name.to_owned()), path, state })
}

/// Where a model of the catalogue is, and what is there of it.
pub(super) fn place(
    store: &ModelStore,
    name: &str,
    entry: &CatalogueEntry,
) -> (PathBuf, ModelState) {
    if let Some(path) = leading_path(entry) {
        return (path, ModelState::Own);
    }
    let layout = store.layout(name, entry);
    let Some(sha256) = &entry.sha256 else {
        let own = entry.sources.iter().find_map(path_of).unwrap_or(layout.file);
        return (own, ModelState::NotFetched);
    };
    let state = match look(&layout.file, &layout.record, sha256) {
        Known::Verified => ModelState::Fetched,
        Known::Unknown => ModelState::Unchecked,
        Known::Other => ModelState::Outdated,
        Known::Absent if layout.partial.exists() => ModelState::Partial,
        Known::Absent => ModelState::NotFetched,
    };
    match (state, entry.sources.iter().filter_map(path_of).find(|path| path.is_file())) {
        (ModelState::NotFetched | ModelState::Partial, Some(own)) => (own, ModelState::Own),
        (state, _) => (layout.file, state),
    }
}

/// The user's own file, if the sources that come before all fetched ones name one that is there.
pub(super) fn leading_path(entry: &CatalogueEntry) -> Option<PathBuf> {
    entry.sources.iter().map_while(path_of).find(|path| path.is_file())
}

pub(super) fn path_of(source: &Source) -> Option<PathBuf> {
    match source {
        Source::Path(source) => Some(home(&source.path)),
        _ => None,
    }
}

fn is_path(model: &str) -> bool {
    model.contains(std::path::is_separator)
        || model.starts_with(['.', '~'])
        || model.to_ascii_lowercase().ends_with(".gguf")
}

/// Replaces a leading `~` by the home folder.
pub(super) fn home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

fn own(path: &Path, catalogue: &Catalogue) -> Result<PathBuf, Error> {
    let shown = path.display();
    let error = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => return Ok(path.to_owned()),
        Ok(metadata) if metadata.is_dir() => return own_folder(path),
        Ok(_) => {
            let message = format!("{shown} is not a regular file");
            return Err(Error::new(ErrorKind::ModelLoad, message).with_hint("name a .gguf file"));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => error,
        Err(error) => {
            let message = format!("could not read {shown}: {error}");
            let error = Error::new(ErrorKind::ModelLoad, message).with_source(error);
            return Err(error.with_hint("check its permissions"));
        }
    };
    let message = format!("there is no file {shown}");
    Err(Error::new(ErrorKind::ModelLoad, message)
        .with_source(error)
        .with_hint(near_file(path, catalogue)))
}

/// A folder as it was published, or the only model file in one.
fn own_folder(path: &Path) -> Result<PathBuf, Error> {
    let shown = path.display();
    if path.join("config.json").is_file() {
        return Ok(path.to_owned());
    }
    let files: Vec<_> = gguf_files(path).collect();
    let error = |message| Error::new(ErrorKind::ModelLoad, message);
    match files.as_slice() {
        [only] => Ok(path.join(only)),
        [] => Err(error(format!("{shown} holds neither config.json nor a .gguf file"))
            .with_hint("name the folder that the model's files are in, or a .gguf file")),
        [first, ..] => {
            let message =
                format!("{shown} holds {} .gguf files: {}", files.len(), files.join(", "));
            let example = path.join(first);
            Err(error(message).with_hint(format!("name one of them: {}", example.display())))
        }
    }
}

/// What may have been meant by a path that leads nowhere.
fn near_file(path: &Path, catalogue: &Catalogue) -> String {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let word = path.file_name().unwrap_or_default().to_string_lossy();
    let files = gguf_files(folder).collect::<Vec<_>>();
    if let Some(near) = nearest(&word, files.iter().map(String::as_str)) {
        return format!("did you mean {}?", path.with_file_name(near).display());
    }
    let names = catalogue.entries().map(|(name, _)| name).collect::<Vec<_>>();
    if let Some(near) = nearest(&word, names.iter().copied()) {
        return format!("did you mean the model {near}?");
    }
    if !folder.is_dir() {
        let hub = Address::parse(&format!("hf:{}", path.display()));
        let meant = hub.map_or_else(|_| "hf:OWNER/REPO".to_owned(), |address| address.to_string());
        return format!(
            "there is no folder {} either; a model of the Hub is named {meant}",
            folder.display()
        );
    }
    format!("give the path of a .gguf file, or one of the models {}", names.join(", "))
}

/// The names of the model files in a folder, sorted.
fn gguf_files(folder: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> =
        names.filter(|name| name.to_ascii_lowercase().ends_with(".gguf")).collect();
    names.sort();
    names.into_iter()
}
