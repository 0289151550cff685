//! The header: magic, version, counts, metadata entries, tensor table.

use std::collections::BTreeMap;
use std::ops::Range;

use super::metadata::{self, Value};
use super::reader::Reader;
use super::tensor::{self, TensorInfo};
use crate::error::LoadCause;

/// Most entries and tensors that are believed; the largest real models stay far below.
const MOST_ENTRIES: u64 = 1 << 16;
const LONGEST_KEY: usize = (1 << 16) - 1;
/// Default of `general.alignment`.
const ALIGNMENT: u64 = 32;

/// What a header says.
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) entries: BTreeMap<String, Value>,
    /// Where each entry's type number and value lie.
    pub(super) raw: BTreeMap<String, Range<usize>>,
    pub(super) tensors: Vec<TensorInfo>,
}

/// Reads and checks a whole header.
pub(super) fn parse(bytes: &[u8]) -> Result<Header, LoadCause> {
    let mut reader = Reader::new(bytes, 0);
    let magic = reader.take(4.min(bytes.len()), "the magic number")?;
    if magic != b"GGUF" {
        return Err(LoadCause::NotGguf { magic: magic.to_vec() });
    }
    let version = reader.u32("the version")?;
    match version {
        2 | 3 => {}
        _ if version.swap_bytes() <= 3 && version > 3 => return Err(LoadCause::BigEndian),
        _ => return Err(LoadCause::Version(version)),
    }
    let tensor_count = count(&mut reader, "tensors")?;
    let entry_count = count(&mut reader, "metadata entries")?;
    let (entries, raw) = read_entries(&mut reader, entry_count)?;
    let alignment = alignment(&entries)?;
    let tensors = tensor::read_table(&mut reader, tensor_count, alignment, bytes.len())?;
    Ok(Header { version, entries, raw, tensors })
}

fn count(reader: &mut Reader<'_>, what: &str) -> Result<u64, LoadCause> {
    let value = reader.u64(&format!("the number of {what}"))?;
    if value > MOST_ENTRIES {
        let what = format!("number of {what}");
        return Err(LoadCause::Absurd { what, value, most: MOST_ENTRIES });
    }
    Ok(value)
}

type Entries = (BTreeMap<String, Value>, BTreeMap<String, Range<usize>>);

fn read_entries(reader: &mut Reader<'_>, count: u64) -> Result<Entries, LoadCause> {
    let (mut entries, mut raw) = (BTreeMap::new(), BTreeMap::new());
    for _ in 0..count {
        let (_, key) = reader.text(LONGEST_KEY, "a metadata key")?;
        let start = reader.position();
        let value = metadata::read_value(reader, key)?;
        raw.insert(key.to_owned(), start..reader.position());
        if entries.insert(key.to_owned(), value).is_some() {
            return Err(LoadCause::DuplicateKey(key.to_owned()));
        }
    }
    Ok((entries, raw))
}

fn alignment(entries: &BTreeMap<String, Value>) -> Result<u64, LoadCause> {
    let Some(value) = entries.get("general.alignment") else { return Ok(ALIGNMENT) };
    match value.as_u64() {
        Some(value) if value.is_power_of_two() && value <= 1 << 20 => Ok(value),
        _ => Err(LoadCause::Metadata {
            key: "general.alignment".into(),
            problem: "must be a power of two".into(),
        }),
    }
}
