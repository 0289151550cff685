//! The header: its length, then JSON that says where each tensor's bytes lie after it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::{Entry, kind_of};
use crate::error::LoadCause;

/// Most bytes of a header that are believed, as in the format's own implementation.
const LONGEST: u64 = 100_000_000;
/// Bytes of the header's length.
const LENGTH: usize = 8;
const MOST_DIMENSIONS: usize = 8;
/// What files say about themselves; no tensor.
const ABOUT: &str = "__metadata__";

/// An entry as it stands in the JSON.
#[derive(Debug, Deserialize)]
struct RawEntry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// All entries, in no particular order.
struct Entries(Vec<(String, RawEntry)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;

        impl<'de> Visitor<'de> for Map {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == ABOUT {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    let entry = map
                        .next_value()
                        .map_err(|error| A::Error::custom(format!("tensor {name:?}: {error}")))?;
                    entries.push((name, entry));
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Map)
    }
}

/// Reads and checks a whole header.
pub(super) fn parse(bytes: &[u8]) -> Result<BTreeMap<String, Entry>, LoadCause> {
    let size = bytes.len();
    let cut = |what: &str, at, wanted| LoadCause::HeaderCut { what: what.into(), at, wanted, size };
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH>() else {
        return Err(cut("the header's length", 0, LENGTH));
    };
    let value = u64::from_le_bytes(*length);
    if value > LONGEST {
        return Err(LoadCause::Absurd { what: "header's length".into(), value, most: LONGEST });
    }
    let length = value as usize;
    let header = rest.get(..length).ok_or_else(|| cut("the header", LENGTH, length))?;
    // What is ignored below is not looked at, but it is part of the header.
    let header = std::str::from_utf8(header).map_err(|error| LoadCause::NotUtf8 {
        what: "the header".into(),
        at: LENGTH + error.valid_up_to(),
    })?;
    let Entries(raw) = serde_json::from_str(header).map_err(|error| LoadCause::Json {
        what: "the header".into(),
        problem: error.to_string(),
    })?;
    place(raw, LENGTH + length, size)
}

/// Works out where the bytes of all tensors lie, and checks that they do.
fn place(
    mut raw: Vec<(String, RawEntry)>,
    data: usize,
    size: usize,
) -> Result<BTreeMap<String, Entry>, LoadCause> {
    raw.sort_by_key(|(_, entry)| entry.data_offsets);
    let (mut tensors, mut end, mut last) = (BTreeMap::new(), 0, String::new());
    for (name, raw) in raw {
        let [from, to] = raw.data_offsets;
        let entry = raw.check(&name, data, size)?;
        if tensors.contains_key(&name) {
            return Err(LoadCause::DuplicateTensor(name));
        }
        if from < end {
            return Err(LoadCause::Overlap { first: last, second: name });
        }
        if from > end {
            return Err(LoadCause::Hole { tensor: name, bytes: from - end });
        }
        (end, last) = (to, name.clone());
        tensors.insert(name, entry);
    }
    match (size - data) as u64 - end {
        0 => Ok(tensors),
        bytes => Err(LoadCause::Trailing { bytes }),
    }
}

impl RawEntry {
    /// The entry, if its bytes are in the file and as many as its shape needs.
    fn check(self, name: &str, data: usize, size: usize) -> Result<Entry, LoadCause> {
        let wrong = |problem: String| LoadCause::Shape { tensor: name.to_owned(), problem };
        let [from, to] = self.data_offsets;
        if self.shape.len() > MOST_DIMENSIONS {
            return Err(wrong(format!("has {} dimensions", self.shape.len())));
        }
        let Some(bytes) = to.checked_sub(from) else {
            return Err(wrong(format!("ends at {to}, before it begins at {from}")));
        };
        let end = to.saturating_add(data as u64);
        if end > size as u64 {
            return Err(LoadCause::TensorCut { tensor: name.to_owned(), end, size: size as u64 });
        }
        let numbers = self.shape.iter().try_fold(1_u64, |a, b| a.checked_mul(*b));
        if let Some(kind) = kind_of(&self.dtype) {
            let needs = numbers.and_then(|numbers| numbers.checked_mul(kind.block().1 as u64));
            if needs != Some(bytes) {
                let (shape, dtype) = (&self.shape, &self.dtype);
                return Err(wrong(format!("has {bytes} bytes for the shape {shape:?} of {dtype}")));
            }
        }
        let shape = self.shape.iter().map(|n| usize::try_from(*n)).collect::<Result<_, _>>();
        Ok(Entry {
            dtype: self.dtype,
            shape: shape.map_err(|_| wrong("is too large for this machine".into()))?,
            range: data + from as usize..data + to as usize,
        })
    }
}
