//! The models in the Hub's cache, as `models list` shows them, and removing one.

use ::hub::{Address, CachedModel, CachedRevision, HubCache};
use ports::{Error, ErrorKind};

use super::address;
use super::bring::What;
use super::here::{Found, Here, here};
use crate::store::{ModelState, Removed, StoredModel, disk_error};

/// Every model that is here; repositories that hold none are passed over.
pub(in crate::store) fn list(cache: &HubCache) -> Vec<StoredModel> {
    cache.models().iter().flat_map(|model| rows(cache, model)).collect()
}

fn rows(cache: &HubCache, model: &CachedModel) -> Vec<StoredModel> {
    let of_revision = |revision| of_revision(cache, model, revision);
    let mut rows: Vec<_> = model.revisions.iter().flat_map(of_revision).collect();
    if rows.is_empty() && model.incomplete > 0 {
        let address = Address::new(model.repo.clone(), None);
        let stored = model.bytes + model.incomplete;
        rows.push(row(cache, &address, ModelState::Partial, None, stored));
    }
    rows
}

fn of_revision(
    cache: &HubCache,
    model: &CachedModel,
    revision: &CachedRevision,
) -> Vec<StoredModel> {
    let named = |file| {
        let address = Address::new(model.repo.clone(), file);
        match revision.names.first() {
            _ if revision.names.iter().any(|name| name == "main") => address,
            Some(name) => address.at(name),
            None => address.at(&revision.commit),
        }
    };
    let whole = named(None);
    match here(cache, &whole, What::Model, &revision.commit) {
        Here::All(found) | Here::Enough(found) if found.path.is_dir() => {
            return vec![fetched(cache, &whole, found)];
        }
        Here::Some if revision.files.iter().any(|file| file.path == "config.json") => {
            let stored = revision.files.iter().map(|file| file.size).sum();
            return vec![row(cache, &whole, ModelState::Partial, None, stored)];
        }
        _ => {}
    }
    let gguf = revision.files.iter().filter(|f| f.path.to_ascii_lowercase().ends_with(".gguf"));
    let rows = gguf.filter_map(|file| {
        let address = named(Some(file.path.clone()));
        match here(cache, &address, What::Model, &revision.commit) {
            Here::All(found) => Some(fetched(cache, &address, found)),
            _ => None,
        }
    });
    rows.collect()
}

fn fetched(cache: &HubCache, address: &Address, found: Found) -> StoredModel {
    let mut row = row(cache, address, ModelState::Fetched, Some(found.bytes), found.bytes);
    row.path = found.path;
    row
}

fn row(
    cache: &HubCache,
    address: &Address,
    state: ModelState,
    size: Option<u64>,
    stored: u64,
) -> StoredModel {
    StoredModel {
        name: address.to_string(),
        state,
        path: cache.repo(&address.repo),
        size,
        stored,
        sources: vec![format!("Hub {} at {}", address.repo, address.revision())],
        license: None,
        about: None,
    }
}

/// Deletes a repository from the cache.
pub(in crate::store) fn remove(cache: &HubCache, name: &str) -> Result<Removed, Error> {
    let address = address(name)?;
    let Address { repo, .. } = &address;
    if address.file.is_some() || address.revision.is_some() {
        let message = "a repository of the Hub is removed as a whole, with all its revisions";
        return Err(Error::new(ErrorKind::ModelLoad, message)
            .with_hint(format!("textport models rm hf:{repo}")));
    }
    let path = cache.repo(repo);
    match cache.remove(repo) {
        Ok(Some(bytes)) => Ok(Removed { name: name.to_owned(), path, bytes }),
        Ok(None) => {
            let message = format!("some of {repo} is being downloaded by another process");
            Err(Error::new(ErrorKind::ModelLoad, message)
                .with_hint("wait until it is done, or end that process"))
        }
        Err(::hub::Error::Io { path, source }) => Err(disk_error("remove", &path, source)),
        Err(error) => Err(Error::new(ErrorKind::ModelLoad, error.to_string()).with_source(error)),
    }
}
