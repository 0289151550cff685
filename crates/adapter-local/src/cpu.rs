//! What this processor can do, asked once and at run time: one binary for every x86-64 machine,
//! and never an instruction that it does not know. Kernels are chosen here and nowhere else.

use serde::Serialize;

/// The instruction sets that the kernels tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Plain code, whatever the compiler makes of it.
    Portable,
    /// AVX2 with FMA and F16C.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// The same and AVX-512 VNNI on 256-bit registers.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
}

/// Proof that this machine has the instructions of a [`Level`]: only detection makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Isa(Level);

impl Isa {
    /// The best that this machine has.
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = std::is_x86_feature_detected!("avx2")
                && std::is_x86_feature_detected!("fma")
                && std::is_x86_feature_detected!("f16c");
            let vnni = std::is_x86_feature_detected!("avx512f")
                && std::is_x86_feature_detected!("avx512vl")
                && std::is_x86_feature_detected!("avx512vnni");
            if avx2 && vnni {
                return Self(Level::Avx512Vnni);
            }
            if avx2 {
                return Self(Level::Avx2);
            }
        }
        Self(Level::Portable)
    }

    /// Everything that this machine has, best last.
    #[cfg(test)]
    pub(crate) fn available() -> Vec<Self> {
        let mut all = vec![Self(Level::Portable)];
        #[cfg(target_arch = "x86_64")]
        all.extend(
            [Level::Avx2, Level::Avx512Vnni]
                .into_iter()
                .filter(|level| *level <= Self::detect().0)
                .map(Self),
        );
        all
    }

    pub(crate) fn level(self) -> Level {
        self.0
    }
}

/// What the kernels use of this processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CpuFeatures {
    /// Processor family, e.g. `x86_64`.
    pub architecture: &'static str,
    /// The kernels in use: `portable`, `avx2` or `avx512-vnni`.
    pub kernels: &'static str,
    /// Those instruction sets that matter to text generation and that the processor has.
    pub detected: Vec<&'static str>,
    /// Threads that compute unless configured otherwise: the physical cores that this process may use.
    pub threads: usize,
}

/// What the kernels use of this processor.
pub fn cpu_features() -> CpuFeatures {
    let kernels = match Isa::detect().level() {
        Level::Portable => "portable",
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => "avx2",
        #[cfg(target_arch = "x86_64")]
        Level::Avx512Vnni => "avx512-vnni",
    };
    CpuFeatures {
        architecture: std::env::consts::ARCH,
        kernels,
        detected: detected(),
        threads: default_threads(),
    }
}

#[cfg(target_arch = "x86_64")]
fn detected() -> Vec<&'static str> {
    macro_rules! present {
        ($($name:tt),*) => {
            [$(($name, std::is_x86_feature_detected!($name))),*]
        };
    }
    let all = present!(
        "sse4.2",
        "avx",
        "f16c",
        "fma",
        "avx2",
        "avxvnni",
        "avx512f",
        "avx512bw",
        "avx512vl",
        "avx512vnni",
        "avx512bf16"
    );
    all.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn detected() -> Vec<&'static str> {
    Vec::new()
}

/// The physical cores, but no more than this process may use.
pub(crate) fn default_threads() -> usize {
    let allowed = std::thread::available_parallelism().map_or(1, usize::from);
    num_cpus::get_physical().clamp(1, allowed)
}
