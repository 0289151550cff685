//! Writes GGUF files: version 3, little endian, tensors one after the other as they come.

use std::io::{self, Write};

use super::GgmlType;

const ALIGNMENT: usize = 32;

/// A value of the metadata.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum WriteValue {
    /// A 32-bit whole number.
    U32(u32),
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

/// Writes the bytes of the next tensor.
pub(crate) fn tensor(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    out.write_all(bytes)?;
    let padding = bytes.len().next_multiple_of(ALIGNMENT) - bytes.len();
    out.write_all(&[0; ALIGNMENT][..padding])
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

fn put_value(bytes: &mut Vec<u8>, value: &WriteValue) {
    match value {
        WriteValue::U32(value) => {
            bytes.extend(4u32.to_le_bytes());
            bytes.extend(value.to_le_bytes());
        }
        WriteValue::Raw(raw) => bytes.extend(raw),
    }
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
        ];
        let tensors = [
            WriteTensor { name: "a".into(), shape: vec![3, 2], kind: GgmlType::F16 },
            WriteTensor { name: "b".into(), shape: vec![5], kind: GgmlType::F32 },
        ];
        let mut bytes = Vec::new();
        header(&mut bytes, &metadata, &tensors).unwrap();
        tensor(&mut bytes, &[1; 12]).unwrap();
        tensor(&mut bytes, &[2; 20]).unwrap();
        let file = GgufFile::from_bytes(Path::new("x.gguf"), bytes).unwrap();
        let m = file.metadata();
        assert_eq!((m.u32("a.number"), m.u32("raw")), (Some(7), Some(9)));
        let b = file.tensor("b").unwrap();
        assert_eq!((b.shape.as_slice(), b.range.len()), (&[5][..], 20));
        assert_eq!(file.tensor("a").unwrap().shape, [2, 3]);
        assert_eq!(file.blob(b.range.clone()).unwrap().as_slice(), [2; 20]);
    }
}
