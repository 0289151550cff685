//! Any JSON as edits of any other: no panic, and a misfit leaves the last good values as they were.
//!
//! ```text
//! cargo +nightly fuzz run diff -- -max_len=4096
//! ```
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use textport_adapter_zerogpu::diff::Outputs;

fuzz_target!(|input: &[u8]| {
    // One JSON value a line: the first outputs, then the edits of one message after the other.
    let mut lines = input.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    let Some(Value::Array(first)) = lines.next() else { return };
    let mut outputs = Outputs::default();
    assert!(outputs.advance(first, true));
    for line in lines {
        let Value::Array(edits) = line else { continue };
        let before = outputs.values().to_vec();
        if !outputs.advance(edits, true) {
            assert_eq!(&outputs.values()[..before.len()], before);
            assert!(outputs.broken().is_some());
        }
    }
});
