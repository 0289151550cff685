//! Turns between processes that want the same model.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Held until it is dropped, or until the process ends in whatever way.
#[derive(Debug)]
pub(super) struct ModelLock {
    // Closing the file gives the lock back.
    _file: File,
}

const POLL: Duration = Duration::from_millis(100);
const SOON: usize = 5;

impl ModelLock {
    /// Takes the lock if it is free.
    fn try_take(path: &Path) -> io::Result<Option<Self>> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Takes the lock if it is free now or in a moment: a process that another thread is just
    /// starting holds it too, until it has become another program.
    pub(super) fn take_soon(path: &Path) -> io::Result<Option<Self>> {
        for _ in 0..SOON {
            if let Some(lock) = Self::try_take(path)? {
                return Ok(Some(lock));
            }
            thread::sleep(POLL);
        }
        Self::try_take(path)
    }

    /// Waits for the lock. It is asked for again and again instead of in one blocking call, which
    /// a dropped future could not leave.
    pub(super) async fn take(path: &Path, mut waiting: impl FnMut()) -> io::Result<Self> {
        loop {
            if let Some(lock) = Self::try_take(path)? {
                return Ok(lock);
            }
            waiting();
            tokio::time::sleep(POLL).await;
        }
    }
}
