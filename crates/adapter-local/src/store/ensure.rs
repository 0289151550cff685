//! Getting a model's file: what is here already, or fetched, checked and put in its place.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use ports::{BuildContext, Error, ErrorKind, SecretRef};

use super::layout::Layout;
use super::listing::bytes_under;
use super::lock::ModelLock;
use super::record::{self, Known};
use super::repos::{Newness, What};
use super::resolve::{Wanted, leading_path, path_of, wanted};
use super::{Held, ModelStore, Reporter, disk_error, sync_folder};
use crate::sources::{Failure, Fetch};
use crate::{Catalogue, CatalogueEntry, Source};

impl ModelStore {
    /// The file or folder of a model, fetched and checked if need be. `model` is what
    /// [`locate`](Self::locate) takes. What the cache of the Hub's own tools has is used without
    /// asking the Hub. Dropping the future ends the work and leaves only pieces
    /// that the next call goes on from.
    ///
    /// # Errors
    /// [`ErrorKind::ModelLoad`] when there is no such model, when what is there is damaged, or when
    /// the disk is full or may not be written; [`ErrorKind::Network`] when the sources cannot be
    /// reached. When several sources failed, the message says why each did.
    pub async fn ensure(
        &self,
        catalogue: &Catalogue,
        model: &str,
        context: &BuildContext,
    ) -> Result<PathBuf, Error> {
        let (name, entry) = match wanted(catalogue, model)? {
            Wanted::Own(path) => return Ok(path),
            Wanted::Hub(address) => {
                return self.bring(&address, What::Model, Newness::AsHere, context).await;
            }
            Wanted::Entry(name, entry) => (name, entry),
        };
        if let Some(path) = leading_path(entry) {
            return Ok(path);
        }
        match &entry.sha256 {
            Some(sha256) => {
                let layout = self.layout(name, entry);
                Task { store: self, name, entry, sha256, layout, context }.run().await
            }
            None => Err(own_file_missing(name, entry)),
        }
    }
}

fn own_file_missing(name: &str, entry: &CatalogueEntry) -> Error {
    let paths = entry.sources.iter().filter_map(path_of);
    let paths = paths.map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    Error::new(ErrorKind::ModelLoad, format!("the file of {name} is not there: {paths}"))
        .with_hint(format!("correct the path in [models.{name}], or put the file there"))
}

/// What a look at the cache found.
enum Cached {
    Good,
    Absent,
    /// A whole file of another version.
    Other,
    /// A file with this checksum, which is not the right one.
    Damaged(String),
}

/// One model on its way.
struct Task<'a> {
    store: &'a ModelStore,
    name: &'a str,
    entry: &'a CatalogueEntry,
    sha256: &'a str,
    layout: Layout,
    context: &'a BuildContext,
}

impl Task<'_> {
    async fn run(self) -> Result<PathBuf, Error> {
        if let Cached::Good = self.check(&Held::nothing()).await? {
            return Ok(self.layout.file);
        }
        let held = self.lock().await?;
        // Another process may have fetched it meanwhile.
        let damaged = match self.check(&held).await? {
            Cached::Good => return Ok(self.layout.file),
            Cached::Absent | Cached::Other => None,
            Cached::Damaged(actual) => Some(actual),
        };
        if let Some(actual) = &damaged {
            self.discard(actual)?;
        }
        match self.fetch(&held).await {
            Err(error) if damaged.is_some() && error.kind() != ErrorKind::Cancelled => {
                let (file, why) = (self.layout.file.display(), damaged.unwrap_or_default());
                let message = format!("{file} was damaged and is deleted ({why}); {error}");
                let hint = error.hint().unwrap_or("fetch it again").to_owned();
                Err(Error::new(error.kind(), message).with_hint(hint).with_source(error))
            }
            result => result,
        }
    }

    /// Whether the file in the cache is the right one; hashes it only if the record does not tell.
    async fn check(&self, held: &Held) -> Result<Cached, Error> {
        match record::look(&self.layout.file, &self.layout.record, self.sha256) {
            Known::Absent => return Ok(Cached::Absent),
            Known::Verified => return Ok(Cached::Good),
            Known::Other => return Ok(Cached::Other),
            Known::Unknown => {}
        }
        let size = fs::metadata(&self.layout.file).map(|metadata| metadata.len()).ok();
        if let (Some(expected), Some(actual)) = (self.entry.size, size)
            && expected != actual
        {
            return Ok(Cached::Damaged(format!("{actual} bytes instead of {expected}")));
        }
        let report = Reporter::new(self.context, format!("checking {}", self.name), size);
        let (file, record) = (self.layout.file.clone(), self.layout.record.clone());
        let expected = self.sha256.to_owned();
        let checked = held.run(move |stop| {
            let actual = record::checksum(&file, stop, |done| report.set(done))?;
            if actual.as_ref() == Some(&expected) {
                // A cache that may only be read works too; it is then hashed at every start.
                let _ = record::write(&file, &record, &expected);
            }
            io::Result::Ok(actual)
        });
        match checked.await? {
            Ok(Some(actual)) if actual == self.sha256 => Ok(Cached::Good),
            Ok(actual) => {
                Ok(Cached::Damaged(wrong_checksum(self.sha256, &actual.unwrap_or_default())))
            }
            Err(error) => Err(disk_error("read", &self.layout.file, error)),
        }
    }

    async fn lock(&self) -> Result<Held, Error> {
        let mut report = None;
        let waiting = || {
            let task = || format!("waiting for another process that fetches {}", self.name);
            let report =
                report.get_or_insert_with(|| Reporter::new(self.context, task(), self.entry.size));
            report.set(bytes_under(&self.layout.partial));
        };
        let lock = ModelLock::take(&self.layout.lock, waiting).await;
        lock.map(Held::new).map_err(|error| disk_error("write to", &self.store.root, error))
    }

    fn discard(&self, why: &str) -> Result<(), Error> {
        let file = &self.layout.file;
        let task = format!("deleting a damaged {} ({why})", self.name);
        drop(Reporter::new(self.context, task, None));
        let _ = fs::remove_file(&self.layout.record);
        fs::remove_file(file).map_err(|error| disk_error("remove the damaged", file, error))
    }

    /// Tries the sources in order.
    async fn fetch(&self, held: &Held) -> Result<PathBuf, Error> {
        if self.context.offline()
            && !self
                .entry
                .sources
                .iter()
                .any(|source| path_of(source).is_some_and(|path| path.is_file()))
        {
            return Err(self.offline());
        }
        let partial = &self.layout.partial;
        fs::create_dir_all(partial)
            .map_err(|error| disk_error("make the folder", partial, error))?;
        let result = self.try_sources(held).await;
        if result.is_err() {
            // Folders that hold nothing to go on from; those that hold something stay.
            let _ = fs::remove_dir(partial).and_then(|()| fs::remove_dir(&self.layout.folder));
        }
        result
    }

    async fn try_sources(&self, held: &Held) -> Result<PathBuf, Error> {
        let partial = &self.layout.partial;
        let mut failures = Vec::new();
        for source in &self.entry.sources {
            if let Some(path) = path_of(source) {
                if path.is_file() {
                    return Ok(path);
                }
                let error = Error::new(ErrorKind::ModelLoad, "there is no such file");
                failures.push((source, error.with_hint("put the file there, or correct the path")));
                continue;
            }
            // Public models need no token, so having none is no failure.
            let token = match source {
                Source::Hub(_) => self.context.secret(&SecretRef::Hf(true)).ok(),
                _ => None,
            };
            let fetch = Fetch {
                name: self.name,
                size: self.entry.size,
                sha256: self.sha256,
                partial,
                held,
                context: self.context,
                pip: &self.store.pip,
                hub_endpoint: &self.store.hub_endpoint,
                token: token.as_ref().map(|token| token.expose()),
            };
            match fetch.from(source).await {
                Ok(whole) => return self.install(held, whole).await,
                Err(Failure::Stop(error)) => return Err(error),
                Err(Failure::TryNext(error)) => failures.push((source, error)),
            }
        }
        Err(self.all_failed(failures))
    }

    /// Puts a checked file in its place.
    async fn install(&self, held: &Held, whole: PathBuf) -> Result<PathBuf, Error> {
        let (layout, sha256) = (self.layout.clone(), self.sha256.to_owned());
        let installed = held.run(move |_| install(&layout, &whole, &sha256));
        installed.await?.map_err(|error| disk_error("write", &self.layout.file, error))?;
        Ok(self.layout.file.clone())
    }

    fn offline(&self) -> Error {
        let message = format!("the model {} is not fetched yet, and the network is off", self.name);
        Error::new(ErrorKind::ModelLoad, message)
            .with_hint(format!("fetch it while online: textport models pull {}", self.name))
    }

    fn all_failed(&self, mut failures: Vec<(&Source, Error)>) -> Error {
        if failures.len() == 1
            && let Some((source, error)) = failures.pop()
        {
            let message = format!("could not fetch {} from {source}: {error}", self.name);
            return rephrase(error, message);
        }
        let lines: Vec<_> =
            failures.iter().map(|(source, why)| format!("{source}: {why}")).collect();
        let message = format!("could not fetch {}: {}", self.name, lines.join("; "));
        // The most telling one speaks for all: what is wrong beats what cannot be reached, and a
        // file that is not there was only a chance.
        let rank = |(source, error): &(&Source, Error)| match (source, error.kind()) {
            (Source::Path(_), _) => 0,
            (_, ErrorKind::Network) => 1,
            _ => 2,
        };
        match failures.into_iter().max_by_key(rank) {
            Some((_, error)) => rephrase(error, message),
            None => Error::new(ErrorKind::ModelLoad, message),
        }
    }
}

/// The same error in other words.
fn rephrase(error: Error, message: String) -> Error {
    let outer = Error::new(error.kind(), message).with_advice(error.advice());
    match error.hint().map(str::to_owned) {
        Some(hint) => outer.with_hint(hint).with_source(error),
        None => outer.with_source(error),
    }
}

fn install(layout: &Layout, whole: &Path, sha256: &str) -> io::Result<()> {
    File::open(whole)?.sync_all()?;
    // The old record goes first: it must never stand beside a file that it does not describe.
    match fs::remove_file(&layout.record) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::rename(whole, &layout.file)?;
    sync_folder(&layout.folder)?;
    record::write(&layout.file, &layout.record, sha256)?;
    fs::remove_dir_all(&layout.partial)
}

/// What is wrong with a file whose checksum is not the expected one.
pub(crate) fn wrong_checksum(expected: &str, actual: &str) -> String {
    format!("wrong checksum: expected sha256 {expected}, got {actual}")
}
