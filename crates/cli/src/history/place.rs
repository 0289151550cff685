//! Where the log lies, who may read it, and whether it is switched off.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use textport::Error;

use super::error;
use crate::settings::Settings;

/// Where the log lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    database: PathBuf,
    off_switch: PathBuf,
}

impl Place {
    /// Where the settings have it.
    pub(crate) fn of(settings: &Settings) -> Self {
        Self::new(&settings.dirs.state, settings.log_db.clone())
    }

    /// In the state folder, unless `database` (the variable `TEXTPORT_LOG_DB`) names another file.
    pub(crate) fn new(state_dir: &Path, database: Option<PathBuf>) -> Self {
        Self {
            database: database.unwrap_or_else(|| state_dir.join("logs.db")),
            off_switch: state_dir.join("logs.off"),
        }
    }

    /// The database file.
    pub(crate) fn database(&self) -> &Path {
        &self.database
    }

    /// Whether `textport logs off` holds.
    pub(crate) fn switched_off(&self) -> bool {
        self.off_switch.exists()
    }

    /// Switches logging on or off for every later command.
    ///
    /// # Errors
    /// An error when the switch cannot be written.
    pub(crate) fn switch(&self, on: bool) -> Result<(), Error> {
        let done = if on {
            match fs::remove_file(&self.off_switch) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        } else {
            private_parent(&self.off_switch).and_then(|()| private_file(&self.off_switch)).map(drop)
        };
        done.map_err(|source| error::unusable(&self.off_switch, source))
    }

    /// Makes the folder and the file, readable by their owner alone: SQLite would make a new file
    /// readable by all, and gives its side files the same mode as the file.
    pub(super) fn prepare(&self) -> Result<(), Error> {
        if self.database.exists() {
            return Ok(());
        }
        private_parent(&self.database)
            .and_then(|()| private_file(&self.database))
            .map(drop)
            .map_err(|source| error::unusable(&self.database, source))
    }
}

/// Makes the folders above `file` that are missing, for their owner alone.
pub(crate) fn private_parent(file: &Path) -> io::Result<()> {
    let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(());
    };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Opens `file` to append, and makes it for its owner alone if it is missing.
pub(crate) fn private_file(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}
