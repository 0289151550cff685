//! Writes GGUF files: version 3, little endian, tensors one after the other as they come.

use std::io::{self, Write};

use super::GgmlType;

const ALIGNMENT: usize = 32;
// The format's numbers of types.
const U32: u32 = 4;
const I32: u32 = 5;
const F32: u32 = 6;
const BOOL: u32 = 7;
const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// A value of the metadata.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum WriteValue {
    /// A 32-bit whole number.
    U32(u32),
    /// A signed one.
    I32(i32),
    /// A 32-bit fraction.
    F32(f32),
    /// A truth value.
    Bool(bool),
    /// A text.
    Text(String),
    /// A list of texts.
    Texts(Vec<String>),
    /// A list of signed 32-bit whole numbers.
    I32s(Vec<i32>),
    /// Bytes as another file has them: the type's number, then the value.
    Raw(Vec<u8>),
}

/// A tensor in the table; its bytes follow in the same order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WriteTensor {
    pub(crate) name: String,
    /// Dimensions, the one that is contiguous in memory last.
    pub(crate) shape: Vec<usize>,
    pub(crate) kind: GgmlType,
}

impl WriteTensor {
    /// Bytes of its numbers; the caller has checked that rows are whole blocks.
    pub(crate) fn bytes(&self) -> usize {
        let (numbers, bytes) = self.kind.block();
        self.shape.iter().product::<usize>() / numbers * bytes
    }
}

/// Writes everything before the tensors' bytes.
pub(crate) fn header(
    out: &mut impl Write,
    metadata: &[(String, WriteValue)],
    tensors: &[WriteTensor],
) -> io::Result<()> {
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        put_text(&mut bytes, key);
        put_value(&mut bytes, value);
    }
    let mut offset = 0;
    for tensor in tensors {
        put_text(&mut bytes, &tensor.name);
        bytes.extend((tensor.shape.len() as u32).to_le_bytes());
        bytes.extend(tensor.shape.iter().rev().flat_map(|n| (*n as u64).to_le_bytes()));
        bytes.extend(tensor.kind.number().to_le_bytes());
        bytes.extend((offset as u64).to_le_bytes());
        offset += tensor.bytes().next_multiple_of(ALIGNMENT);
    }
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    out.write_all(&bytes)
}

/// Writes what comes between the `bytes` of a tensor and the next one.
pub(crate) fn padding(out: &mut impl Write, bytes: usize) -> io::Result<()> {
    out.write_all(&[0; ALIGNMENT][..bytes.next_multiple_of(ALIGNMENT) - bytes])
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

/// The type's number, then the value.
fn put_value(bytes: &mut Vec<u8>, value: &WriteValue) {
    let mut kind = |number: u32| bytes.extend(number.to_le_bytes());
    match value {
        WriteValue::U32(value) => {
            kind(U32);
            bytes.extend(value.to_le_bytes());
        }
        WriteValue::I32(value) => {
            kind(I32);
            bytes.extend(value.to_le_bytes());
        }
        WriteValue::F32(value) => {
            kind(F32);
            bytes.extend(value.to_le_bytes());
        }
        WriteValue::Bool(value) => {
            kind(BOOL);
            bytes.push(u8::from(*value));
        }
        WriteValue::Text(text) => {
            kind(TEXT);
            put_text(bytes, text);
        }
        WriteValue::Texts(texts) => {
            put_list(bytes, TEXT, texts.len());
            texts.iter().for_each(|text| put_text(bytes, text));
        }
        WriteValue::I32s(numbers) => {
            put_list(bytes, I32, numbers.len());
            bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        }
        WriteValue::Raw(raw) => bytes.extend(raw),
    }
}

/// What stands before the items of a list.
fn put_list(bytes: &mut Vec<u8>, item: u32, len: usize) {
    bytes.extend(ARRAY.to_le_bytes());
    bytes.extend(item.to_le_bytes());
    bytes.extend((len as u64).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::gguf::GgufFile;

    #[test]
    fn what_is_written_is_read_again() {
        let metadata = [
            ("a.number".to_owned(), WriteValue::U32(7)),
            ("raw".to_owned(), WriteValue::Raw([4u32, 9].map(u32::to_le_bytes).concat())),
            ("signed".to_owned(), WriteValue::I32(5)),
            ("fraction".to_owned(), WriteValue::F32(0.25)),
            ("truth".to_owned(), WriteValue::Bool(true)),
            ("text".to_owned(), WriteValue::Text("Ġport".into())),
            ("texts".to_owned(), WriteValue::Texts(vec!["a".into(), String::new()])),
            ("numbers".to_owned(), WriteValue::I32s(vec![1, -1])),
        ];
        let tensors = [
            WriteTensor { name: "a".into(), shape: vec![3, 2], kind: GgmlType::F16 },
            WriteTensor { name: "b".into(), shape: vec![5], kind: GgmlType::F32 },
        ];
        let mut bytes = Vec::new();
        header(&mut bytes, &metadata, &tensors).unwrap();
        for (number, len) in [(1, 12), (2, 20)] {
            bytes.extend(vec![number; len]);
            padding(&mut bytes, len).unwrap();
        }
        let file = GgufFile::from_bytes(Path::new("x.gguf"), bytes).unwrap();
        let m = file.metadata();
        assert_eq!((m.u32("a.number"), m.u32("raw")), (Some(7), Some(9)));
        assert_eq!((m.u32("signed"), m.f32("fraction")), (Some(5), Some(0.25)));
        assert_eq!((m.bool("truth"), m.str("text")), (Some(true), Some("Ġport")));
        assert_eq!(m.strings("texts").unwrap().collect::<Vec<_>>(), ["a", ""]);
        assert_eq!(m.i32s("numbers"), Some(vec![1, -1]));
        let b = file.tensor("b").unwrap();
        assert_eq!((b.shape.as_slice(), b.range.len()), (&[5][..], 20));
        assert_eq!(file.tensor("a").unwrap().shape, [2, 3]);
        assert_eq!(file.blob(b.range.clone()).unwrap().as_slice(), [2; 20]);
    }
}
