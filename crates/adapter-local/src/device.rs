//! Which device computes: what was asked for, and what this machine has.

mod open;

use std::fmt;
use std::str::FromStr;

use ports::{Error, ErrorKind, RetryAdvice, Unavailability};

pub(crate) use open::{check_graphs, open_candle};

#[cfg(all(feature = "cuda", not(all(target_os = "linux", target_arch = "x86_64"))))]
compile_error!("the feature `cuda` is for Linux on x86-64 only");

/// Where a model is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// This machine's processor.
    Cpu,
    /// The NVIDIA GPU of this number.
    Cuda(usize),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

/// What the setting `device` asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum DeviceSetting {
    /// A GPU where there is one that serves, otherwise the processor.
    #[default]
    Auto,
    /// This device or an error.
    Only(Device),
}

impl FromStr for DeviceSetting {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        // Written as a number is: no sign, no leading zeros.
        let number = |digits: &str| digits.parse().ok().filter(|n: &usize| n.to_string() == digits);
        let known = match word {
            "auto" => Some(Self::Auto),
            "cpu" => Some(Self::Only(Device::Cpu)),
            "cuda" => Some(Self::Only(Device::Cuda(0))),
            _ => word.strip_prefix("cuda:").and_then(number).map(|n| Self::Only(Device::Cuda(n))),
        };
        known.ok_or_else(|| {
            Error::new(ErrorKind::ConfigInvalid, format!("there is no device {word:?}"))
                .with_hint("known devices: auto, cpu, cuda, cuda:N")
        })
    }
}

/// A device, and why it is no GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenDevice {
    /// What computes.
    pub device: Device,
    /// The GPU's name and memory.
    pub about: Option<String>,
    /// Why `auto` did not choose a GPU, in one line.
    pub why_no_gpu: Option<String>,
}

/// Finds the device that a value of the setting `device` means on this machine: `auto`, `cpu`, `cuda`
/// (the first GPU) or `cuda:N`.
///
/// # Errors
/// [`ErrorKind::ConfigInvalid`] for another word and for CUDA in a build that has none;
/// [`ErrorKind::Unavailable`] where the GPU that was asked for is not there or cannot be used.
pub fn choose_device(setting: &str) -> Result<ChosenDevice, Error> {
    resolve(setting.parse()?)
}

/// The same for a setting that was read already.
pub(crate) fn resolve(setting: DeviceSetting) -> Result<ChosenDevice, Error> {
    match setting {
        DeviceSetting::Only(Device::Cpu) => Ok(cpu(None)),
        DeviceSetting::Auto => Ok(best_of(gpus())),
        DeviceSetting::Only(Device::Cuda(number)) if cfg!(feature = "cuda") => {
            this_one(number, gpus())
        }
        DeviceSetting::Only(device) => {
            let message = format!("{device} was asked for, but {NOT_BUILT_IN}");
            Err(Error::new(ErrorKind::ConfigInvalid, message)
                .with_hint("use device = \"cpu\", or build textport with --features cuda"))
        }
    }
}

const NOT_BUILT_IN: &str = "this build has no CUDA";

/// A GPU of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Gpu {
    about: String,
    /// Why this build cannot use it.
    fault: Option<String>,
}

#[cfg(not(feature = "cuda"))]
fn gpus() -> Result<Vec<Gpu>, String> {
    Err(NOT_BUILT_IN.to_owned())
}

#[cfg(feature = "cuda")]
fn gpus() -> Result<Vec<Gpu>, String> {
    let found = cuda_late::gpus().map_err(|error| error.to_string())?;
    let fault = |gpu: &cuda_late::Gpu| {
        let (major, minor) = cuda_late::Gpu::built_for().filter(|_| !gpu.runs_this_build())?;
        let (its_major, its_minor) = gpu.capability;
        Some(format!(
            "the {} has compute capability {its_major}.{its_minor}, this build is for {major}.{minor}",
            gpu.name
        ))
    };
    let gpu = |gpu: &cuda_late::Gpu| Gpu {
        about: format!("{}, {} MiB", gpu.name, gpu.memory >> 20),
        fault: fault(gpu),
    };
    Ok(found.iter().map(gpu).collect())
}

fn cpu(why_no_gpu: Option<String>) -> ChosenDevice {
    ChosenDevice { device: Device::Cpu, about: None, why_no_gpu }
}

fn gpu(number: usize, gpu: Gpu) -> ChosenDevice {
    ChosenDevice { device: Device::Cuda(number), about: Some(gpu.about), why_no_gpu: None }
}

fn best_of(gpus: Result<Vec<Gpu>, String>) -> ChosenDevice {
    let gpus = match gpus {
        Ok(gpus) => gpus,
        Err(why) => return cpu(Some(why)),
    };
    let first_fault = gpus.iter().find_map(|gpu| gpu.fault.clone());
    match gpus.into_iter().enumerate().find(|(_, gpu)| gpu.fault.is_none()) {
        Some((number, found)) => gpu(number, found),
        None => cpu(Some(first_fault.unwrap_or_else(|| "the driver shows no GPU".to_owned()))),
    }
}

fn this_one(number: usize, gpus: Result<Vec<Gpu>, String>) -> Result<ChosenDevice, Error> {
    let asked = Device::Cuda(number);
    let gpus = gpus.map_err(|why| {
        unavailable(format!("{asked} was asked for, but CUDA cannot be used: {why}"))
            .with_hint("install NVIDIA's driver and the CUDA 13 libraries, or use device = \"cpu\"")
    })?;
    let count = gpus.len();
    match gpus.into_iter().nth(number) {
        Some(Gpu { fault: Some(fault), .. }) => {
            Err(unavailable(format!("{asked} was asked for, but {fault}"))
                .with_hint("set CUDA_COMPUTE_CAP and build again, or use device = \"cpu\""))
        }
        Some(found) => Ok(gpu(number, found)),
        None => {
            let gpus = if count == 1 { "GPU" } else { "GPUs" };
            let message = format!("{asked} was asked for, but this machine has {count} {gpus}");
            Err(unavailable(message).with_hint(match count {
                0 => "use device = \"cpu\"".to_owned(),
                _ => format!("they count from 0: the last one is cuda:{}", count - 1),
            }))
        }
    }
}

/// Asking again changes nothing; another provider may answer.
fn unavailable(message: String) -> Error {
    Error::new(ErrorKind::Unavailable(Unavailability::Down), message)
        .with_advice(RetryAdvice::OtherProviderOnly)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(faults: &[Option<&str>]) -> Result<Vec<Gpu>, String> {
        let gpu = |fault: &Option<&str>| Gpu {
            about: "a GPU, 1 MiB".to_owned(),
            fault: fault.map(str::to_owned),
        };
        Ok(faults.iter().map(gpu).collect())
    }

    #[test]
    fn words_become_settings() {
        for (word, setting) in [
            ("auto", DeviceSetting::Auto),
            ("cpu", DeviceSetting::Only(Device::Cpu)),
            ("cuda", DeviceSetting::Only(Device::Cuda(0))),
            ("cuda:0", DeviceSetting::Only(Device::Cuda(0))),
            ("cuda:12", DeviceSetting::Only(Device::Cuda(12))),
        ] {
            assert_eq!(word.parse::<DeviceSetting>().unwrap(), setting);
        }
        for word in ["", "gpu", "CUDA", "cuda:", "cuda:x", "cuda:-1", "cuda:+1", "cuda:01", "cpu:0"]
        {
            let error = word.parse::<DeviceSetting>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
            assert!(error.hint().unwrap().contains("cuda:N"), "{word}");
        }
    }

    #[test]
    fn auto_takes_the_first_gpu_that_serves_and_else_says_why_none() {
        assert_eq!(best_of(machine(&[Some("too old"), None])).device, Device::Cuda(1));
        for (gpus, why) in [
            (machine(&[Some("too old"), Some("too new")]), "too old"),
            (machine(&[]), "no GPU"),
            (Err("no driver".to_owned()), "no driver"),
        ] {
            let chosen = best_of(gpus);
            assert_eq!(chosen.device, Device::Cpu);
            assert!(chosen.why_no_gpu.unwrap().contains(why));
        }
    }

    #[test]
    fn a_gpu_that_was_asked_for_is_used_or_missed() {
        let two = || machine(&[None, Some("too old")]);
        assert_eq!(this_one(0, two()).unwrap().device, Device::Cuda(0));
        for (number, gpus, words) in [
            (1, two(), "cuda:1 was asked for, but too old"),
            (7, two(), "cuda:7 was asked for, but this machine has 2 GPUs"),
            (7, machine(&[None]), "cuda:7 was asked for, but this machine has 1 GPU"),
            (0, Err("no driver".to_owned()), "CUDA cannot be used: no driver"),
        ] {
            let error = this_one(number, gpus).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable(Unavailability::Down));
            assert_eq!(error.advice(), RetryAdvice::OtherProviderOnly);
            assert!(error.to_string().ends_with(words), "{error}");
            assert!(error.hint().is_some());
        }
    }

    #[test]
    fn the_processor_is_always_there() {
        let chosen = choose_device("cpu").unwrap();
        assert_eq!((chosen.device, chosen.why_no_gpu), (Device::Cpu, None));
        assert!(open_candle(chosen.device).unwrap().is_cpu());
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn a_build_without_cuda_says_so() {
        let error = choose_device("cuda").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert_eq!(error.to_string(), "cuda:0 was asked for, but this build has no CUDA");
        assert!(error.hint().unwrap().contains("--features cuda"));
        let why = choose_device("auto").unwrap().why_no_gpu;
        assert_eq!(why.as_deref(), Some("this build has no CUDA"));
    }
}
