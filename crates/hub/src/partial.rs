//! The part of a file that has arrived, and what tells whether it may be continued.

use std::any::Any;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::Error;

/// What the server said of the content when the first byte came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// The file that was asked for.
    pub(crate) what: String,
    /// The tag that the sending server gave it; only a strong one allows going on.
    pub(crate) etag: Option<String>,
    /// Its whole length.
    pub(crate) total: Option<u64>,
}

/// The part that has arrived. Every change of the file happens away from the async threads.
#[derive(Debug)]
pub(crate) struct Partial {
    paths: Paths,
    open: Arc<Mutex<Open>>,
    bytes: u64,
    origin: Option<Origin>,
    guard: Guard,
}

/// Something that is let go only when no work on the disk is under way any more, dropped futures
/// included: a lock, as a rule.
pub type Guard = Arc<dyn Any + Send + Sync>;

#[derive(Debug, Clone)]
struct Paths {
    whole: PathBuf,
    part: PathBuf,
    origin: PathBuf,
}

#[derive(Debug)]
struct Open {
    file: File,
    hasher: Sha256,
}

impl Partial {
    /// Opens what an earlier try left of `what`, or begins. It is gathered in `part`, or else beside
    /// the file that it becomes.
    pub(crate) async fn open(
        whole: &Path,
        part: Option<&Path>,
        what: &str,
        guard: Guard,
    ) -> Result<Self, Error> {
        let with = |path: &Path, suffix: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        let part = part.map_or_else(|| with(whole, ".incomplete"), Path::to_owned);
        let origin = with(&part, ".json");
        let paths = Paths { whole: whole.to_owned(), part, origin };
        let what = what.to_owned();
        let opened = paths.clone();
        let (open, bytes, origin) = blocking(&paths, &guard, move || opened.open(&what)).await?;
        Ok(Self { paths, open: Arc::new(Mutex::new(open)), bytes, origin, guard })
    }

    /// How much has arrived.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What the server said of the content.
    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Begins anew with other content.
    pub(crate) async fn restart(&mut self, origin: Option<Origin>) -> Result<(), Error> {
        let (paths, open, new) = (self.paths.clone(), Arc::clone(&self.open), origin.clone());
        self.origin = None;
        blocking(&self.paths, &self.guard, move || {
            let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
            // The description goes first and comes back after the old content is gone.
            remove(&paths.origin)?;
            open.file.set_len(0)?;
            open.file.seek(SeekFrom::Start(0))?;
            open.hasher = Sha256::new();
            match new {
                Some(origin) => write_whole(&paths.origin, &serde_json::to_vec(&origin)?),
                None => Ok(()),
            }
        })
        .await?;
        self.bytes = 0;
        self.origin = origin;
        Ok(())
    }

    /// Adds what came.
    pub(crate) async fn append(&mut self, piece: Vec<u8>) -> Result<(), Error> {
        let open = Arc::clone(&self.open);
        let length = piece.len() as u64;
        blocking(&self.paths, &self.guard, move || {
            let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
            open.file.write_all(&piece)?;
            open.hasher.update(&piece);
            Ok(())
        })
        .await?;
        self.bytes += length;
        Ok(())
    }

    /// The checksum of what has arrived.
    pub(crate) fn sha256(&self) -> String {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        hex(&open.hasher.clone().finalize())
    }

    /// The name that git gives this content. It begins with the length, so that it cannot be
    /// computed while the content streams in.
    pub(crate) async fn git_sha1(&self) -> Result<String, Error> {
        let (part, bytes) = (self.paths.part.clone(), self.bytes);
        blocking(&self.paths, &self.guard, move || {
            let mut hasher = Sha1::new_with_prefix(format!("blob {bytes}\0"));
            read_all(&mut File::open(part)?, |piece| hasher.update(piece))?;
            Ok(hex(&hasher.finalize()))
        })
        .await
    }

    /// Gives the file its name: it is whole.
    pub(crate) async fn finish(self) -> Result<(), Error> {
        let (paths, open) = (self.paths.clone(), Arc::clone(&self.open));
        blocking(&self.paths, &self.guard, move || {
            open.lock().unwrap_or_else(PoisonError::into_inner).file.sync_all()?;
            fs::rename(&paths.part, &paths.whole)?;
            remove(&paths.origin)?;
            sync_folder(&paths.whole)
        })
        .await
    }

    /// Deletes what has arrived.
    pub(crate) async fn discard(self) -> Result<(), Error> {
        let paths = self.paths.clone();
        blocking(&self.paths, &self.guard, move || {
            remove(&paths.origin).and_then(|()| remove(&paths.part))
        })
        .await
    }
}

impl Paths {
    fn open(&self, what: &str) -> io::Result<(Open, u64, Option<Origin>)> {
        let origin = fs::read(&self.origin).ok();
        let origin: Option<Origin> = origin.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let origin = origin.filter(|origin| origin.what == what);
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(&self.part)?;
        let length = file.metadata()?.len();
        let total = origin.as_ref().and_then(|origin| origin.total).unwrap_or(u64::MAX);
        if origin.is_none() || length > total {
            file.set_len(0)?;
        }
        let mut hasher = Sha256::new();
        let bytes = read_all(&mut file, |piece| hasher.update(piece))?;
        Ok((Open { file, hasher }, bytes, origin))
    }
}

/// Reads to the end, piece by piece; the number of bytes.
fn read_all(file: &mut File, mut seen: impl FnMut(&[u8])) -> io::Result<u64> {
    let (mut buffer, mut bytes) = (vec![0; 1 << 20], 0);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(n) => {
                seen(&buffer[..n]);
                bytes += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn blocking<T: Send + 'static>(
    paths: &Paths,
    guard: &Guard,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    // Work that has begun goes on when its future is dropped: it keeps the guard until it is over.
    let guard = Arc::clone(guard);
    let guarded = move || {
        let result = work();
        drop(guard);
        result
    };
    match tokio::task::spawn_blocking(guarded).await {
        Ok(result) => result.map_err(|error| Error::io(&paths.part, error)),
        Err(_) => Err(Error::Cancelled),
    }
}

/// Replaces a small file at once: readers see the old or the new content, never a mixture.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // Readable for whoever may read what is beside it: a cache can be shared.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.prefix(".tmp-").tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync_folder(file: &Path) -> io::Result<()> {
    match file.parent() {
        // Other systems cannot open a folder as a file, and keep names safe by themselves.
        Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}
