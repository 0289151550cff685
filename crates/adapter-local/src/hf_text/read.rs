//! Files of bounded size, whole.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use serde::de::DeserializeOwned;

use super::{TextCause, TextError};

/// The largest in use have some 35 MB.
pub(super) const LARGEST_TOKENIZER: u64 = 256 << 20;
/// The largest in use have some 2 MB.
pub(super) const LARGEST: u64 = 16 << 20;

/// The bytes of a file; none where there is no such file.
fn bytes(path: &Path, most: u64) -> Result<Option<Vec<u8>>, TextError> {
    let failed = |cause| TextError::new(path, cause);
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|error| failed(TextCause::Io(error)))?,
    };
    let metadata = file.metadata().map_err(|error| failed(TextCause::Io(error)))?;
    if !metadata.is_file() {
        return Err(failed(TextCause::NoFile));
    }
    let size = metadata.len();
    if size > most {
        return Err(failed(TextCause::TooLarge { size, most }));
    }
    let mut bytes = Vec::with_capacity(size as usize);
    // It may have grown since.
    file.take(most).read_to_end(&mut bytes).map_err(|error| failed(TextCause::Io(error)))?;
    Ok(Some(bytes))
}

/// A file as text.
pub(super) fn text(path: &Path) -> Result<Option<String>, TextError> {
    let Some(bytes) = bytes(path, LARGEST)? else { return Ok(None) };
    let text = String::from_utf8(bytes);
    text.map(Some).map_err(|_| TextError::new(path, TextCause::NotUtf8))
}

/// A file as JSON.
pub(super) fn json<T: DeserializeOwned>(path: &Path, most: u64) -> Result<Option<T>, TextError> {
    let Some(bytes) = bytes(path, most)? else { return Ok(None) };
    let value = serde_json::from_slice(&bytes);
    value.map(Some).map_err(|error| TextError::new(path, TextCause::Json(error)))
}
