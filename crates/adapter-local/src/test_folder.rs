//! Model folders for tests: the fixtures, and changed copies of them.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

/// A folder beside the tests.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hf").join(name)
}

/// A copy that may be changed; it goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Copy {
    folder: TempDir,
}

impl Copy {
    /// A copy of a fixture.
    pub(crate) fn of(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(fixture(name)).unwrap() {
            let from = entry.unwrap().path();
            std::fs::copy(&from, folder.path().join(from.file_name().unwrap())).unwrap();
        }
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Puts a value into a JSON file; null takes it away.
    pub(crate) fn set(&self, file: &str, key: &str, value: Value) -> &Self {
        let mut json: Value = serde_json::from_slice(&self.read(file)).unwrap();
        match value {
            Value::Null => drop(json.as_object_mut().unwrap().remove(key)),
            value => json[key] = value,
        }
        self.write(file, json.to_string().as_bytes())
    }

    pub(crate) fn read(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.file(file)).unwrap()
    }

    pub(crate) fn write(&self, file: &str, bytes: &[u8]) -> &Self {
        std::fs::write(self.file(file), bytes).unwrap();
        self
    }

    /// The header of a safetensors file, and its data.
    pub(crate) fn split(&self, file: &str) -> (Value, Vec<u8>) {
        let bytes = self.read(file);
        let (length, rest) = bytes.split_first_chunk::<8>().unwrap();
        let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
        (serde_json::from_slice(header).unwrap(), data.to_vec())
    }

    /// Writes a safetensors file of a header and its data.
    pub(crate) fn join(&self, file: &str, header: &Value, data: &[u8]) -> &Self {
        self.write(file, &safetensors(&header.to_string(), data))
    }
}

/// A safetensors file.
pub(crate) fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}
