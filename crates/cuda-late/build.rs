//! Answers the linker's `-lcuda`, `-lcublas`, `-lcublasLt`, `-lcurand` and `-lnvrtc` with static
//! archives of jump slots, and `-lcudart` with the toolkit's static runtime.
//!
//! candle fixes the feature `dynamic-linking` of the crate cudarc, so whatever links it wants those
//! libraries, and a binary that has them cannot start where there is no driver. Each function of an
//! archive jumps through a slot that `open` fills with what it finds at run time. A slot that was
//! never filled gives that library's own error code.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// A library, and what its functions return until it is opened.
const LIBRARIES: [(&str, u32); 5] = [
    ("cuda", 100),   // CUDA_ERROR_NO_DEVICE
    ("cublas", 1),   // CUBLAS_STATUS_NOT_INITIALIZED
    ("cublasLt", 1), // CUBLAS_STATUS_NOT_INITIALIZED
    ("curand", 203), // CURAND_STATUS_INITIALIZATION_FAILED
    ("nvrtc", 11),   // NVRTC_ERROR_INTERNAL_ERROR
];

/// The bindings that the names are of, as `CUDARC_CUDA_VERSION` says it.
const CUDA_VERSION: &str = "13000";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=names");
    for variable in ["CC", "AR", "CUDA_HOME", "CUDARC_CUDA_VERSION", "CUDA_COMPUTE_CAP"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    println!("cargo:rustc-check-cfg=cfg(jump_slots)");
    let cudart = env::var_os("CARGO_FEATURE_CUDART").is_some();
    let target = env::var("TARGET")?;
    if !(target.starts_with("x86_64") && target.ends_with("linux-gnu")) {
        let message = format!("CUDA is for x86_64-unknown-linux-gnu only, not for {target}");
        return if cudart { Err(message.into()) } else { Ok(()) };
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for (library, code) in LIBRARIES {
        let names = fs::read_to_string(Path::new("names").join(format!("{library}.txt")))?;
        let names: Vec<&str> = names.lines().filter(|line| !line.is_empty()).collect();
        archive(library, &assembly(library, code, &names)?, &out)?;
        println!("cargo:rustc-link-lib=static:-bundle={library}");
    }
    if cudart {
        static_runtime(&out)?;
    }
    println!("cargo:rustc-link-search=native={}", out.display());
    println!("cargo:rustc-cfg=jump_slots");
    Ok(())
}

/// The jumps, their slots, and the table by which `open` finds both.
fn assembly(library: &str, code: u32, names: &[&str]) -> Result<String> {
    let mut text = format!(
        ".text\n.p2align 4\n.Lcode: mov ${code}, %eax\n ret\n.Lwords: lea .Lmessage(%rip), %rax\n ret\n\
         .section .rodata\n.Lmessage: .asciz \"the library is not loaded\"\n"
    );
    for name in names {
        writeln!(text, ".section .text.{name},\"ax\",@progbits\n.globl {name}")?;
        writeln!(text, ".type {name},@function\n{name}: jmp *.Lslot_{name}(%rip)")?;
    }
    text += ".section .rodata\n";
    for name in names {
        writeln!(text, ".Lname_{name}: .asciz \"{name}\"")?;
    }
    text += ".data\n.p2align 3\n";
    for name in names {
        // Outside the driver, what names an error returns text and no status.
        let words = ["ErrorString", "StatusName", "StatusString"];
        let words = library != "cuda" && words.iter().any(|word| name.contains(word));
        writeln!(text, ".Lslot_{name}: .quad {}", if words { ".Lwords" } else { ".Lcode" })?;
    }
    writeln!(text, ".section .data.rel.ro,\"aw\"\n.p2align 3\n.globl cuda_late_{library}")?;
    writeln!(text, "cuda_late_{library}:")?;
    for name in names {
        writeln!(text, " .quad .Lname_{name}, .Lslot_{name}")?;
    }
    text += " .quad 0, 0\n.section .note.GNU-stack,\"\",@progbits\n";
    Ok(text)
}

fn archive(library: &str, assembly: &str, out: &Path) -> Result<()> {
    let source = out.join(format!("{library}.s"));
    let object = out.join(format!("{library}.o"));
    let archive = out.join(format!("lib{library}.a"));
    fs::write(&source, assembly)?;
    run("CC", "cc", |command| command.args(["-c", "-fPIC", "-o"]).arg(&object).arg(&source))?;
    if archive.exists() {
        fs::remove_file(&archive)?; // ar would add to it
    }
    run("AR", "ar", |command| command.arg("rcs").arg(&archive).arg(&object))
}

fn run(variable: &str, usual: &str, build: impl Fn(&mut Command) -> &mut Command) -> Result<()> {
    let program = env::var(variable).unwrap_or_else(|_| usual.to_owned());
    let mut command = Command::new(program);
    build(&mut command);
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}

/// candle's kernels want `-lcudart`; the static one opens the driver itself.
fn static_runtime(out: &Path) -> Result<()> {
    let next = "run scripts/setup-cuda-toolkit.sh and source the file that it names";
    let version = env::var("CUDARC_CUDA_VERSION").unwrap_or_default();
    if version != CUDA_VERSION {
        let message = format!("CUDARC_CUDA_VERSION is {version:?}, not {CUDA_VERSION}: {next}");
        return Err(message.into());
    }
    let home = env::var("CUDA_HOME").map_err(|_| format!("CUDA_HOME is not set: {next}"))?;
    let runtime = Path::new(&home).join("lib64").join("libcudart_static.a");
    println!("cargo:rerun-if-changed={}", runtime.display());
    fs::copy(&runtime, out.join("libcudart.a"))
        .map_err(|error| format!("{}: {error}: {next}", runtime.display()))?;
    // The kernels hold machine code of one generation: `open` compares it with the GPU's.
    let capability =
        env::var("CUDA_COMPUTE_CAP").map_err(|_| format!("CUDA_COMPUTE_CAP is not set: {next}"))?;
    let number: u32 = capability.parse().map_err(|_| format!("CUDA_COMPUTE_CAP={capability}"))?;
    println!("cargo:rustc-env=CUDA_LATE_CAPABILITY={}.{}", number / 10, number % 10);
    Ok(())
}
