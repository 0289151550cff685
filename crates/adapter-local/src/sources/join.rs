//! Joining members of wheels into one file, in steps that survive a crash.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zip::ZipArchive;
use zip::result::ZipError;

use crate::store::{Stop, hex, write_whole};

/// Why a member could not be joined.
#[derive(Debug, thiserror::Error)]
pub(super) enum JoinError {
    /// The wheel is not what it should be.
    #[error("{0}")]
    Wheel(String),
    /// The file could not be written.
    #[error("{0}")]
    Disk(#[from] io::Error),
    /// Nobody waits for it any more.
    #[error("stopped")]
    Stopped,
}

/// What is certain to be on the disk.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Journal {
    /// What is being joined; the pieces of another plan are worth nothing.
    plan: String,
    parts: usize,
    bytes: u64,
}

/// A file that grows part by part.
#[derive(Debug)]
pub(super) struct Join {
    path: PathBuf,
    journal_path: PathBuf,
    journal: Journal,
    file: File,
    hasher: Sha256,
    limit: u64,
}

impl Join {
    /// Begins, or goes on after the last part that was finished. `limit` is the length that the
    /// whole may not exceed.
    pub(super) fn open(
        folder: &Path,
        plan: &str,
        limit: u64,
        stop: &Stop,
    ) -> Result<Self, JoinError> {
        let (path, journal_path) = (folder.join("joined"), folder.join("joined.json"));
        let read: Option<Journal> =
            fs::read(&journal_path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let length = fs::metadata(&path).map(|metadata| metadata.len()).unwrap_or(0);
        let usable = |journal: &Journal| journal.plan == plan && journal.bytes <= length.min(limit);
        let journal =
            read.filter(usable).unwrap_or(Journal { plan: plan.to_owned(), ..Journal::default() });
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
        file.set_len(journal.bytes)?;
        let mut hasher = Sha256::new();
        copy(&mut file, stop, |piece| {
            hasher.update(piece);
            Ok(())
        })?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { path, journal_path, journal, file, hasher, limit })
    }

    /// How many parts are done.
    pub(super) fn parts(&self) -> usize {
        self.journal.parts
    }

    /// How many bytes are done.
    pub(super) fn bytes(&self) -> u64 {
        self.journal.bytes
    }

    /// Appends one member of a wheel. After an error the file is to be opened anew.
    pub(super) fn append(
        &mut self,
        wheel: &Path,
        member: &str,
        stop: &Stop,
        mut seen: impl FnMut(u64),
    ) -> Result<(), JoinError> {
        let name = wheel.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let damaged = |error: ZipError| JoinError::Wheel(format!("{name} is damaged: {error}"));
        let mut archive = ZipArchive::new(File::open(wheel)?).map_err(damaged)?;
        let member = match archive.by_name(member) {
            Err(ZipError::FileNotFound) => {
                return Err(JoinError::Wheel(format!("{name} has no member {member}")));
            }
            member => member.map_err(damaged)?,
        };
        let left = self.limit - self.journal.bytes;
        // The declared length is a claim; what comes out is what is counted.
        let mut bytes = 0;
        let result = copy(member.take(left + 1), stop, |piece| {
            bytes += piece.len() as u64;
            if bytes > left {
                return Err(JoinError::Wheel(format!("{name} unpacks to more than it may")));
            }
            self.hasher.update(piece);
            self.file.write_all(piece)?;
            seen(self.journal.bytes + bytes);
            Ok(())
        });
        match result {
            // Errors of the decoder come out of the reader, of the disk out of the writer.
            Err(JoinError::Disk(error)) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(JoinError::Wheel(format!("{name} is damaged: {error}")));
            }
            result => result?,
        }
        self.file.sync_data()?;
        self.journal.parts += 1;
        self.journal.bytes += bytes;
        write_whole(
            &self.journal_path,
            &serde_json::to_vec(&self.journal).map_err(io::Error::from)?,
        )?;
        Ok(())
    }

    /// The file and its checksum.
    pub(super) fn finish(self) -> (PathBuf, String) {
        (self.path, hex(&self.hasher.finalize()))
    }

    /// Forgets a part that broke off before any was finished: there is nothing to go on from.
    pub(super) fn discard_unless_begun(folder: &Path) -> io::Result<()> {
        if folder.join("joined.json").exists() { Ok(()) } else { Self::discard(folder) }
    }

    /// Forgets everything that was joined.
    pub(super) fn discard(folder: &Path) -> io::Result<()> {
        for name in ["joined.json", "joined"] {
            match fs::remove_file(folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

fn copy(
    mut from: impl Read,
    stop: &Stop,
    mut to: impl FnMut(&[u8]) -> Result<(), JoinError>,
) -> Result<(), JoinError> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        if stop.asked() {
            return Err(JoinError::Stopped);
        }
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => to(&buffer[..n])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}
