//! Key and value pairs of a GGUF file. Texts and arrays stay in the file; only where they lie is
//! kept, so a vocabulary of 150,000 entries costs one walk over its bytes.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::Bytes;
use super::reader::Reader;
use crate::error::LoadCause;

/// Arrays inside arrays are walked over so far and no further.
const DEEPEST: usize = 4;

/// Type numbers of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    Text,
    Array,
    U64,
    I64,
    F64,
}

impl ValueType {
    fn read(reader: &mut Reader<'_>, key: &str) -> Result<Self, LoadCause> {
        const ALL: [ValueType; 13] = {
            use ValueType::{Array, Bool, F32, F64, I8, I16, I32, I64, Text, U8, U16, U32, U64};
            [U8, I8, U16, I16, U32, I32, F32, Bool, Text, Array, U64, I64, F64]
        };
        let number = reader.u32(&format!("the type of {key:?}"))?;
        ALL.get(number as usize).copied().ok_or_else(|| LoadCause::Metadata {
            key: key.to_owned(),
            problem: format!("has the unknown type {number}"),
        })
    }

    /// Bytes of one value; none for texts and arrays.
    fn width(self) -> Option<usize> {
        match self {
            Self::U8 | Self::I8 | Self::Bool => Some(1),
            Self::U16 | Self::I16 => Some(2),
            Self::U32 | Self::I32 | Self::F32 => Some(4),
            Self::U64 | Self::I64 | Self::F64 => Some(8),
            Self::Text | Self::Array => None,
        }
    }
}

/// One value, or where it lies.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
    Text(Range<usize>),
    Array { item: ValueType, len: usize, at: usize },
}

impl Value {
    pub(super) fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::Unsigned(value) => Some(value),
            Self::Signed(value) => u64::try_from(value).ok(),
            _ => None,
        }
    }
}

/// Reads the type and the value of `key`.
pub(super) fn read_value(reader: &mut Reader<'_>, key: &str) -> Result<Value, LoadCause> {
    let kind = ValueType::read(reader, key)?;
    let what = || format!("the value of {key:?}");
    match kind {
        ValueType::Text => Ok(Value::Text(reader.text(usize::MAX, &what())?.0)),
        ValueType::Array => {
            let (item, len) = array_head(reader, key)?;
            let at = reader.position();
            skip_items(reader, key, item, len, 1)?;
            Ok(Value::Array { item, len, at })
        }
        _ => {
            let bytes = reader.take(kind.width().unwrap_or_default(), &what())?;
            scalar(kind, bytes).ok_or_else(|| LoadCause::Metadata {
                key: key.to_owned(),
                problem: "has a truth value that is neither 0 nor 1".into(),
            })
        }
    }
}

/// Item type and length of an array; the length cannot exceed what the rest of the file can hold.
fn array_head(reader: &mut Reader<'_>, key: &str) -> Result<(ValueType, usize), LoadCause> {
    let item = ValueType::read(reader, key)?;
    let len = reader.u64(&format!("the length of {key:?}"))?;
    // A text is at least its length, an inner array its type and length.
    let least = item.width().unwrap_or(if item == ValueType::Text { 8 } else { 12 });
    let most = (reader.remaining() / least) as u64;
    match usize::try_from(len) {
        Ok(short) if len <= most => Ok((item, short)),
        _ => Err(LoadCause::Absurd { what: format!("length of {key:?}"), value: len, most }),
    }
}

fn skip_items(
    reader: &mut Reader<'_>,
    key: &str,
    item: ValueType,
    len: usize,
    depth: usize,
) -> Result<(), LoadCause> {
    if depth > DEEPEST {
        return Err(LoadCause::Metadata {
            key: key.to_owned(),
            problem: format!("has arrays nested deeper than {DEEPEST}"),
        });
    }
    if let Some(width) = item.width() {
        // Cannot overflow: `array_head` compared with what is left.
        return reader.take(len.saturating_mul(width), key).map(|_| ());
    }
    for _ in 0..len {
        if item == ValueType::Text {
            reader.text(usize::MAX, key)?;
        } else {
            let (inner, inner_len) = array_head(reader, key)?;
            skip_items(reader, key, inner, inner_len, depth + 1)?;
        }
    }
    Ok(())
}

fn scalar(kind: ValueType, bytes: &[u8]) -> Option<Value> {
    let fixed = |wide: &mut [u8; 8]| wide[..bytes.len()].copy_from_slice(bytes);
    let mut wide = [0; 8];
    fixed(&mut wide);
    let raw = u64::from_le_bytes(wide);
    // Truncation is the point: the value was widened from exactly that many bytes.
    Some(match kind {
        ValueType::U8 | ValueType::U16 | ValueType::U32 | ValueType::U64 => Value::Unsigned(raw),
        ValueType::I8 => Value::Signed(i64::from(raw as u8 as i8)),
        ValueType::I16 => Value::Signed(i64::from(raw as u16 as i16)),
        ValueType::I32 => Value::Signed(i64::from(raw as u32 as i32)),
        ValueType::I64 => Value::Signed(raw as i64),
        ValueType::F32 => Value::Float(f64::from(f32::from_bits(raw as u32))),
        ValueType::F64 => Value::Float(f64::from_bits(raw)),
        ValueType::Bool if raw <= 1 => Value::Bool(raw == 1),
        ValueType::Bool | ValueType::Text | ValueType::Array => return None,
    })
}

/// What a file says of itself. Lookups are by full key and give nothing for another type.
#[derive(Debug, Clone)]
pub(crate) struct Metadata {
    bytes: Arc<Bytes>,
    entries: BTreeMap<String, Value>,
}

impl Metadata {
    pub(super) fn new(bytes: Arc<Bytes>, entries: BTreeMap<String, Value>) -> Self {
        Self { bytes, entries }
    }

    /// All keys, sorted.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Whether the key is there, whatever its type.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// A text.
    pub(crate) fn str(&self, key: &str) -> Option<&str> {
        match self.entries.get(key)? {
            Value::Text(range) => std::str::from_utf8(self.bytes.get(range.clone())?).ok(),
            _ => None,
        }
    }

    /// A whole number of any width that fits.
    pub(crate) fn u64(&self, key: &str) -> Option<u64> {
        self.entries.get(key)?.as_u64()
    }

    /// A whole number of any width that fits.
    pub(crate) fn u32(&self, key: &str) -> Option<u32> {
        self.u64(key).and_then(|value| u32::try_from(value).ok())
    }

    /// A fraction of either width.
    pub(crate) fn f32(&self, key: &str) -> Option<f32> {
        match *self.entries.get(key)? {
            Value::Float(value) => Some(value as f32),
            _ => None,
        }
    }

    /// A truth value.
    pub(crate) fn bool(&self, key: &str) -> Option<bool> {
        match *self.entries.get(key)? {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// A list of texts, straight from the file.
    pub(crate) fn strings(&self, key: &str) -> Option<impl Iterator<Item = &str>> {
        let (len, at) = self.array(key, |item| item == ValueType::Text)?;
        let mut reader = Reader::new(&self.bytes, at);
        // Read once already when the header was checked: it cannot fail now.
        Some((0..len).map_while(move |_| reader.text(usize::MAX, "a text").ok().map(|t| t.1)))
    }

    /// A list of 32-bit whole numbers, signed or not (as far as they fit).
    pub(crate) fn i32s(&self, key: &str) -> Option<Vec<i32>> {
        let four = |item| matches!(item, ValueType::I32 | ValueType::U32);
        self.words(key, four)?.map(|word| i32::try_from(word).ok()).collect()
    }

    /// A list of 32-bit fractions.
    pub(crate) fn f32s(&self, key: &str) -> Option<Vec<f32>> {
        let words = self.words(key, |item| item == ValueType::F32)?;
        Some(words.map(|word| f32::from_bits(word as u32)).collect())
    }

    /// How many items the array has; nothing when it is no array.
    pub(crate) fn len_of(&self, key: &str) -> Option<usize> {
        self.array(key, |_| true).map(|(len, _)| len)
    }

    fn words(
        &self,
        key: &str,
        wanted: impl Fn(ValueType) -> bool,
    ) -> Option<impl Iterator<Item = i64>> {
        let signed = self.array(key, |item| item == ValueType::I32).is_some();
        let (len, at) = self.array(key, wanted)?;
        let bytes = self.bytes.get(at..at.checked_add(len.checked_mul(4)?)?)?;
        Some(bytes.as_chunks::<4>().0.iter().map(move |word| {
            if signed {
                i64::from(i32::from_le_bytes(*word))
            } else {
                i64::from(u32::from_le_bytes(*word))
            }
        }))
    }

    fn array(&self, key: &str, wanted: impl Fn(ValueType) -> bool) -> Option<(usize, usize)> {
        match *self.entries.get(key)? {
            Value::Array { item, len, at } if wanted(item) => Some((len, at)),
            _ => None,
        }
    }
}
