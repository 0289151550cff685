//! What this processor offers to the kernels.

use serde::Serialize;

pub(crate) use kernels::Isa;

/// What the kernels use of this processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CpuFeatures {
    /// Processor family, e.g. `x86_64`.
    pub architecture: &'static str,
    /// The kernels in use, a [`Level`](kernels::Level) by its name; what is wrong with
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

/// The kernels that `TEXTPORT_CPU` names; the best where it names none of this machine's, which is
/// refused wherever a model is loaded for the processor.
pub(crate) fn usual_isa() -> Isa {
    Isa::from_environment().unwrap_or_else(|_| Isa::best())
}

/// Those of the named instruction sets that the processor has.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! present {
    ($is_here:ident: $($name:tt),*) => {
        [$(($name, std::arch::$is_here!($name))),*]
            .into_iter()
            .filter_map(|(name, has)| has.then_some(name))
            .collect()
    };
}

#[cfg(target_arch = "x86_64")]
fn detected() -> Vec<&'static str> {
    present!(
        is_x86_feature_detected: "sse4.2",
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
    )
}

#[cfg(target_arch = "aarch64")]
fn detected() -> Vec<&'static str> {
    present!(is_aarch64_feature_detected: "neon", "fp16", "dotprod", "i8mm", "bf16", "sve")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn detected() -> Vec<&'static str> {
    Vec::new()
}

/// The physical cores, but no more than this process may use.
pub(crate) fn default_threads() -> usize {
    let allowed = std::thread::available_parallelism().map_or(1, usize::from);
    num_cpus::get_physical().clamp(1, allowed)
}
