//! What this processor can do, asked once and at run time: one binary for every machine of an
//! architecture, and never an instruction that the machine does not know. Kernels are chosen here
//! and nowhere else.

use std::fmt;
use std::str::FromStr;

#[cfg(target_arch = "x86_64")]
use crate::simd::tiles_are_here;

/// The instruction sets that the kernels tell apart, better ones later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Plain code, whatever the compiler makes of it: the reference.
    Scalar,
    /// AVX2 with FMA and F16C.
    Avx2,
    /// The same with the byte products of AVX-VNNI.
    AvxVnni,
    /// AVX-512 F, BW, VL and VNNI.
    Avx512,
    /// The same with the tiles of AMX for bytes.
    Amx,
    /// NEON, which every 64-bit ARM has.
    Neon,
    /// The same with the byte products of the dot product extension.
    NeonDotprod,
}

impl Level {
    /// All of them, whatever this machine has.
    pub const ALL: [Self; 7] = [
        Self::Scalar,
        Self::Avx2,
        Self::AvxVnni,
        Self::Avx512,
        Self::Amx,
        Self::Neon,
        Self::NeonDotprod,
    ];

    /// The name that [`Level::from_str`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avxvnni",
            Self::Avx512 => "avx512",
            Self::Amx => "amx",
            Self::Neon => "neon",
            Self::NeonDotprod => "neon-dotprod",
        }
    }

    /// Whether this machine has the instructions.
    pub fn is_here(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2(),
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => avx2() && std::is_x86_feature_detected!("avxvnni"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512(),
            #[cfg(target_arch = "x86_64")]
            Self::Amx => avx512() && tiles_are_here(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => neon(),
            #[cfg(target_arch = "aarch64")]
            Self::NeonDotprod => neon() && std::arch::is_aarch64_feature_detected!("dotprod"),
            // Another architecture's.
            _ => false,
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn avx2() -> bool {
    std::is_x86_feature_detected!("avx2")
        && std::is_x86_feature_detected!("fma")
        && std::is_x86_feature_detected!("f16c")
}

#[cfg(target_arch = "x86_64")]
fn avx512() -> bool {
    avx2()
        && std::is_x86_feature_detected!("avx512f")
        && std::is_x86_feature_detected!("avx512bw")
        && std::is_x86_feature_detected!("avx512vl")
        && std::is_x86_feature_detected!("avx512vnni")
}

/// Packed panels are little-endian.
#[cfg(target_arch = "aarch64")]
fn neon() -> bool {
    cfg!(target_endian = "little") && std::arch::is_aarch64_feature_detected!("neon")
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why kernels cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IsaError {
    /// No kernels of that name.
    Unknown(String),
    /// This machine lacks the instructions.
    Missing(Level),
}

impl fmt::Display for IsaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Level::ALL.map(Level::name).join(", ");
        match self {
            Self::Unknown(name) => write!(f, "there are no kernels {name:?}; there are {names}"),
            Self::Missing(level) => {
                write!(f, "this machine has no {level}; the best it has is {}", Isa::best())
            }
        }
    }
}

impl std::error::Error for IsaError {}

impl FromStr for Level {
    type Err = IsaError;

    fn from_str(name: &str) -> Result<Self, IsaError> {
        let unknown = || IsaError::Unknown(name.to_owned());
        Self::ALL.into_iter().find(|level| level.name() == name).ok_or_else(unknown)
    }
}

/// Proof that this machine has the instructions of a [`Level`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Isa(Level);

impl Isa {
    /// The best that this machine has.
    pub fn best() -> Self {
        let here = Level::ALL.into_iter().rev().find(|level| level.is_here());
        Self(here.unwrap_or(Level::Scalar))
    }

    /// That level, if this machine has it.
    ///
    /// # Errors
    /// [`IsaError::Missing`] if it does not.
    pub fn new(level: Level) -> Result<Self, IsaError> {
        if level.is_here() { Ok(Self(level)) } else { Err(IsaError::Missing(level)) }
    }

    /// The level that the environment variable `TEXTPORT_CPU` names; the best where it is not set.
    ///
    /// # Errors
    /// When it names none, or one that this machine lacks.
    pub fn from_environment() -> Result<Self, IsaError> {
        match std::env::var_os("TEXTPORT_CPU").filter(|name| !name.is_empty()) {
            None => Ok(Self::best()),
            Some(name) => Self::new(name.to_string_lossy().parse()?),
        }
    }

    /// Everything that this machine has, best last.
    pub fn available() -> Vec<Self> {
        Level::ALL.into_iter().filter(|level| level.is_here()).map(Self).collect()
    }

    /// Which level it is.
    pub fn level(self) -> Level {
        self.0
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
