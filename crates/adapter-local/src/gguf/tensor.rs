//! The tensor table: names, shapes, types, and where the bytes lie.

use std::ops::Range;

use super::reader::Reader;
use crate::error::LoadCause;

const LONGEST_NAME: usize = 256;
const MOST_DIMENSIONS: u32 = 4;

/// How numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum GgmlType {
    F32,
    F16,
    Bf16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
    Q8K,
}

/// Types of the format that nothing here can compute with.
const KNOWN_BUT_UNSUPPORTED: &[(u32, &str)] = &[
    (9, "Q8_1"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
];

impl GgmlType {
    /// Every type that can be computed with.
    pub(crate) const ALL: [Self; 14] = [
        Self::F32,
        Self::F16,
        Self::Bf16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2K,
        Self::Q3K,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
        Self::Q8K,
    ];

    fn from_number(number: u32, tensor: &str) -> Result<Self, LoadCause> {
        if let Some(found) = Self::ALL.into_iter().find(|kind| kind.number() == number) {
            return Ok(found);
        }
        let name = KNOWN_BUT_UNSUPPORTED.iter().find(|(known, _)| *known == number);
        Err(LoadCause::Quantization {
            tensor: tensor.to_owned(),
            kind: name.map_or_else(|| format!("number {number}"), |(_, name)| (*name).to_owned()),
        })
    }

    /// The number in the format.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q5_0 => 6,
            Self::Q5_1 => 7,
            Self::Q8_0 => 8,
            Self::Q2K => 10,
            Self::Q3K => 11,
            Self::Q4K => 12,
            Self::Q5K => 13,
            Self::Q6K => 14,
            Self::Q8K => 15,
            Self::Bf16 => 30,
        }
    }

    /// The name in the format.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q8_0 => "Q8_0",
            Self::Q2K => "Q2_K",
            Self::Q3K => "Q3_K",
            Self::Q4K => "Q4_K",
            Self::Q5K => "Q5_K",
            Self::Q6K => "Q6_K",
            Self::Q8K => "Q8_K",
        }
    }

    /// Numbers in a block, and bytes of it.
    pub(crate) fn block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::Bf16 => (1, 2),
            Self::Q4_0 => (32, 18),
            Self::Q4_1 => (32, 20),
            Self::Q5_0 => (32, 22),
            Self::Q5_1 => (32, 24),
            Self::Q8_0 => (32, 34),
            Self::Q2K => (256, 84),
            Self::Q3K => (256, 110),
            Self::Q4K => (256, 144),
            Self::Q5K => (256, 176),
            Self::Q6K => (256, 210),
            Self::Q8K => (256, 292),
        }
    }

    /// Bytes of a row of `columns` numbers; nothing when they do not fill whole blocks.
    pub(crate) fn row_bytes(self, columns: usize) -> Option<usize> {
        let (numbers, bytes) = self.block();
        columns.is_multiple_of(numbers).then(|| (columns / numbers).checked_mul(bytes)).flatten()
    }
}

/// One tensor of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TensorInfo {
    /// Its name.
    pub(crate) name: String,
    /// Dimensions, the one that is contiguous in memory first.
    pub(crate) shape: Vec<u64>,
    /// How its numbers are stored.
    pub(crate) kind: GgmlType,
    /// Where its bytes lie in the file.
    pub(crate) range: Range<usize>,
}

/// Reads the table; `size` is that of the file. Sorted by name.
pub(super) fn read_table(
    reader: &mut Reader<'_>,
    count: u64,
    alignment: u64,
    size: usize,
) -> Result<Vec<TensorInfo>, LoadCause> {
    let mut raw = Vec::new();
    for _ in 0..count {
        raw.push(read_info(reader)?);
    }
    let data = (reader.position() as u64).next_multiple_of(alignment);
    let mut tensors = raw
        .into_iter()
        .map(|info| info.place(data, alignment, size))
        .collect::<Result<Vec<_>, _>>()?;
    tensors.sort_by_key(|tensor| tensor.range.start);
    if let Some([a, b]) = tensors.array_windows().find(|[a, b]| b.range.start < a.range.end) {
        return Err(LoadCause::Overlap { first: a.name.clone(), second: b.name.clone() });
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some([a, _]) = tensors.array_windows().find(|[a, b]| a.name == b.name) {
        return Err(LoadCause::DuplicateTensor(a.name.clone()));
    }
    Ok(tensors)
}

/// An entry of the table as it stands there.
struct RawInfo {
    name: String,
    shape: Vec<u64>,
    kind: GgmlType,
    offset: u64,
}

fn read_info(reader: &mut Reader<'_>) -> Result<RawInfo, LoadCause> {
    let (_, name) = reader.text(LONGEST_NAME, "a tensor name")?;
    let what = format!("the table entry of tensor {name:?}");
    let dimensions = reader.u32(&what)?;
    if dimensions == 0 || dimensions > MOST_DIMENSIONS {
        return Err(LoadCause::Absurd {
            what: format!("number of dimensions of tensor {name:?}"),
            value: u64::from(dimensions),
            most: u64::from(MOST_DIMENSIONS),
        });
    }
    let shape = (0..dimensions).map(|_| reader.u64(&what)).collect::<Result<Vec<_>, _>>()?;
    let number = reader.u32(&what)?;
    let kind = GgmlType::from_number(number, name)?;
    let offset = reader.u64(&what)?;
    Ok(RawInfo { name: name.to_owned(), shape, kind, offset })
}

impl RawInfo {
    /// Works out where the bytes lie and checks that they do.
    fn place(self, data: u64, alignment: u64, size: usize) -> Result<TensorInfo, LoadCause> {
        let bad_shape = |problem: &str| LoadCause::Shape {
            tensor: self.name.clone(),
            problem: format!("{problem} ({:?})", self.shape),
        };
        if !self.offset.is_multiple_of(alignment) {
            return Err(LoadCause::Misaligned {
                tensor: self.name,
                offset: self.offset,
                alignment,
            });
        }
        if self.shape.contains(&0) {
            return Err(bad_shape("an empty dimension"));
        }
        let columns = self.shape.first().and_then(|columns| usize::try_from(*columns).ok());
        let row = columns.and_then(|columns| self.kind.row_bytes(columns)).ok_or_else(|| {
            bad_shape(&format!(
                "rows must be whole blocks of {} for {}",
                self.kind.block().0,
                self.kind.as_str()
            ))
        })?;
        let bytes = self.shape.iter().skip(1).try_fold(row as u64, |a, b| a.checked_mul(*b));
        let start = data.checked_add(self.offset);
        let (Some(bytes), Some(start)) = (bytes, start) else {
            return Err(bad_shape("too large for any file"));
        };
        match start.checked_add(bytes) {
            Some(end) if end <= size as u64 => Ok(TensorInfo {
                range: start as usize..end as usize,
                name: self.name,
                shape: self.shape,
                kind: self.kind,
            }),
            Some(end) => Err(LoadCause::TensorCut { tensor: self.name, end, size: size as u64 }),
            None => Err(bad_shape("too large for any file")),
        }
    }
}
