//! The arithmetic of text generation on a processor.

mod attention;
mod isa;
mod numbers;
mod packed;
mod pool;
mod product;
mod rows;
mod simd;
mod vectors;

pub use attention::{Heads, Past, Queries, SPAN, Span, attend};
pub use isa::{Isa, IsaError, Level};
pub use numbers::{Bf16, CacheNumber, F16, F32, Number};
pub use packed::{Blocks, ByteRows, Bytes, Packed, PanelMut, QuadMut};
pub use pool::Pool;
pub use product::{AsOperand, Input, Operand, multiply};
pub use rows::FloatRows;
pub use vectors::{add, exp_sum, rms_norm, rms_norm_in_place, store, swiglu};
