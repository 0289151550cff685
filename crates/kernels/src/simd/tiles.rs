//! Tiles of AMX: whether there are any, how they are set up, and the product of two.
//!
//! Rust's intrinsics for them are not stable, so their instructions stand here as assembler. What a
//! tile holds from one block of it to the next is safe there: blocks are run in the order in which
//! they are written, and compiled code does not touch tiles, because it is compiled for processors
//! that have none.

use std::arch::asm;
use std::marker::PhantomData;
use std::sync::OnceLock;

/// Rows of weights that are multiplied at a time.
const ROWS: usize = 16;
/// Tokens that are.
pub(crate) const TOKENS: usize = 16;

/// A token after the other, its products with all rows of weights, each plus [`ZERO`]: the integers
/// that tiles add up are the fractions of these floats.
pub(crate) type Products = [[f32; ROWS]; TOKENS];

/// A float that counts in ones, up to four million in either direction: what a sum begins with, so
/// that it need not be converted. Subtracting it is exact. Where tiles are in use, one of the two
/// units that convert (and multiply) floats is not, but both add.
pub(crate) const ZERO: f32 = 12_582_912.0;

#[repr(align(64))]
struct Aligned(#[expect(dead_code, reason = "read by pointers")] Products);
static ZEROS: Aligned = Aligned([[ZERO; ROWS]; TOKENS]);

/// Whether the processor has tiles of bytes, and the system lets this process use them. Asks for it
/// once: the system wants to know, because a thread that uses tiles has more to be saved.
pub(crate) fn are_here() -> bool {
    static HERE: OnceLock<bool> = OnceLock::new();
    *HERE.get_or_init(|| processor_has_them() && system_permits_them())
}

fn processor_has_them() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    const TILE_AND_INT8: u32 = 0b11 << 24;
    let sizes = 0x1D;
    if __cpuid(0).eax < sizes || __cpuid_count(7, 0).edx & TILE_AND_INT8 != TILE_AND_INT8 {
        return false;
    }
    // Palette 1: eight tiles of 1024 bytes in 16 rows of 64.
    let palette = __cpuid_count(sizes, 1);
    palette.eax >> 16 == 1024 && palette.ebx == 8 << 16 | 64 && palette.ecx & 0xFFFF == 16
}

/// Linux gives tiles to processes that ask.
#[cfg(target_os = "linux")]
fn system_permits_them() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST_PERMISSION: i64 = 0x1023;
    const TILE_DATA: i64 = 18;
    let mut result = ARCH_PRCTL;
    // SAFETY: a system call with two numbers, which touches no memory of ours; the registers that
    // a call changes are named.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") result, in("rdi") REQUEST_PERMISSION, in("rsi") TILE_DATA,
            lateout("rcx") _, lateout("r11") _, options(nostack)
        );
    }
    result == 0
}

#[cfg(not(target_os = "linux"))]
fn system_permits_them() -> bool {
    false
}

/// What `ldtilecfg` reads.
#[repr(C, align(64))]
struct Sizes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// The sizes of this thread's tiles, while this lives.
#[derive(Debug)]
pub(crate) struct Tiles {
    /// Sizes belong to a thread.
    _thread: PhantomData<*mut ()>,
}

impl Tiles {
    /// For products of `depth` columns: a multiple of four, at most 64.
    ///
    /// # Safety
    /// [`are_here`], and no other tiles on this thread.
    pub(crate) unsafe fn new(depth: usize) -> Self {
        let mut sizes = Sizes {
            palette: 1,
            start_row: 0,
            reserved: [0; 14],
            row_bytes: [0; 16],
            rows: [0; 16],
        };
        let products = (TOKENS as u8, 4 * ROWS as u16);
        let activations = (TOKENS as u8, depth as u16);
        let weights = ((depth / 4) as u8, 4 * ROWS as u16);
        let all = [products, activations, weights];
        for (tile, (rows, bytes)) in all.into_iter().enumerate() {
            (sizes.rows[tile], sizes.row_bytes[tile]) = (rows, bytes);
        }
        // SAFETY: reads 64 bytes, which `sizes` has; palette 1 has these tiles.
        unsafe {
            asm!("ldtilecfg [{sizes}]", sizes = in(reg) &raw const sizes, options(nostack));
        }
        Self { _thread: PhantomData }
    }

    /// Begins the products of numbers of [`TOKENS`] tokens, `stride` bytes from one token to the
    /// next, with as many columns of sixteen rows: four columns of all rows, then the next four.
    /// Before that, what was last begun is written to `out`.
    ///
    /// # Safety
    /// `activations` and `weights` are good for reading that much, `out` for writing. Products
    /// add up to four million at most.
    #[inline(always)]
    pub(crate) unsafe fn next(
        &self,
        activations: *const i8,
        stride: usize,
        weights: *const i8,
        out: *mut Products,
    ) {
        // SAFETY: the sizes are set while `self` lives, on this thread; pointers by the caller.
        // The tiles that are used are named, and only they.
        unsafe {
            asm!(
                "tilestored [{out} + {row}], tmm0",
                "tileloadd tmm0, [{zeros} + {row}]",
                "tileloadd tmm1, [{activations} + {stride}]",
                "tileloadd tmm2, [{weights} + {row}]",
                "tdpbssd tmm0, tmm1, tmm2",
                activations = in(reg) activations,
                stride = in(reg) stride,
                weights = in(reg) weights,
                out = in(reg) out,
                zeros = in(reg) &raw const ZEROS,
                row = in(reg) 4 * ROWS,
                out("tmm0") _, out("tmm1") _, out("tmm2") _,
                options(nostack, preserves_flags)
            );
        }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: gives back what `new` has set; nothing is left in a tile.
        unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
    }
}
