//! Any bytes in any pieces: no panic, no unbounded memory, and the same frames as all at once.
//!
//! ```text
//! cargo +nightly fuzz run sse -- -max_len=4096
//! ```
#![no_main]

use libfuzzer_sys::fuzz_target;
use textport_adapter_zerogpu::sse::{Frame, SseDecoder, SseError};

const LIMIT: usize = 256;

fn decode<'b>(pieces: impl Iterator<Item = &'b [u8]>) -> Vec<Result<Frame, SseError>> {
    let mut decoder = SseDecoder::new(LIMIT);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        frames.extend(std::iter::from_fn(|| decoder.next_frame()));
    }
    frames
}

fuzz_target!(|input: &[u8]| {
    let Some((size, bytes)) = input.split_first() else { return };
    let whole = decode(std::iter::once(bytes));
    assert_eq!(decode(bytes.chunks(usize::from(*size).max(1))), whole);
    assert_eq!(decode(bytes.chunks(1)), whole);
    for frame in whole.into_iter().flatten() {
        assert!(frame.data.len() <= LIMIT);
    }
});
