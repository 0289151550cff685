//! Trouble with the disk, in words that say what to do, and the steps that make a rename last.

use std::fs::File;
use std::io;
use std::path::Path;

use ports::{Error, ErrorKind};

/// What a failed access to the disk means. `doing` completes "could not …".
pub(crate) fn disk_error(doing: &str, path: &Path, error: io::Error) -> Error {
    use io::ErrorKind as Io;
    let (message, hint) = match error.kind() {
        Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge | Io::WriteZero => (
            format!("the disk is full: could not {doing} {}", path.display()),
            "free some space, or set cache_dir to a folder on another disk",
        ),
        Io::ReadOnlyFilesystem | Io::PermissionDenied => (
            format!("could not {doing} {}: no permission ({error})", path.display()),
            "change its permissions, or set cache_dir to a folder that may be written",
        ),
        _ => (
            format!("could not {doing} {}: {error}", path.display()),
            "check the disk, or set cache_dir to another folder",
        ),
    };
    Error::new(ErrorKind::ModelLoad, message).with_hint(hint).with_source(error)
}

/// Refuses to begin what cannot fit.
pub(crate) fn need_space(folder: &Path, needed: u64) -> Result<(), Error> {
    // A file system that cannot say how much is left gets the benefit of the doubt: a full disk
    // is noticed when it is written to.
    let Ok(available) = fs4::available_space(folder) else { return Ok(()) };
    if available >= needed {
        return Ok(());
    }
    let message = format!(
        "not enough space in {}: {} needed, {} available",
        folder.display(),
        megabytes(needed),
        megabytes(available)
    );
    Err(Error::new(ErrorKind::ModelLoad, message)
        .with_hint("free some space, or set cache_dir to a folder on another disk"))
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

/// Makes the names in a folder last through a power cut.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    // Other systems cannot open a folder as a file, and keep names safe by themselves.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_called_by_its_name() {
        let error = io::Error::from(io::ErrorKind::StorageFull);
        let error = disk_error("write", Path::new("/cache/model"), error);
        assert_eq!(error.kind(), ErrorKind::ModelLoad);
        assert_eq!(error.to_string(), "the disk is full: could not write /cache/model");
        assert!(error.hint().is_some_and(|hint| hint.contains("cache_dir")));
    }

    #[test]
    fn too_little_space_is_refused_with_both_numbers() {
        let folder = tempfile::tempdir().unwrap();
        need_space(folder.path(), 1).unwrap();
        let error = need_space(folder.path(), u64::MAX).unwrap_err().to_string();
        assert!(error.contains("MB needed, ") && error.ends_with("MB available"), "{error}");
    }
}
