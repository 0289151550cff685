//! What this processor offers to the kernels.

use serde::Serialize;

pub(crate) use kernels::Isa;

/// What the kernels use of this processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CpuFeatures {
    /// Processor family, e.g. `x86_64`.
    pub architecture: &'static str,
    /// The kernels in use: `scalar`, `avx2`, `avxvnni` or `avx512`; what is wrong with
    /// `TEXTPORT_CPU` where it names none of this machine's.
    pub kernels: String,
    /// Those instruction sets that matter to text generation and that the processor has.
    pub detected: Vec<&'static str>,
    /// Threads that compute unless configured otherwise: the physical cores that this process may use.
    pub threads: usize,
}

/// What the kernels use of this processor.
pub fn cpu_features() -> CpuFeatures {
    let kernels = Isa::from_environment();
    CpuFeatures {
        architecture: std::env::consts::ARCH,
        kernels: kernels.map_or_else(|error| error.to_string(), |isa| isa.to_string()),
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
