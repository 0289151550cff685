//! Any bytes as a safetensors file: the header and where its tensors lie.
//!
//! ```text
//! cargo +nightly fuzz run safetensors -- -max_len=65536 -rss_limit_mb=1024
//! ```
//!
//! Good seeds are the fixtures of adapter-local: copy `tests/fixtures/hf/*/*.safetensors` to
//! `fuzz/corpus/safetensors/` first.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    // Whatever else they are, they shall be taken for a safetensors file.
    if let Some(byte) = bytes.get_mut(8) {
        *byte = b'{';
    }
    let _ = textport_adapter_local::inspect_bytes(Path::new("fuzz.safetensors"), bytes);
});
