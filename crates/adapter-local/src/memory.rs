//! How much memory this machine can still give, and how much of it the KV cache may take.

use std::path::Path;

/// The least that the KV cache is given, however little the machine has.
const LEAST_CACHE: u64 = 64 << 20;
/// What a machine that does not say is taken to have.
const UNKNOWN: u64 = 4 << 30;

/// Bytes that the KV cache may take on the processor unless configured otherwise: half of what is
/// available once the weights are in memory. It is taken page by page as answers grow, not at the start.
pub(crate) fn default_cache_bytes(weights: u64) -> u64 {
    let available = available(Path::new("/")).unwrap_or(UNKNOWN);
    (available.saturating_sub(weights) / 2).max(LEAST_CACHE)
}

/// Bytes that this process can still take without swapping; nothing where the system does not say.
pub(crate) fn available_bytes() -> Option<u64> {
    available(Path::new("/"))
}

/// Bytes that the KV cache takes on a GPU unless configured otherwise, of those that are free once the
/// weights are there. They are taken at once, and what a step computes with needs room too.
pub(crate) fn gpu_cache_bytes(free: u64) -> u64 {
    free / 5 * 4
}

/// The most memory that this process ever had; known on Linux only.
pub(crate) fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    field(&status, "VmHWM:")?.checked_mul(1024)
}

/// Bytes that a process can take without swapping: what the kernel says, and no more than the
/// control groups around the process allow. Known on Linux only.
fn available(root: &Path) -> Option<u64> {
    let meminfo = std::fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let machine = field(&meminfo, "MemAvailable:")?.checked_mul(1024)?;
    Some(group_limits(root).into_iter().fold(machine, u64::min))
}

/// The number behind a word, e.g. `MemAvailable:  123 kB`.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What is left in each control group with a limit that the process is in.
fn group_limits(root: &Path) -> Vec<u64> {
    let groups = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut limits = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(group)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let (mount, names) = match controllers {
            "" => ("sys/fs/cgroup", &UNIFIED),
            "memory" => ("sys/fs/cgroup/memory", &FIRST_VERSION),
            _ => continue,
        };
        let mount = root.join(mount);
        // In a container the group's own path is often not there, but its mount is.
        let innermost = mount.join(group.trim_start_matches('/'));
        let folders = innermost.ancestors().take_while(|folder| folder.starts_with(&mount));
        limits.extend(folders.filter_map(|folder| left(folder, names)));
    }
    limits
}

/// What the files of a version of control groups are called.
struct Names {
    limit: &'static str,
    used: &'static str,
    /// File caches: the kernel gives them up when memory is wanted.
    caches: [&'static str; 2],
}

const UNIFIED: Names = Names {
    limit: "memory.max",
    used: "memory.current",
    caches: ["active_file ", "inactive_file "],
};
const FIRST_VERSION: Names = Names {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    caches: ["total_active_file ", "total_inactive_file "],
};

fn left(folder: &Path, names: &Names) -> Option<u64> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    let limit = number(names.limit)?;
    let used = number(names.used).unwrap_or(0);
    let caches = read("memory.stat").unwrap_or_default();
    let caches: u64 = names.caches.iter().filter_map(|name| field(&caches, name)).sum();
    Some(limit.saturating_sub(used.saturating_sub(caches)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    const MEMINFO: (&str, &str) =
        ("proc/meminfo", "MemTotal:       9000000 kB\nMemAvailable:    4000000 kB\n");

    #[test]
    fn the_kernel_is_believed_where_nothing_else_limits() {
        assert_eq!(available(machine(&[MEMINFO]).path()), Some(4_096_000_000));
        let open = [
            MEMINFO,
            ("proc/self/cgroup", "0::/user\n"),
            ("sys/fs/cgroup/user/memory.max", "max\n"),
        ];
        assert_eq!(available(machine(&open).path()), Some(4_096_000_000));
        assert_eq!(available(machine(&[]).path()), None);
    }

    #[test]
    fn the_narrowest_control_group_counts_and_file_caches_do_not() {
        let second = [
            MEMINFO,
            ("proc/self/cgroup", "0::/outer/inner\n"),
            ("sys/fs/cgroup/outer/memory.max", "1000000\n"),
            ("sys/fs/cgroup/outer/memory.current", "700000\n"),
            ("sys/fs/cgroup/outer/memory.stat", "anon 1\nactive_file 200000\ninactive_file 1000\n"),
            ("sys/fs/cgroup/outer/inner/memory.max", "900000000\n"),
        ];
        assert_eq!(available(machine(&second).path()), Some(1_000_000 - 499_000));
        let first = [
            MEMINFO,
            ("proc/self/cgroup", "5:cpu:/x\n4:memory:/docker/abc\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "2000000\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1500000\n"),
            ("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 500000\n"),
        ];
        assert_eq!(available(machine(&first).path()), Some(1_000_000));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_had_memory() {
        assert!(peak_bytes().unwrap() > 1 << 20);
        assert!(available_bytes().is_some());
    }

    #[test]
    fn the_cache_gets_a_share_and_never_nothing() {
        assert_eq!(default_cache_bytes(u64::MAX), LEAST_CACHE);
        assert!(default_cache_bytes(0) >= LEAST_CACHE);
    }
}
