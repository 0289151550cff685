//! The file that a result goes to: whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::NamedTempFile;
use textport::{Error, ErrorKind};

use crate::failure::Failure;

/// A place that can be written to, with nothing in it yet.
#[derive(Debug)]
pub(super) struct Destination {
    path: PathBuf,
    file: NamedTempFile,
    overwrites: bool,
}

impl Destination {
    /// Makes sure, before any work, that the file can be written.
    ///
    /// # Errors
    /// A usage error when it exists and must not be overwritten, or its folder cannot be written to.
    pub(super) fn prepare(path: &Path, overwrites: bool) -> Result<Self, Failure> {
        if fs::symlink_metadata(path).is_ok() && !overwrites {
            return Err(exists(path));
        }
        if path.is_dir() {
            return Err(Failure::usage(format!("{} is a folder", path.display())));
        }
        // What a link leads to is overwritten, not the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut builder = tempfile::Builder::new();
        builder.prefix(".textport-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(folder(&path)).map_err(|error| unwritable(&path, error))?;
        Ok(Self { path, file, overwrites })
    }

    /// Writes the value and gives the path.
    ///
    /// # Errors
    /// Whatever the disk says, and a usage error when somebody else made the file meanwhile.
    pub(super) fn write(self, value: &Value) -> Result<PathBuf, Failure> {
        let Self { path, mut file, overwrites } = self;
        let unwritten = |error| unwritable(&path, error);
        let mut text = serde_json::to_vec_pretty(value).map_err(|e| unwritten(e.into()))?;
        text.push(b'\n');
        file.write_all(&text).map_err(unwritten)?;
        file.as_file().sync_all().map_err(unwritten)?;
        let kept = if overwrites { file.persist(&path) } else { file.persist_noclobber(&path) };
        match kept {
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(exists(&path));
            }
            kept => kept.map_err(|error| unwritten(error.error))?,
        };
        // The name is on the disk only when its folder is; some systems cannot promise that.
        let _ = File::open(folder(&path)).and_then(|folder| folder.sync_all());
        Ok(path)
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn exists(path: &Path) -> Failure {
    Failure::usage(format!("{} exists already", path.display()))
        .try_this("add --force to overwrite it, or choose another name")
}

fn unwritable(path: &Path, error: io::Error) -> Failure {
    let message = format!("cannot write {}", path.display());
    Error::new(ErrorKind::InvalidRequest, message).with_source(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_file_is_written_whole_and_never_overwritten_by_accident() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.json");
        Destination::prepare(&path, false).unwrap().write(&json!({ "a": 1 })).unwrap();
        assert!(Destination::prepare(&path, false).is_err());
        // Nor when it comes to be while the work runs.
        let other = folder.path().join("other.json");
        let late = Destination::prepare(&other, false).unwrap();
        fs::write(&other, "mine").unwrap();
        assert!(late.write(&json!(2)).is_err());
        assert_eq!(fs::read_to_string(&other).unwrap(), "mine");
        Destination::prepare(&path, true).unwrap().write(&json!(3)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "3\n");
        // A run that is given up leaves nothing.
        drop(Destination::prepare(&folder.path().join("never.json"), false).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        assert!(Destination::prepare(&folder.path().join("no/where.json"), false).is_err());
    }
}
