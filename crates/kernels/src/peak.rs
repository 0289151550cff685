//! What products come up against: multiplying and adding at the speed of the instructions alone.

#![expect(
    unsafe_code,
    reason = "vector instructions that an `Isa` proves, on arrays of fixed size"
)]
#![expect(clippy::needless_range_loop, reason = "iterators keep sums out of the registers")]

use std::hint::black_box;

use crate::isa::{Isa, Level};
#[cfg(target_arch = "aarch64")]
use crate::simd::Neon;
use crate::simd::{Portable, Simd};
#[cfg(target_arch = "x86_64")]
use crate::simd::{Ymm, Zmm};

/// What is multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Factors {
    /// Bytes, as in products with quantized weights.
    Bytes,
    /// `f32` numbers.
    Floats,
}

/// Vectors of weights that a step takes, and of activations that each is multiplied with: as many
/// sums as hide how long an instruction takes, in registers that every set has.
const WEIGHTS: usize = 6;
const ACTIVATIONS: usize = 2;
/// Steps of a round. Their weights differ, so that no product can be kept for the next step, and
/// stay in the nearest cache.
const STEPS: usize = 16;
/// Bytes of the widest vector.
const WIDEST: usize = 64;

/// Weights of all steps, and activations.
#[repr(align(64))]
struct Numbers {
    weights: [u8; STEPS * WEIGHTS * WIDEST],
    activations: [i8; 4 * ACTIVATIONS],
}

impl Numbers {
    /// Weights as quantized ones have them, and activations whose sums with them stay small.
    fn bytes() -> Self {
        let weights = std::array::from_fn(|i| (i / 2 * 7 % 64) as u8);
        Self { weights, activations: [93, -93, 41, -41, 17, -17, 127, -127] }
    }

    /// The same for floats, from 0.5 up to 1.
    fn floats() -> Self {
        let mut weights = [0; STEPS * WEIGHTS * WIDEST];
        for (index, weight) in weights.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            *weight = (0.5 + (index % 64) as f32 / 128.0).to_le_bytes();
        }
        Self { weights, activations: [0; 4 * ACTIVATIONS] }
    }
}

/// Multiplies and adds on one thread, as fast as the instructions of `isa` do it with numbers that
/// are in registers or a load away in the nearest cache: nothing is unpacked, scaled or written.
/// Gives back how many products that were: at least `rounds` times 768.
pub fn multiply_adds(isa: Isa, factors: Factors, rounds: usize) -> u64 {
    let numbers = match factors {
        Factors::Bytes => Numbers::bytes(),
        Factors::Floats => Numbers::floats(),
    };
    // SAFETY: an `Isa` of a level exists only where the processor has its instructions.
    unsafe {
        match isa.level() {
            #[cfg(target_arch = "x86_64")]
            Level::Amx if factors == Factors::Bytes => tiles(rounds),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Amx => zmm(factors, &numbers, rounds),
            #[cfg(target_arch = "x86_64")]
            Level::AvxVnni => ymm_vnni(factors, &numbers, rounds),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => ymm(factors, &numbers, rounds),
            #[cfg(target_arch = "aarch64")]
            Level::NeonDotprod => neon_dotprod(factors, &numbers, rounds),
            #[cfg(target_arch = "aarch64")]
            Level::Neon => neon(factors, &numbers, rounds),
            _ => run::<Portable>(factors, &numbers, rounds),
        }
    }
}

macro_rules! entry {
    ($architecture:literal, $name:ident, $simd:ty, $features:literal) => {
        /// # Safety
        /// The processor has the instructions.
        #[cfg(target_arch = $architecture)]
        #[target_feature(enable = $features)]
        unsafe fn $name(factors: Factors, numbers: &Numbers, rounds: usize) -> u64 {
            // SAFETY: this function has the instructions.
            unsafe { run::<$simd>(factors, numbers, rounds) }
        }
    };
}
entry!("x86_64", zmm, Zmm, "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512vnni");
entry!("x86_64", ymm_vnni, Ymm<true>, "avx2,fma,f16c,avxvnni");
entry!("x86_64", ymm, Ymm<false>, "avx2,fma,f16c");
entry!("aarch64", neon_dotprod, Neon<true>, "neon,dotprod");
entry!("aarch64", neon, Neon<false>, "neon");

/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn run<S: Simd>(factors: Factors, numbers: &Numbers, rounds: usize) -> u64 {
    const { assert!(4 * S::LANES <= WIDEST, "a wider vector needs more weights") };
    let vectors = (rounds * STEPS * WEIGHTS * ACTIVATIONS) as u64;
    // SAFETY: by the caller.
    unsafe {
        match factors {
            Factors::Bytes => {
                bytes::<S>(numbers, rounds);
                vectors * 4 * S::LANES as u64
            }
            Factors::Floats => {
                floats::<S>(numbers, rounds);
                vectors * S::LANES as u64
            }
        }
    }
}

/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn bytes<S: Simd>(numbers: &Numbers, rounds: usize) {
    // SAFETY: a vector of weights is `4 x LANES` bytes, which is `WIDEST` at most; activations are
    // four bytes each.
    unsafe {
        let four = numbers.activations.as_ptr();
        let activations = [S::splat4(four), S::splat4(four.add(4))];
        let mut sums = [[S::no_sum(); ACTIVATIONS]; WEIGHTS];
        for _ in 0..rounds {
            // Unknown anew, so that no round can do for the next.
            let weights = black_box(numbers).weights.as_ptr();
            for step in 0..STEPS {
                for w in 0..WEIGHTS {
                    let weights = S::load(weights.add((step * WEIGHTS + w) * WIDEST));
                    for a in 0..ACTIVATIONS {
                        sums[w][a] = S::dot(sums[w][a], weights, activations[a]);
                    }
                }
            }
        }
        let mut ints = S::no_ints();
        for sum in sums.as_flattened() {
            ints = S::add_sum(ints, *sum);
        }
        black_box(S::sum(S::to_floats(ints)));
    }
}

/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn floats<S: Simd>(numbers: &Numbers, rounds: usize) {
    // SAFETY: a vector of floats is `4 x LANES` bytes, which is `WIDEST` at most.
    unsafe {
        let activations = [S::splat(black_box(1.5)), S::splat(black_box(-1.5))];
        let mut sums = [[S::splat(0.0); ACTIVATIONS]; WEIGHTS];
        for _ in 0..rounds {
            let weights = black_box(numbers).weights.as_ptr();
            for step in 0..STEPS {
                for w in 0..WEIGHTS {
                    let weights = S::load_floats(weights.add((step * WEIGHTS + w) * WIDEST));
                    for a in 0..ACTIVATIONS {
                        sums[w][a] = S::mul_add(weights, activations[a], sums[w][a]);
                    }
                }
            }
        }
        let mut total = S::splat(0.0);
        for sum in sums.as_flattened() {
            total = S::mul_add(*sum, S::splat(0.5), total);
        }
        black_box(S::sum(total));
    }
}

/// # Safety
/// The processor has tiles of bytes, the system lets this process use them, and this thread uses
/// none.
#[cfg(target_arch = "x86_64")]
unsafe fn tiles(rounds: usize) -> u64 {
    /// Of each tile, the largest that there are: rows, and bytes of a row.
    const SIZE: (usize, usize) = (16, 64);
    /// What `ldtilecfg` reads: the palette at 0, bytes of rows from 16 on, rows from 48 on.
    #[repr(align(64))]
    struct Sizes([u8; 64]);

    let steps = rounds * STEPS;
    if steps == 0 {
        return 0;
    }
    let mut sizes = Sizes([0; 64]);
    sizes.0[0] = 1;
    for tile in 0..6 {
        sizes.0[16 + 2 * tile] = SIZE.1 as u8;
        sizes.0[48 + tile] = SIZE.0 as u8;
    }
    // SAFETY: the caller answers for the tiles, and they are given back. Reads 64 bytes, which
    // `sizes` has, and no other memory. Four sums hide how long a product takes.
    unsafe {
        std::arch::asm!(
            "ldtilecfg [{sizes}]",
            "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
            "tilezero tmm4", "tilezero tmm5",
            "2:",
            "tdpbsud tmm0, tmm4, tmm5",
            "tdpbsud tmm1, tmm4, tmm5",
            "tdpbsud tmm2, tmm4, tmm5",
            "tdpbsud tmm3, tmm4, tmm5",
            "dec {steps}",
            "jnz 2b",
            "tilerelease",
            sizes = in(reg) &raw const sizes,
            steps = inout(reg) steps => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _, out("tmm4") _,
            out("tmm5") _,
            options(nostack, readonly)
        );
    }
    (steps * 4 * SIZE.0 * SIZE.0 * SIZE.1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_counts_what_it_multiplies() {
        for isa in Isa::available() {
            let floats = multiply_adds(isa, Factors::Floats, 3);
            assert!(floats > 0 && floats.is_multiple_of(3 * 192), "{isa}: {floats}");
            let bytes = multiply_adds(isa, Factors::Bytes, 3);
            let expected =
                if isa.level() == Level::Amx { 3 * 16 * 4 * (16 * 16 * 64) } else { 4 * floats };
            assert_eq!(bytes, expected, "{isa}");
            assert_eq!(multiply_adds(isa, Factors::Bytes, 0), 0);
        }
    }

    #[test]
    fn sums_stay_within_their_range() {
        let Numbers { weights, activations } = Numbers::bytes();
        for step in weights.chunks_exact(WIDEST) {
            for (lane, four) in step.as_chunks::<4>().0.iter().enumerate() {
                for a in activations.as_chunks::<4>().0 {
                    let product = |i: usize| i32::from(four[i]) * i32::from(a[i]);
                    let (low, high) = (product(0) + product(1), product(2) + product(3));
                    assert!(low == 0 && high == 0, "lane {lane}: {low}, {high}");
                }
            }
        }
    }
}
