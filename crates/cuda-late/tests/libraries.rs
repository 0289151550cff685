//! The jump slots, connected with libraries that this test compiles: no GPU and no driver is needed.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot set itself up has failed"
)]

use std::path::Path;
use std::process::Command;

use textport_cuda_late::gpus;

const DRIVER: &str = r#"
static const char *none = "no CUDA-capable device is detected";
int cuInit(unsigned flags) { return GPUS ? 0 : 100; }
int cuDriverGetVersion(int *version) { *version = VERSION; return 0; }
int cuDeviceGetCount(int *count) { *count = GPUS; return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal + 40; return ordinal >= GPUS; }
int cuDeviceGetName(char *name, int length, int device) {
    const char *from = device == 40 ? "First" : "Second";
    int at = 0;
    for (; from[at] && at < length - 1; at++) name[at] = from[at];
    name[at] = 0;
    return 0;
}
int cuDeviceTotalMem_v2(unsigned long *bytes, int device) { *bytes = (device - 39) * 1024ul; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { *value = attribute == 75 ? 9 : 0; return 0; }
int cuGetErrorString(int code, const char **words) { *words = none; return code == 100 ? 0 : 1; }
"#;

/// Compiles a library of this name into `folder`.
fn library(folder: &Path, name: &str, source: &str) {
    let file = folder.join("library.c");
    std::fs::write(&file, source).unwrap();
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let soname = format!("-Wl,-soname,{name}");
    let status = Command::new(compiler)
        .args(["-shared", "-fPIC", &soname, "-o"])
        .args([folder.join(name), file])
        .status()
        .unwrap();
    assert!(status.success());
}

/// What a process says that finds exactly these libraries: the loader reads its path only once.
fn report(gpus: usize, version: u32, others: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let driver = format!("#define GPUS {gpus}\n#define VERSION {version}\n{DRIVER}");
    library(folder.path(), "libcuda.so.1", &driver);
    for name in others {
        library(folder.path(), name, "int nothing_of_use;");
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "say_what_is_found", "--ignored", "--nocapture"])
        .env("LD_LIBRARY_PATH", folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let line = text.lines().find_map(|line| line.split_once("found: "));
    line.unwrap_or_else(|| panic!("{text}")).1.to_owned()
}

const ALL: [&str; 3] = ["libcublasLt.so.13", "libcublas.so.13", "libcurand.so.10"];

#[test]
#[ignore = "runs in processes of the other tests"]
#[expect(clippy::print_stdout, reason = "its output is what the other tests read")]
fn say_what_is_found() {
    match gpus() {
        Ok(gpus) => println!("found: {gpus:?}"),
        Err(error) => println!("found: {error}"),
    }
}

#[test]
fn gpus_are_described_by_the_library_that_is_found() {
    let found = report(2, 13_000, &ALL);
    assert_eq!(
        found,
        "[Gpu { name: \"First\", memory: 1024, capability: (9, 0) }, \
         Gpu { name: \"Second\", memory: 2048, capability: (9, 0) }]"
    );
}

#[test]
fn a_driver_without_a_gpu_speaks_for_itself() {
    assert_eq!(report(0, 13_000, &ALL), "cuInit: no CUDA-capable device is detected");
}

#[test]
fn an_old_driver_is_named_with_the_one_that_is_needed() {
    let words = report(1, 12_040, &ALL);
    assert!(words.contains("CUDA 12.4") && words.contains("needs 13.0"), "{words}");
}

#[test]
fn a_missing_library_is_named() {
    let words = report(1, 13_000, &ALL[..2]);
    // A machine with CUDA of its own misses nothing.
    assert!(words.contains("libcurand.so.10") || words.contains("First"), "{words}");
}
