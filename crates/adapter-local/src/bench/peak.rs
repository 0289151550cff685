//! How many products the processor computes when nothing else holds it up: what prompts come up
//! against.

use std::time::{Duration, Instant};

use kernels::{Factors, Isa, multiply_adds};
use ports::{Error, ErrorKind};
use serde::Serialize;

use super::Spread;
use super::measure::spread;

const PASSES: usize = 7;
/// How long a pass takes at least: threads start within a small part of it.
const PASS: Duration = Duration::from_millis(20);

/// How many products of two numbers were computed and added up, with the instructions of the
/// kernels in use, on numbers in registers and the nearest cache.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Peak {
    /// Threads that computed.
    pub threads: usize,
    /// Products of bytes a second, of all threads together: what quantized weights are multiplied
    /// with.
    pub bytes_per_s: Spread,
    /// Products of `f32` numbers a second: what other weights are multiplied with.
    pub floats_per_s: Spread,
}

/// Multiplies on several threads at once, several times.
///
/// # Errors
/// When `TEXTPORT_CPU` names no instructions of this machine.
pub(super) fn peak(threads: usize) -> Result<Peak, Error> {
    let isa = Isa::from_environment()
        .map_err(|error| Error::new(ErrorKind::ConfigInvalid, error.to_string()))?;
    let most = |factors| {
        let rounds = rounds(isa, factors);
        spread((0..PASSES).map(|_| pass(isa, factors, threads, rounds)).collect())
    };
    Ok(Peak { threads, bytes_per_s: most(Factors::Bytes), floats_per_s: most(Factors::Floats) })
}

/// As many rounds as fill a pass.
fn rounds(isa: Isa, factors: Factors) -> usize {
    let mut rounds = 256;
    loop {
        let start = Instant::now();
        multiply_adds(isa, factors, rounds);
        if start.elapsed() >= PASS || rounds > usize::MAX / 4 {
            return rounds;
        }
        rounds *= 2;
    }
}

/// Products a second.
fn pass(isa: Isa, factors: Factors, threads: usize, rounds: usize) -> f64 {
    let start = Instant::now();
    let products: u64 = std::thread::scope(|scope| {
        let work = || multiply_adds(isa, factors, rounds);
        let workers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        // This thread works too.
        let own = work();
        own + workers.into_iter().filter_map(|worker| worker.join().ok()).sum::<u64>()
    });
    products as f64 / start.elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_both_kinds_are_counted_on_every_thread() {
        let isa = Isa::best();
        for factors in [Factors::Bytes, Factors::Floats] {
            assert!(pass(isa, factors, 2, 4) > 0.0);
        }
        let found = peak(2).unwrap();
        assert_eq!(found.threads, 2);
        for speed in [found.bytes_per_s, found.floats_per_s] {
            assert!(0.0 < speed.min && speed.min <= speed.median && speed.median <= speed.max);
        }
    }
}
