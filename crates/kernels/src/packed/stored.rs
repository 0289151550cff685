//! The blocks of a file, read as the packed formats want them.
//!
//! Layouts: the block structs of ggml (`ggml-common.h`), whose numbers of bits, scales and orders
//! these formats are known by.

use half::f16;

use super::format::{
    Eight, Five, FiveMin, Format, Four, FourMin, GROUP, Super2, Super3, Super4, Super5, Super6,
};

/// Codes of a group: four columns a word, the first in the lowest byte.
pub(crate) type Words = [u32; GROUP / 4];

/// A stored block format and the packed format that it becomes.
pub(crate) trait Stored {
    /// What it becomes.
    type Packed: Format;
    /// Bytes of a block.
    const BYTES: usize;
    /// Groups of a block.
    const GROUPS: usize = 1;

    /// Codes of a group of a block.
    fn codes(block: &[u8], group: usize) -> Words;

    /// The half that scales a block, and the half of its minima.
    fn halves(block: &[u8]) -> [[u8; 2]; 2];

    /// Bytes that scale the granules of a group, and those of their minima.
    fn granules(_block: &[u8], _group: usize) -> [[u8; 2]; 2] {
        [[0; 2]; 2]
    }
}

const LOW: u32 = 0x0F0F_0F0F;
const TWO: u32 = 0x0303_0303;
const ONE: u32 = 0x0101_0101;

/// The first `N` words: one check for all of them, so that they are read as vectors.
fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let words = bytes.as_chunks::<4>().0.first_chunk::<N>();
    words.map_or([0; N], |words| words.map(u32::from_le_bytes))
}

fn pair(bytes: &[u8], at: usize) -> [u8; 2] {
    [bytes[at], bytes[at + 1]]
}

/// Sixteen bytes: their low halves, then their high ones.
fn nibbles(bytes: &[u8]) -> Words {
    let codes = words::<4>(bytes);
    std::array::from_fn(|i| (codes[i % 4] >> (i / 4 * 4)) & LOW)
}

/// Bit i of `bits` as bit 4 of code i.
fn fifth_bits(bits: u32) -> Words {
    // Spreads four bits over four bytes.
    let spread = |four: u32| (four & 15).wrapping_mul(0x0020_4081) & ONE;
    std::array::from_fn(|i| spread(bits >> (4 * i)) << 4)
}

fn both(a: Words, b: Words) -> Words {
    std::array::from_fn(|i| a[i] | b[i])
}

macro_rules! small {
    ($(#[$doc:meta])* $name:ident => $packed:ty, $bytes:literal, |$block:ident| $codes:expr, $minimum:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name;
        impl Stored for $name {
            type Packed = $packed;
            const BYTES: usize = $bytes;
            fn codes($block: &[u8], _: usize) -> Words {
                $codes
            }
            fn halves($block: &[u8]) -> [[u8; 2]; 2] {
                [pair($block, 0), $minimum]
            }
        }
    };
}

small!(/** Scale, 16 bytes. */ Q4_0 => Four, 18, |block| nibbles(&block[2..]), [0; 2]);
small!(/** Scale, minimum, 16 bytes. */ Q4_1 => FourMin, 20, |block| nibbles(&block[4..]), pair(block, 2));
small!(
    /** Scale, fifth bits, 16 bytes. */
    Q5_0 => Five, 22, |block| both(nibbles(&block[6..]), fifth_bits(words::<1>(&block[2..])[0])), [0; 2]
);
small!(
    /** Scale, minimum, fifth bits, 16 bytes. */
    Q5_1 => FiveMin, 24, |block| both(nibbles(&block[8..]), fifth_bits(words::<1>(&block[4..])[0])), pair(block, 2)
);
small!(
    /** Scale, 32 signed bytes. */
    Q8_0 => Eight, 34, |block| words::<8>(&block[2..]).map(|word| word ^ 0x8080_8080), [0; 2]
);

/// 16 bytes of scales (low halves) and minima (high halves), 64 of codes, scale, minimum.
#[derive(Debug)]
pub(crate) struct Q2K;

impl Stored for Q2K {
    type Packed = Super2;
    const BYTES: usize = 84;
    const GROUPS: usize = 8;

    fn codes(block: &[u8], group: usize) -> Words {
        let codes = words::<8>(&block[16 + group / 4 * 32..]);
        codes.map(|word| (word >> (group % 4 * 2)) & TWO)
    }

    fn halves(block: &[u8]) -> [[u8; 2]; 2] {
        [pair(block, 80), pair(block, 82)]
    }

    fn granules(block: &[u8], group: usize) -> [[u8; 2]; 2] {
        let both = pair(block, group * 2);
        [both.map(|both| both & 15), both.map(|both| both >> 4)]
    }
}

/// 32 bytes of third bits, 64 of codes, 12 of scales in six bits, scale.
#[derive(Debug)]
pub(crate) struct Q3K;

impl Stored for Q3K {
    type Packed = Super3;
    const BYTES: usize = 110;
    const GROUPS: usize = 8;

    fn codes(block: &[u8], group: usize) -> Words {
        let (codes, third) = (words::<8>(&block[32 + group / 4 * 32..]), words::<8>(block));
        std::array::from_fn(|i| {
            let low = (codes[i] >> (group % 4 * 2)) & TWO;
            low | ((third[i] >> group) & ONE) << 2
        })
    }

    fn halves(block: &[u8]) -> [[u8; 2]; 2] {
        [pair(block, 108), [0; 2]]
    }

    fn granules(block: &[u8], group: usize) -> [[u8; 2]; 2] {
        let scales = &block[96..108];
        let scale = |i: usize| {
            let low = (scales[i % 8] >> (i / 8 * 4)) & 15;
            let high = (scales[8 + i % 4] >> (i / 4 * 2)) & 3;
            (low | high << 4).wrapping_sub(32)
        };
        [[scale(2 * group), scale(2 * group + 1)], [0; 2]]
    }
}

/// Scale and minimum of a group from 12 bytes that hold eight of each in six bits.
fn six_bits(bytes: &[u8], group: usize) -> [[u8; 2]; 2] {
    let [scale, minimum] = if group < 4 {
        [bytes[group] & 63, bytes[group + 4] & 63]
    } else {
        let low = bytes[group + 4];
        [(low & 15) | (bytes[group - 4] >> 6) << 4, (low >> 4) | (bytes[group] >> 6) << 4]
    };
    [[scale, 0], [minimum, 0]]
}

/// Scale, minimum, 12 bytes of scales and minima, 128 of codes.
#[derive(Debug)]
pub(crate) struct Q4K;

impl Stored for Q4K {
    type Packed = Super4;
    const BYTES: usize = 144;
    const GROUPS: usize = 8;

    fn codes(block: &[u8], group: usize) -> Words {
        let codes = words::<8>(&block[16 + group / 2 * 32..]);
        codes.map(|word| (word >> (group % 2 * 4)) & LOW)
    }

    fn halves(block: &[u8]) -> [[u8; 2]; 2] {
        [pair(block, 0), pair(block, 2)]
    }

    fn granules(block: &[u8], group: usize) -> [[u8; 2]; 2] {
        six_bits(&block[4..16], group)
    }
}

/// Scale, minimum, 12 bytes of scales and minima, 32 of fifth bits, 128 of codes.
#[derive(Debug)]
pub(crate) struct Q5K;

impl Stored for Q5K {
    type Packed = Super5;
    const BYTES: usize = 176;
    const GROUPS: usize = 8;

    fn codes(block: &[u8], group: usize) -> Words {
        let codes = words::<8>(&block[48 + group / 2 * 32..]);
        let fifth = words::<8>(&block[16..48]);
        std::array::from_fn(|i| {
            let low = (codes[i] >> (group % 2 * 4)) & LOW;
            low | ((fifth[i] >> group) & ONE) << 4
        })
    }

    fn halves(block: &[u8]) -> [[u8; 2]; 2] {
        [pair(block, 0), pair(block, 2)]
    }

    fn granules(block: &[u8], group: usize) -> [[u8; 2]; 2] {
        six_bits(&block[4..16], group)
    }
}

/// 128 bytes of low halves, 64 of high bits, 16 signed scales, scale.
#[derive(Debug)]
pub(crate) struct Q6K;

impl Stored for Q6K {
    type Packed = Super6;
    const BYTES: usize = 210;
    const GROUPS: usize = 8;

    fn codes(block: &[u8], group: usize) -> Words {
        let low = words::<8>(&block[group / 4 * 64 + group % 2 * 32..]);
        let high = words::<8>(&block[128 + group / 4 * 32..]);
        std::array::from_fn(|i| {
            let low = (low[i] >> (group % 4 / 2 * 4)) & LOW;
            low | ((high[i] >> (group % 4 * 2)) & TWO) << 4
        })
    }

    fn halves(block: &[u8]) -> [[u8; 2]; 2] {
        [pair(block, 208), [0; 2]]
    }

    fn granules(block: &[u8], group: usize) -> [[u8; 2]; 2] {
        [pair(block, 192 + group * 2), [0; 2]]
    }
}

/// Writes a stored row to `out`, as floats.
pub(crate) fn expand<B: Stored>(row: &[u8], out: &mut [f32]) {
    let columns = B::GROUPS * GROUP;
    for (block, out) in row.chunks_exact(B::BYTES).zip(out.chunks_exact_mut(columns)) {
        let [scale, least] = B::halves(block).map(|bytes| f16::from_le_bytes(bytes).to_f32());
        for (group, out) in out.as_chunks_mut::<GROUP>().0.iter_mut().enumerate() {
            let codes = B::codes(block, group).map(u32::to_le_bytes);
            let [scales, minima] = B::granules(block, group);
            let granules = out.chunks_exact_mut(B::Packed::GRANULE).enumerate();
            let codes = codes.as_flattened().chunks_exact(B::Packed::GRANULE);
            for ((granule, out), codes) in granules.zip(codes) {
                let numbers =
                    Numbers::of::<B::Packed>(scale, least, scales[granule], minima[granule]);
                out.iter_mut().zip(codes).for_each(|(out, code)| *out = numbers.get(*code));
            }
        }
    }
}

/// What the codes of a granule mean.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    scale: f32,
    offset: f32,
    minimum: f32,
}

impl Numbers {
    /// `scale` and `least` are a block's, the bytes a granule's where its format has them.
    pub(crate) fn of<F: Format>(scale: f32, least: f32, by: u8, minimum: u8) -> Self {
        let offset = if F::BITS == 8 { 128.0 } else { F::OFFSET };
        if !F::SUPER {
            return Self { scale, offset, minimum: least };
        }
        let by = if F::SIGNED { f32::from(by.cast_signed()) } else { f32::from(by) };
        Self { scale: scale * by, offset, minimum: -(least * f32::from(minimum)) }
    }

    pub(crate) fn get(self, code: u8) -> f32 {
        self.scale * (f32::from(code) - self.offset) + self.minimum
    }
}
