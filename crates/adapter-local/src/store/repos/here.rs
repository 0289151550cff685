//! What is on this machine of a model of the Hub, without asking anybody.

use std::fs;
use std::path::PathBuf;

use ::hub::{Address, HubCache};

use super::bring::What;
use super::choice::{Choice, choose, choose_adapter, shards};
use crate::store::{Located, ModelState};

/// What of a commit is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Here {
    /// All of it.
    All(Found),
    /// As much as makes a model, but nothing says whether the repository has more.
    Enough(Found),
    /// Some of it.
    Some,
    /// Nothing.
    Nothing,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Its folder or file.
    pub(super) path: PathBuf,
    /// Bytes of all its files.
    pub(super) bytes: u64,
}

/// Where the model of an address is, or would be.
pub(in crate::store) fn located(cache: &HubCache, address: &Address) -> Located {
    let Address { repo, .. } = address;
    let commit = cache.commit(repo, address.revision());
    let here =
        commit.as_ref().map_or(Here::Nothing, |commit| here(cache, address, What::Model, commit));
    let begun = || cache.model(repo).is_some_and(|model| model.incomplete > 0);
    let (path, state) = match here {
        Here::All(found) | Here::Enough(found) => (found.path, ModelState::Fetched),
        Here::Some => (cache.repo(repo), ModelState::Partial),
        Here::Nothing if begun() => (cache.repo(repo), ModelState::Partial),
        Here::Nothing => (cache.repo(repo), ModelState::NotFetched),
    };
    Located { name: Some(address.to_string()), path, state }
}

/// What is here of an address at a commit.
pub(super) fn here(cache: &HubCache, address: &Address, what: What, commit: &str) -> Here {
    let commit = Commit::read(cache, address, commit);
    if what == What::Adapter {
        return commit.adapter();
    }
    if let Some(file) = &address.file {
        return match commit.size(file) {
            Some(bytes) => Here::All(commit.found(file, bytes)),
            None if commit.files.is_empty() => Here::Nothing,
            None => Here::Some,
        };
    }
    let names: Vec<&str> = commit.names();
    match choose(&names) {
        Ok(Choice::Gguf(file)) => match (commit.size(&file), &commit.listing) {
            (Some(bytes), Some(_)) => Here::All(commit.found(&file, bytes)),
            (Some(bytes), None) => Here::Enough(commit.found(&file, bytes)),
            (None, _) => commit.rest(),
        },
        Ok(Choice::Folder { files, index }) => commit.folder(files, index),
        Err(_) => commit.rest(),
    }
}

/// What the cache knows of a commit.
struct Commit<'a> {
    cache: &'a HubCache,
    address: &'a Address,
    commit: &'a str,
    listing: Option<Vec<::hub::RepoFile>>,
    files: Vec<::hub::CachedFile>,
}

impl<'a> Commit<'a> {
    fn read(cache: &'a HubCache, address: &'a Address, commit: &'a str) -> Self {
        let listing = cache.listing(&address.repo, commit);
        let files = cache.files(&address.repo, commit);
        Self { cache, address, commit, listing, files }
    }

    /// The files of the repository, or else those that are here.
    fn names(&self) -> Vec<&str> {
        match &self.listing {
            Some(listing) => listing.iter().map(|file| file.path.as_str()).collect(),
            None => self.files.iter().map(|file| file.path.as_str()).collect(),
        }
    }

    /// The length of a file that is here in whole.
    fn size(&self, path: &str) -> Option<u64> {
        let size = self.files.iter().find(|file| file.path == path)?.size;
        let listed = self.listing.iter().flatten().find(|file| file.path == path);
        listed.is_none_or(|file| file.size == size).then_some(size)
    }

    fn found(&self, file: &str, bytes: u64) -> Found {
        Found { path: self.cache.file(&self.address.repo, self.commit, file), bytes }
    }

    fn folder(&self, mut files: Vec<String>, index: Option<&str>) -> Here {
        if let Some(index) = index {
            let path = self.cache.file(&self.address.repo, self.commit, index);
            match fs::read(path).ok().and_then(|text| shards(&text).ok()) {
                Some(shards) => files.extend(shards),
                None => return self.rest(),
            }
        }
        let Some(sizes) = files.iter().map(|file| self.size(file)).collect::<Option<Vec<u64>>>()
        else {
            return self.rest();
        };
        let path = self.cache.snapshot(&self.address.repo, self.commit);
        let found = Found { path, bytes: sizes.iter().sum() };
        let has = |name: &str| files.iter().any(|file| file == name);
        // Tools that keep no listing bring these too, when they bring all of a repository.
        let likely_all = has("tokenizer.json") && has("tokenizer_config.json");
        match self.listing {
            Some(_) => Here::All(found),
            None if likely_all => Here::All(found),
            None => Here::Enough(found),
        }
    }

    fn adapter(&self) -> Here {
        let folder = self.address.file.as_deref();
        let Ok(files) = choose_adapter(&self.names(), folder) else { return self.rest() };
        let sizes: Option<Vec<u64>> = files.iter().map(|file| self.size(file)).collect();
        let Some(sizes) = sizes else { return self.rest() };
        let snapshot = self.cache.snapshot(&self.address.repo, self.commit);
        let path = folder.map_or_else(|| snapshot.clone(), |folder| snapshot.join(folder));
        Here::All(Found { path, bytes: sizes.iter().sum() })
    }

    fn rest(&self) -> Here {
        if self.files.is_empty() { Here::Nothing } else { Here::Some }
    }
}
