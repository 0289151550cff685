//! A packed matrix: which format it has, its panels, and the entry points of its products.

#![expect(unsafe_code, reason = "calls kernels that are compiled for instructions proven here")]

use std::ops::Range;

use super::activations::ByteRows;
use super::format::{
    Eight, Five, FiveMin, Format, Four, FourMin, GROUP, Sizes, Super2, Super3, Super4, Super5,
    Super6,
};
use super::memory::{Memory, NoMemory};
use super::product::Out;
use super::stored::{self, Stored};
#[cfg(target_arch = "x86_64")]
use super::tiled::{self, Panels};
use super::{pack, product};
use crate::isa::{Isa, Level};
#[cfg(target_arch = "aarch64")]
use crate::simd::Neon;
use crate::simd::{Portable, Simd};
#[cfg(target_arch = "x86_64")]
use crate::simd::{Ymm, Zmm};

/// The block formats of files that can be packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are ggml's")]
pub enum Blocks {
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
}

/// Calls `$macro!($stored block type, $packed format)` for the format of `$blocks`.
macro_rules! by_format {
    ($blocks:expr, $call:ident) => {
        match $blocks {
            Blocks::Q4_0 => $call!(Q4_0, Four),
            Blocks::Q4_1 => $call!(Q4_1, FourMin),
            Blocks::Q5_0 => $call!(Q5_0, Five),
            Blocks::Q5_1 => $call!(Q5_1, FiveMin),
            Blocks::Q8_0 => $call!(Q8_0, Eight),
            Blocks::Q2K => $call!(Q2K, Super2),
            Blocks::Q3K => $call!(Q3K, Super3),
            Blocks::Q4K => $call!(Q4K, Super4),
            Blocks::Q5K => $call!(Q5K, Super5),
            Blocks::Q6K => $call!(Q6K, Super6),
        }
    };
}

impl Blocks {
    /// Columns and bytes of a block.
    pub fn block(self) -> (usize, usize) {
        macro_rules! block {
            ($stored:ident, $packed:ident) => {
                (stored::$stored::GROUPS * GROUP, stored::$stored::BYTES)
            };
        }
        by_format!(self, block)
    }

    /// Writes a row, the bytes of its blocks, to `out` as floats.
    pub fn expand(self, row: &[u8], out: &mut [f32]) {
        macro_rules! expand {
            ($stored:ident, $packed:ident) => {
                stored::expand::<stored::$stored>(row, out)
            };
        }
        by_format!(self, expand);
    }
}

/// Rows of a panel.
fn lanes(isa: Isa) -> usize {
    match isa.level() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 | Level::AvxVnni => Ymm::<false>::LANES,
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 | Level::Amx => Zmm::LANES,
        #[cfg(target_arch = "aarch64")]
        Level::Neon | Level::NeonDotprod => Neon::<false>::LANES,
        _ => Portable::LANES,
    }
}

/// Rows of quantized weights in the order in which the kernels of one instruction set read them.
#[derive(Debug)]
pub struct Packed {
    isa: Isa,
    blocks: Blocks,
    rows: usize,
    columns: usize,
    panel_bytes: usize,
    memory: Memory,
}

impl Packed {
    /// Room for a matrix, all zero. `columns` must be a multiple of a block's.
    ///
    /// # Errors
    /// When there is not that much memory.
    ///
    /// # Panics
    /// When `columns` is not whole blocks.
    pub fn zeroed(isa: Isa, blocks: Blocks, rows: usize, columns: usize) -> Result<Self, NoMemory> {
        assert!(columns.is_multiple_of(blocks.block().0), "{columns} columns are not whole blocks");
        // Less than four bytes a number in every format, sixteen lanes at most.
        let numbers = rows.max(1).checked_next_multiple_of(16).and_then(|n| n.checked_mul(columns));
        let fits = numbers.is_some_and(|numbers| numbers <= usize::MAX / 4);
        assert!(fits, "{rows} x {columns} is too large");
        macro_rules! sizes {
            ($stored:ident, $packed:ident) => {
                Sizes::of::<$packed>(lanes(isa))
            };
        }
        let panel_bytes = by_format!(blocks, sizes).panel(columns / GROUP);
        let bytes = rows.div_ceil(lanes(isa)) * panel_bytes;
        let memory = Memory::zeroed(bytes)?;
        Ok(Self { isa, blocks, rows, columns, panel_bytes, memory })
    }

    /// Rows of a panel: what [`Packed::panels_mut`] wants to be filled together.
    pub fn panel_rows(&self) -> usize {
        lanes(self.isa)
    }

    /// All panels, to be filled with [`PanelMut::pack`] on any thread.
    pub fn panels_mut(&mut self) -> impl Iterator<Item = PanelMut<'_>> {
        let (isa, blocks, columns) = (self.isa, self.blocks, self.columns);
        let bytes = self.panel_bytes;
        let panels = self.memory.chunks_exact_mut(bytes.max(1));
        panels.map(move |panel| PanelMut { isa, blocks, groups: columns / GROUP, panel })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many numbers a row has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// How many panels there are.
    pub fn panels(&self) -> usize {
        self.rows.div_ceil(lanes(self.isa))
    }

    fn panel(&self, index: usize) -> &[u8] {
        &self.memory[index * self.panel_bytes..][..self.panel_bytes]
    }

    /// Writes a row to `out`, as floats.
    pub fn expand_row(&self, row: usize, out: &mut [f32]) {
        let lanes = lanes(self.isa);
        let panel = self.panel(row / lanes);
        macro_rules! expand {
            ($stored:ident, $packed:ident) => {
                pack::expand::<$packed>(panel, row % lanes, lanes, out)
            };
        }
        by_format!(self.blocks, expand);
    }

    /// Multiplies some panels with all rows of `activations`. Row r of token t goes to
    /// `out + t x stride + r`.
    ///
    /// # Safety
    /// `out` is good for writing the rows of these panels for every token, and nobody else uses
    /// these numbers meanwhile.
    pub(crate) unsafe fn multiply(
        &self,
        panels: Range<usize>,
        activations: &ByteRows<'_>,
        out: *mut f32,
        stride: usize,
    ) {
        assert_eq!(activations.groups() * GROUP, self.columns, "rows of different lengths");
        assert!(panels.end <= self.panels(), "there are {} panels", self.panels());
        #[cfg(target_arch = "x86_64")]
        if self.isa.level() == Level::Amx && tiled::pays(activations.tokens()) {
            // SAFETY: as below.
            unsafe { self.multiply_tiled(panels, activations, out, stride) };
            return;
        }
        let lanes = lanes(self.isa);
        for panel in panels {
            let rows = lanes.min(self.rows - panel * lanes);
            let from = self.panel(panel).as_ptr();
            // SAFETY: the first row of the panel is one of `out`'s; the panel has as many groups
            // as the activations (checked); the instructions are there, by `self.isa`.
            unsafe {
                let out = Out { at: out.add(panel * lanes), stride, rows };
                macro_rules! run {
                    ($stored:ident, $packed:ident) => {
                        run::<$packed>(self.isa, from, activations, out)
                    };
                }
                by_format!(self.blocks, run);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Packed {
    /// The same by tiles.
    ///
    /// # Safety
    /// Those of [`Packed::multiply`], at the level of tiles and for tokens that it pays for.
    unsafe fn multiply_tiled(
        &self,
        panels: Range<usize>,
        activations: &ByteRows<'_>,
        out: *mut f32,
        stride: usize,
    ) {
        let first_row = panels.start * Zmm::LANES;
        let rows = self.rows.min(panels.end * Zmm::LANES).saturating_sub(first_row);
        let first = self.memory[panels.start * self.panel_bytes..].as_ptr();
        let panels = Panels { first, bytes: self.panel_bytes, count: panels.len() };
        // SAFETY: the first row of these panels is one of `out`'s; the panels have as many groups
        // as the activations (checked); the instructions are there, by `self.isa`.
        unsafe {
            let out = Out { at: out.add(first_row), stride, rows };
            macro_rules! run {
                ($stored:ident, $packed:ident) => {
                    tiled::multiply::<$packed>(panels, activations, out)
                };
            }
            by_format!(self.blocks, run);
        }
    }
}

/// A panel to be filled.
#[derive(Debug)]
pub struct PanelMut<'a> {
    isa: Isa,
    blocks: Blocks,
    groups: usize,
    panel: &'a mut [u8],
}

impl PanelMut<'_> {
    /// Packs the panel's rows, each the bytes of its blocks as a file has them. The last panel may
    /// get fewer.
    ///
    /// # Panics
    /// When a row is too short or there are too many.
    pub fn pack(self, rows: &[&[u8]]) {
        let lanes = lanes(self.isa);
        assert!(rows.len() <= lanes, "a panel has {lanes} rows");
        macro_rules! pack {
            ($stored:ident, $packed:ident) => {
                pack::pack::<stored::$stored>(rows, self.groups, lanes, self.panel)
            };
        }
        by_format!(self.blocks, pack);
    }
}

/// Runs the kernel of the level that `isa` proves.
///
/// # Safety
/// Those of [`product::panel`], but for the instructions.
unsafe fn run<F: Format>(isa: Isa, panel: *const u8, activations: &ByteRows<'_>, out: Out) {
    // SAFETY: an `Isa` of a level exists only where the processor has its instructions; the rest
    // is the caller's.
    unsafe {
        match isa.level() {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Amx => zmm::<F>(panel, activations, out),
            #[cfg(target_arch = "x86_64")]
            Level::AvxVnni => ymm_vnni::<F>(panel, activations, out),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => ymm::<F>(panel, activations, out),
            #[cfg(target_arch = "aarch64")]
            Level::NeonDotprod => neon_dotprod::<F>(panel, activations, out),
            #[cfg(target_arch = "aarch64")]
            Level::Neon => neon::<F>(panel, activations, out),
            _ => product::panel::<Portable, F>(panel, activations, out),
        }
    }
}

macro_rules! entry {
    ($name:ident, $simd:ty, $arch:literal, $features:literal) => {
        /// # Safety
        /// Those of [`product::panel`].
        #[cfg(target_arch = $arch)]
        #[target_feature(enable = $features)]
        unsafe fn $name<F: Format>(panel: *const u8, activations: &ByteRows<'_>, out: Out) {
            // SAFETY: this function has the instructions; the rest is the caller's.
            unsafe { product::panel::<$simd, F>(panel, activations, out) }
        }
    };
}
entry!(zmm, Zmm, "x86_64", "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512vnni");
entry!(ymm_vnni, Ymm<true>, "x86_64", "avx2,fma,f16c,avxvnni");
entry!(ymm, Ymm<false>, "x86_64", "avx2,fma,f16c");
entry!(neon_dotprod, Neon<true>, "aarch64", "neon,dotprod");
entry!(neon, Neon<false>, "aarch64", "neon");
