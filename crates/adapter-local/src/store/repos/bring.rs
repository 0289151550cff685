//! Getting a model of the Hub: what the shared cache has, or downloaded into it.

use std::fs;
use std::path::PathBuf;

use ::hub::{Address, Client, HubCache, RepoFile, Token, Wanted};
use ports::{BuildContext, Error, ErrorKind, SecretRef};

use super::choice::{Choice, choose, choose_adapter, shards};
use super::here::{Here, here};
use crate::sources::{Asked, hub_error};
use crate::store::{ModelStore, Reporter, need_space};

/// What an address stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum What {
    /// A model: the folder of what belongs to it, or a file.
    Model,
    /// A LoRA adapter; what follows the repository is a folder in it.
    Adapter,
}

/// Which commit of a branch will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Newness {
    /// The one that is here, if one is.
    AsHere,
    /// The one that the Hub has now.
    AsOnHub,
}

impl ModelStore {
    /// The folder or file of a model or adapter of the Hub.
    pub(in crate::store) async fn bring(
        &self,
        address: &Address,
        what: What,
        newness: Newness,
        context: &BuildContext,
    ) -> Result<PathBuf, Error> {
        let cache = self.hub_cache();
        let known = cache.commit(&address.repo, address.revision());
        let here = known.map_or(Here::Nothing, |commit| here(cache, address, what, &commit));
        match (here, newness) {
            (Here::All(found), Newness::AsHere) => return Ok(found.path),
            (Here::All(found) | Here::Enough(found), _) if context.offline() => {
                return Ok(found.path);
            }
            (here, _) if context.offline() => return Err(offline(address, &here)),
            _ => {}
        }
        // Public models need no token, so having none is no failure.
        let token = context.secret(&SecretRef::Hf(true)).ok();
        let token = token.map(|token| Token::new(token.expose()));
        let asked = Asked { name: address, endpoint: self.hub_endpoint(), known: token.is_some() };
        let client = Client::new(self.hub_endpoint(), token);
        let client = client.map_err(|error| hub_error(&asked, error))?;
        Bring { cache, address, what, asked, client, context }.run().await
    }
}

fn offline(address: &Address, here: &Here) -> Error {
    let what = match here {
        Here::Nothing => "is not in the Hub's cache",
        _ => "is not complete in the Hub's cache",
    };
    Error::new(ErrorKind::ModelLoad, format!("{address} {what}, and the network is off"))
        .with_hint(format!("fetch it while online: textport models pull {address}"))
}

/// One model on its way.
struct Bring<'a> {
    cache: &'a HubCache,
    address: &'a Address,
    what: What,
    asked: Asked<'a>,
    client: Client,
    context: &'a BuildContext,
}

impl Bring<'_> {
    async fn run(self) -> Result<PathBuf, Error> {
        let Address { repo, .. } = self.address;
        let revision = self.address.revision();
        let failed = |error| hub_error(&self.asked, error);
        // A commit stands for itself.
        let commit = self.cache.commit(repo, revision).filter(|commit| commit == revision);
        let commit = match commit {
            Some(commit) => commit,
            None => self.client.model_info(repo, revision).await.map_err(failed)?.commit,
        };
        let listing = self.client.listing(self.cache, repo, &commit).await.map_err(failed)?;
        let path = self.chosen(&commit, &listing).await?;
        // A cache that may only be read, and has it all, works too: then the name is looked up
        // again the next time.
        let _ = self.cache.set_commit(repo, revision, &commit);
        Ok(path)
    }

    async fn chosen(&self, commit: &str, listing: &[RepoFile]) -> Result<PathBuf, Error> {
        let Address { repo, .. } = self.address;
        let names: Vec<&str> = listing.iter().map(|file| file.path.as_str()).collect();
        if self.what == What::Adapter {
            let folder = self.address.file.as_deref();
            let files = choose_adapter(&names, folder);
            let files = files.map_err(|unclear| unclear.error(self.address))?;
            self.fetch(commit, listing, &files).await?;
            let snapshot = self.cache.snapshot(repo, commit);
            return Ok(folder.map_or_else(|| snapshot.clone(), |folder| snapshot.join(folder)));
        }
        let choice = match &self.address.file {
            Some(file) => Choice::Gguf(file.clone()),
            None => choose(&names).map_err(|unclear| unclear.error(self.address))?,
        };
        match choice {
            Choice::Gguf(file) => {
                self.fetch(commit, listing, std::slice::from_ref(&file)).await?;
                Ok(self.cache.file(repo, commit, &file))
            }
            Choice::Folder { mut files, index } => {
                if let Some(index) = index {
                    self.fetch(commit, listing, &[index.to_owned()]).await?;
                    files.extend(self.shards(commit, index)?);
                }
                self.fetch(commit, listing, &files).await?;
                Ok(self.cache.snapshot(repo, commit))
            }
        }
    }

    fn shards(&self, commit: &str, index: &str) -> Result<Vec<String>, Error> {
        let path = self.cache.file(&self.address.repo, commit, index);
        let read = fs::read(path).map_err(|error| error.to_string());
        read.and_then(|text| shards(&text)).map_err(|why| {
            let message = format!("{index} of {} makes no sense: {why}", self.address);
            Error::new(ErrorKind::ModelLoad, message).with_hint("look for another repository")
        })
    }

    async fn fetch(
        &self,
        commit: &str,
        listing: &[RepoFile],
        names: &[String],
    ) -> Result<(), Error> {
        let find = |name: &String| {
            let found = listing.iter().find(|file| file.path == *name).cloned();
            found.ok_or_else(|| self.no_file(name, listing))
        };
        let files = names.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let wanted = Wanted::new(&self.address.repo, commit, &files);
        let missing = self.cache.missing(&wanted);
        need_space(self.cache.root(), missing.bytes.saturating_sub(missing.arrived))?;
        let report = (missing.bytes > 0).then(|| {
            let task = format!("fetching {}", self.address);
            Reporter::new(self.context, task, Some(missing.bytes))
        });
        let progress = |done, _| report.iter().for_each(|report| report.set(done));
        let fetched = self.client.fetch(self.cache, &wanted, progress).await;
        fetched.map(|_| ()).map_err(|error| hub_error(&self.asked, error))
    }

    fn no_file(&self, name: &str, listing: &[RepoFile]) -> Error {
        let Address { repo, .. } = self.address;
        let revision = self.address.revision();
        let message = format!("there is no file {name} in {repo} at {revision}");
        let names = || listing.iter().map(|file| file.path.as_str());
        let near = crate::catalogue::nearest(name, names());
        let hint = match near {
            Some(near) => format!("did you mean {near}?"),
            None => {
                let gguf = names().filter(|name| name.to_ascii_lowercase().ends_with(".gguf"));
                match gguf.collect::<Vec<_>>().join(", ") {
                    all if all.is_empty() => "it has no .gguf files: leave the file out".into(),
                    all => format!("its .gguf files: {all}"),
                }
            }
        };
        Error::new(ErrorKind::NotFound, message).with_hint(hint)
    }
}
