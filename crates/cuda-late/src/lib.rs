//! CUDA where it is, found at run time: one binary starts with and without a driver.
//!
//! A build with candle's feature `cuda` asks the linker for NVIDIA's libraries, and such a binary
//! cannot start on a machine that lacks one of them. This crate's build script gives the linker
//! small archives of the same names instead; [`open`] connects them with the real libraries.
//!
//! Call [`gpus`] (or [`open`]) before anything that calls CUDA. Until it says `Ok`, every function of
//! those libraries returns its own "not there" error code.
//!
//! # Where libraries are looked for
//!
//! Where the system's loader looks (`LD_LIBRARY_PATH` included), then `/usr/local/cuda/lib64`,
//! `/usr/local/nvidia/lib64` and `/usr/lib/wsl/lib`. Wanted are `libcuda.so.1` (the driver),
//! `libcublasLt.so.13`, `libcublas.so.13` and `libcurand.so.10`; `libnvrtc.so.13` is taken where it is.
//!
//! # The names
//!
//! `names/LIBRARY.txt` lists the functions that cudarc's bindings of CUDA 13.0 call. Where a later
//! cudarc calls one more, the linker says which: add it to the list.

mod gpus;
mod open;

pub use gpus::{Gpu, gpus};
pub use open::{NoCuda, open};
