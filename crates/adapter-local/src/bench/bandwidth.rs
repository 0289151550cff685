//! How fast this machine's memory can be read: what decoding comes up against.

use std::time::Instant;

use kernels::{Readable, read};
use ports::{Error, ErrorKind};
use serde::Serialize;

use super::Spread;
use super::measure::spread;
use crate::memory::available_bytes;

/// Far more than caches hold.
const BYTES: u64 = 1 << 30;
const PASSES: usize = 7;

/// How fast memory was read.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bandwidth {
    /// Threads that read.
    pub threads: usize,
    /// Bytes that they read, each its own part.
    pub buffer_bytes: u64,
    /// Their speed together.
    pub bytes_per_s: Spread,
}

/// Reads a large buffer several times, as products of one token read weights: pages of the same kind,
/// asked for ahead. A machine with little memory gets a smaller one; where caches hold it, they are
/// what is measured.
pub(super) fn read_bandwidth(threads: usize) -> Result<Bandwidth, Error> {
    let bytes = available_bytes().map_or(BYTES, |available| BYTES.min(available / 4));
    let memory = Readable::new(bytes as usize);
    let memory = memory.map_err(|error| Error::new(ErrorKind::OutOfMemory, error.to_string()))?;
    let pass = |_| {
        let start = Instant::now();
        let sum: u64 = std::thread::scope(|scope| {
            let parts = memory.parts(threads);
            let readers: Vec<_> = parts.map(|part| scope.spawn(|| read(part))).collect();
            readers.into_iter().filter_map(|reader| reader.join().ok()).sum()
        });
        std::hint::black_box(sum);
        bytes as f64 / start.elapsed().as_secs_f64()
    };
    let bytes_per_s = spread((0..PASSES).map(pass).collect());
    Ok(Bandwidth { threads, buffer_bytes: bytes, bytes_per_s })
}
