//! Any bytes as a GGUF file: header, metadata, tensor table, and every check that loading makes.
//!
//! ```text
//! cargo +nightly fuzz run gguf -- -max_len=65536 -rss_limit_mb=1024
//! ```
//!
//! Good seeds are the fixtures of adapter-local: copy `tests/fixtures/tiny-*.gguf` to
//! `fuzz/corpus/gguf/` first.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = textport_adapter_local::inspect_bytes(Path::new("fuzz.gguf"), bytes.to_vec());
});
