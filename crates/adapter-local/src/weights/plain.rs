//! The one place where blocks become bytes of a file.

#![expect(unsafe_code, reason = "reads blocks as bytes; see the SAFETY comments")]

use candle_core::quantized::k_quants::{
    BlockQ2K, BlockQ3K, BlockQ4_0, BlockQ4_1, BlockQ4K, BlockQ5_0, BlockQ5_1, BlockQ5K, BlockQ6K,
    BlockQ8_0, BlockQ8K,
};

/// A type that any bytes of its size are a value of.
///
/// # Safety
/// No padding, no invalid patterns, no interior mutability, no pointers.
pub(crate) unsafe trait Plain: Sized + 'static {}

/// candle's blocks: `repr(C)` structs of integers, floats and arrays of them. The sizes are
/// checked against the file format, which also rules padding out.
macro_rules! candle_block {
    ($($block:ty: $bytes:literal),+) => {
        $(
            const _: () = assert!(size_of::<$block>() == $bytes);
            // SAFETY: integers and floats without padding: the size is the sum of the fields.
            unsafe impl Plain for $block {}
        )+
    };
}
candle_block!(
    BlockQ2K: 84, BlockQ3K: 110, BlockQ4K: 144, BlockQ5K: 176, BlockQ6K: 210, BlockQ8K: 292,
    BlockQ4_0: 18, BlockQ4_1: 20, BlockQ5_0: 22, BlockQ5_1: 24, BlockQ8_0: 34
);

/// The bytes of some blocks.
pub(crate) fn bytes_of<T: Plain>(blocks: &[T]) -> &[u8] {
    // SAFETY: initialized memory without padding (`Plain`), for as long as the borrow lasts.
    unsafe { std::slice::from_raw_parts(blocks.as_ptr().cast(), size_of_val(blocks)) }
}

/// A copy of some bytes at an address that suits every block.
#[derive(Debug)]
pub(crate) struct AlignedBytes {
    words: Vec<u64>,
    len: usize,
}

impl AlignedBytes {
    pub(crate) fn copy_of(bytes: &[u8]) -> Self {
        let words = bytes.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_ne_bytes(word)
        });
        Self { words: words.collect(), len: bytes.len() }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        // SAFETY: the words are initialized and at least `len` bytes long by construction.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), self.len) }
    }
}
