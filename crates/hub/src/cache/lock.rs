//! Turns between processes that want the same content, by the locks of the Hub's own tools.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::layout::{HubCache, make_parent};
use crate::Error;
use crate::repo::RepoId;

/// Held until it is dropped, or until the process ends in whatever way.
#[derive(Debug)]
pub(crate) struct Lock {
    // Closing the file gives the lock back. The file stays, as the tools leave it: who waits for
    // it has it open already.
    _file: Option<File>,
}

const POLL: Duration = Duration::from_millis(100);
const SOON: u32 = 5;

impl Lock {
    /// Whether it is held at all: some network disks have no locks.
    pub(crate) fn is_held(&self) -> bool {
        self._file.is_some()
    }

    /// Waits for the lock of a content; `waiting` is called meanwhile. It is asked for again and
    /// again instead of in one blocking call, which a dropped future could not leave.
    pub(crate) async fn take(
        cache: &HubCache,
        repo: &RepoId,
        blob: &str,
        mut waiting: impl FnMut(),
    ) -> Result<Self, Error> {
        let path = cache.locks(repo).join(format!("{blob}.lock"));
        loop {
            let taken = make_parent(&path).and_then(|()| Self::try_take(&path));
            if let Some(lock) = taken.map_err(|error| Error::io(&path, error))? {
                return Ok(lock);
            }
            waiting();
            tokio::time::sleep(POLL).await;
        }
    }

    fn try_take(path: &Path) -> io::Result<Option<Self>> {
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: Some(file) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                Ok(Some(Self { _file: None }))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// All locks of a repository that exist, or `None` if somebody holds one of them for longer
    /// than a process takes to start: until it is another program, it holds what its parent holds.
    pub(super) fn all(cache: &HubCache, repo: &RepoId) -> Result<Option<Vec<Self>>, Error> {
        let mut locks = Vec::new();
        for path in lock_files(&cache.locks(repo)) {
            let taken = (0..=SOON).find_map(|tried| {
                thread::sleep(POLL * u32::from(tried > 0));
                Self::try_take(&path).transpose()
            });
            match taken.transpose().map_err(|error| Error::io(&path, error))? {
                Some(lock) => locks.push(lock),
                None => return Ok(None),
            }
        }
        Ok(Some(locks))
    }
}

fn lock_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect()
}
