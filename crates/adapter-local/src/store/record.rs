//! The record that a file was checked, so that starting up does not hash it again.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Stop;
use super::disk::sync_folder;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    size: u64,
    modified_ns: u128,
    sha256: String,
}

/// What is known of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// There is none.
    Absent,
    /// It was checked and has not changed since.
    Verified,
    /// It was checked against another checksum and has not changed since: another version.
    Other,
    /// Nothing certain.
    Unknown,
}

impl Record {
    fn of(metadata: &Metadata, sha256: &str) -> io::Result<Self> {
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (size, modified_ns) = (metadata.len(), modified.as_nanos());
        Ok(Self { size, modified_ns, sha256: sha256.to_owned() })
    }
}

/// What the record says of the file.
pub(super) fn look(file: &Path, record: &Path, sha256: &str) -> Known {
    let Ok(metadata) = fs::metadata(file) else { return Known::Absent };
    if !metadata.is_file() {
        return Known::Unknown;
    }
    let written: Option<Record> =
        fs::read(record).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(written) = written else { return Known::Unknown };
    match Record::of(&metadata, &written.sha256) {
        Ok(now) if now == written && written.sha256 == sha256 => Known::Verified,
        Ok(now) if now == written => Known::Other,
        _ => Known::Unknown,
    }
}

/// Writes that the file as it is now has this checksum.
pub(super) fn write(file: &Path, record: &Path, sha256: &str) -> io::Result<()> {
    let text = serde_json::to_vec(&Record::of(&fs::metadata(file)?, sha256)?)?;
    write_whole(record, &text)
}

/// Replaces a small file at once: readers see the old or the new content, never a mixture.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // Readable for whoever may read the model: a cache can be shared.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.prefix(".tmp-").tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_folder(folder)
}

/// The checksum of a file, in lower-case hex; `None` when stopped. `seen` hears of each piece.
pub(super) fn checksum(
    path: &Path,
    stop: &Stop,
    mut seen: impl FnMut(u64),
) -> io::Result<Option<String>> {
    let mut file = File::open(path)?;
    let (mut hasher, mut buffer, mut done) = (Sha256::new(), vec![0; 1 << 20], 0);
    while !stop.asked() {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Some(hex(&hasher.finalize()))),
            Ok(n) => {
                hasher.update(&buffer[..n]);
                done += n as u64;
                seen(done);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Bytes as lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_holds_until_the_file_or_the_checksum_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (file, record) = (folder.path().join("m"), folder.path().join("r"));
        assert_eq!(look(&file, &record, "aa"), Known::Absent);
        fs::write(&file, "model").unwrap();
        assert_eq!(look(&file, &record, "aa"), Known::Unknown);
        write(&file, &record, "aa").unwrap();
        assert_eq!(look(&file, &record, "aa"), Known::Verified);
        assert_eq!(look(&file, &record, "bb"), Known::Other);
        fs::write(&file, "longer model").unwrap();
        assert_eq!(look(&file, &record, "aa"), Known::Unknown);
        fs::write(&record, "not json").unwrap();
        assert_eq!(look(&file, &record, "aa"), Known::Unknown);
    }

    #[test]
    fn checksums_are_sha256_in_hex() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("m");
        fs::write(&file, "abc").unwrap();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(checksum(&file, &Stop::default(), |_| {}).unwrap().as_deref(), Some(expected));
        let stop = Stop::default();
        stop.ask();
        assert_eq!(checksum(&file, &stop, |_| {}).unwrap(), None);
    }
}
