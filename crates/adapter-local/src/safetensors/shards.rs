//! The weights of a model folder: one file, or shards and the index that names them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::{Entry, SafetensorsFile};
use crate::bytes::Bytes;
use crate::error::{LoadCause, LoadError};

const ONE_FILE: &str = "model.safetensors";
/// What names the files of weights that are in several.
pub(crate) const INDEX: &str = "model.safetensors.index.json";
/// The largest in use have some 10 MB.
const LARGEST_INDEX: u64 = 64 << 20;
/// The most in use are some 200.
const MOST_SHARDS: usize = 4096;

/// What the index says.
#[derive(Debug, Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// All tensors of a folder.
#[derive(Debug)]
pub(crate) struct Shards {
    folder: PathBuf,
    files: Vec<SafetensorsFile>,
    /// Which file each tensor is in.
    places: BTreeMap<String, usize>,
}

impl Shards {
    /// Opens `model.safetensors` in `folder`, or else what the index there names.
    pub(crate) fn open(folder: &Path) -> Result<Self, LoadError> {
        let one = folder.join(ONE_FILE);
        if one.exists() {
            return Self::of(folder, vec![SafetensorsFile::open(&one)?]);
        }
        let path = folder.join(INDEX);
        let index = read_index(&path)?;
        let names: BTreeSet<&str> = index.weight_map.values().map(String::as_str).collect();
        let wrong = |problem: String| {
            let key = "weight_map".to_owned();
            LoadError::new(&path, LoadCause::Metadata { key, problem })
        };
        if names.len() > MOST_SHARDS {
            return Err(wrong(format!("names {} files, more than {MOST_SHARDS}", names.len())));
        }
        let mut files = Vec::new();
        for name in names {
            if !is_plain(name) {
                return Err(wrong(format!("names {name:?}, which is no file of the folder")));
            }
            files.push(open_shard(&folder.join(name))?);
        }
        let shards = Self::of(folder, files)?;
        shards.check(&index)?;
        Ok(shards)
    }

    fn of(folder: &Path, files: Vec<SafetensorsFile>) -> Result<Self, LoadError> {
        let mut places = BTreeMap::new();
        for (number, file) in files.iter().enumerate() {
            for name in file.tensors().keys() {
                if places.insert(name.clone(), number).is_some() {
                    return Err(file.error(LoadCause::DuplicateTensor(name.clone())));
                }
            }
        }
        Ok(Self { folder: folder.to_owned(), files, places })
    }

    /// Every tensor is in the file that the index says.
    fn check(&self, index: &Index) -> Result<(), LoadError> {
        for (name, shard) in &index.weight_map {
            if self.get(name).is_none_or(|(file, _)| file.path() != self.folder.join(shard)) {
                let path = self.folder.join(shard);
                return Err(LoadError::new(&path, LoadCause::MissingTensor(name.clone())));
            }
        }
        Ok(())
    }

    /// The names of all tensors, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// A tensor and the file it is in.
    pub(crate) fn get(&self, name: &str) -> Option<(&SafetensorsFile, &Entry)> {
        let file = self.files.get(*self.places.get(name)?)?;
        Some((file, file.tensors().get(name)?))
    }

    /// Bytes of all files.
    pub(crate) fn size(&self) -> u64 {
        self.files.iter().map(SafetensorsFile::size).sum()
    }

    /// How many files there are.
    pub(crate) fn count(&self) -> usize {
        self.files.len()
    }
}

fn read_index(path: &Path) -> Result<Index, LoadError> {
    let failed = |cause| LoadError::new(path, cause);
    if !path.exists() {
        let folder = path.parent().unwrap_or(path);
        return Err(LoadError::new(folder, LoadCause::NoWeights));
    }
    let bytes = Bytes::map(path)?;
    let size = bytes.len() as u64;
    if size > LARGEST_INDEX {
        let what = "size of the index".to_owned();
        return Err(failed(LoadCause::Absurd { what, value: size, most: LARGEST_INDEX }));
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        failed(LoadCause::Json { what: "the index".into(), problem: error.to_string() })
    })
}

/// A name and nothing else: what an index names stays inside its folder.
fn is_plain(name: &str) -> bool {
    let mut components = Path::new(name).components();
    matches!((components.next(), components.next()), (Some(Component::Normal(part)), None) if part == name)
}

fn open_shard(path: &Path) -> Result<SafetensorsFile, LoadError> {
    SafetensorsFile::open(path).map_err(|error| match error.cause() {
        LoadCause::Io(io) if io.kind() == ErrorKind::NotFound => {
            LoadError::new(path, LoadCause::MissingShard)
        }
        _ => error,
    })
}
