//! The arithmetic of text generation on a processor: slices in, slices out.
//!
//! - [`multiply`]: matrices times rows of activations, on all threads of a [`Pool`]. Quantized
//!   matrices are [`Packed`] once; others are read where they lie ([`FloatRows`]).
//! - [`attend`]: attention over keys and values that their owner hands out span by span ([`Past`]).
//! - [`rms_norm`], [`swiglu`] and the like: what happens to a row in between.
//! - [`largest`], [`at_least`], [`power_sum`]: what the choice of a token asks of logits.
//! - [`multiply_adds`]: how fast the instructions alone would be.
//! - [`Isa`]: which instructions are used; the best that the machine has, or what `TEXTPORT_CPU`
//!   names.
//!
//! Results are the same bits however many rows, tokens or threads are computed together.
//!
//! ```
//! use textport_kernels::{Blocks, Bytes, Input, Isa, Operand, Packed, Pool, multiply};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (isa, pool) = (Isa::best(), Pool::new(2, "doc")?);
//! // Two rows of 32 columns in Q8_0: a scale in half precision (1.0), then the numbers.
//! let row = |number: i8| [&[0x00, 0x3c][..], &[number.cast_unsigned(); 32]].concat();
//! let (ones, twos) = (row(1), row(2));
//! let mut matrix = Packed::zeroed(isa, Blocks::Q8_0, 2, 32)?;
//! for panel in matrix.panels_mut() {
//!     panel.pack(&[&ones, &twos]);
//! }
//! let token = [0.5_f32; 32];
//! let mut bytes = Bytes::new(1, 32)?;
//! for mut quad in bytes.quads_mut(1, 32) {
//!     quad.set(isa, 0, &token);
//! }
//! let mut out = [0.0; 2];
//! let input = Input { floats: &token, bytes: Some(bytes.rows(1, 32)), tokens: 1 };
//! multiply(&pool, isa, &[Operand::Packed(&matrix)], input, &mut out);
//! assert!((out[0] - 16.0).abs() < 1e-3 && (out[1] - 32.0).abs() < 1e-3);
//! # Ok(()) }
//! ```

mod attention;
mod isa;
mod logits;
mod numbers;
mod packed;
mod peak;
mod pool;
mod product;
mod reading;
mod rows;
mod simd;
mod vectors;

pub use attention::{CacheKind, CacheNumber, Heads, Past, Queries, SPAN, Span, attend};
pub use isa::{Isa, IsaError, Level};
pub use logits::{Largest, at_least, largest, power_sum};
pub use numbers::{Bf16, F16, F32, Number, Q8_0};
pub use packed::{Blocks, ByteRows, Bytes, NoMemory, Packed, PanelMut, QuadMut};
pub use peak::{Factors, multiply_adds};
pub use pool::Pool;
pub use product::{AsOperand, Input, Operand, multiply};
pub use reading::{Readable, read};
pub use rows::FloatRows;
pub use vectors::{add, exp_sum, rms_norm, rms_norm_in_place, store, swiglu};
