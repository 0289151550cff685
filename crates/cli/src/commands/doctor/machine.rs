//! The machine: memory, how much of it there is to use, and which device computes.

use std::fs;

use indicatif::HumanBytes;
use textport::local::choose_device;

use super::Finding;
use crate::settings::Settings;

/// Less than this is tight even for the default model.
const ENOUGH: u64 = 512 << 20;

/// How much memory there is.
pub(super) fn memory() -> Finding {
    let Some(Memory { total, available }) = Memory::of_machine() else {
        return Finding::ok("memory", "unknown on this system");
    };
    let detail = format!("{} of {} available", HumanBytes(available), HumanBytes(total));
    if available < ENOUGH {
        Finding::warn("memory", detail, "end other programs, or choose a smaller model")
    } else {
        Finding::ok("memory", detail)
    }
}

/// Which device computes the model of the configured provider, and why none other; nothing where the
/// provider answers elsewhere.
pub(super) fn device(settings: &Settings) -> Option<Finding> {
    let provider = settings.config.providers.get(&settings.config.provider)?;
    let setting = provider.settings.get("device").and_then(|device| device.as_str());
    let chosen = (provider.kind == "local").then(|| choose_device(setting.unwrap_or("auto")))?;
    Some(match chosen {
        Ok(chosen) => {
            let about = chosen.about.map(|about| format!(": {about}"));
            let why = chosen.why_no_gpu.map(|why| format!("; no CUDA device is used: {why}"));
            let (about, why) = (about.unwrap_or_default(), why.unwrap_or_default());
            Finding::ok("device", format!("{}{about}{why}", chosen.device))
        }
        Err(error) => {
            let hint = error.hint().unwrap_or("use device = \"cpu\"").to_owned();
            Finding::fail("device", error.to_string(), hint)
        }
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Memory {
    total: u64,
    available: u64,
}

impl Memory {
    /// As the kernel counts it, and no more than a container may have.
    fn of_machine() -> Option<Self> {
        let memory = Self::parse(&fs::read_to_string("/proc/meminfo").ok()?)?;
        let number = |path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
        let limit = number("/sys/fs/cgroup/memory.max");
        let used = number("/sys/fs/cgroup/memory.current");
        Some(match (limit, used) {
            (Some(limit), Some(used)) if limit < memory.total => {
                Self { total: limit, available: memory.available.min(limit.saturating_sub(used)) }
            }
            _ => memory,
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
            kib.checked_mul(1024)
        };
        Some(Self { total: field("MemTotal:")?, available: field("MemAvailable:")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let text = "MemTotal:       2048 kB\nMemFree: 1 kB\nMemAvailable:   1024 kB\n";
        assert_eq!(Memory::parse(text), Some(Memory { total: 2 << 20, available: 1 << 20 }));
        assert_eq!(Memory::parse("MemTotal: x kB\n"), None);
    }
}
