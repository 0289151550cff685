//! The dependency rule and the tidy rules: what ARCHITECTURE.md says, held by tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Which package may name which packages of the workspace under `[dependencies]`. A new package
/// needs a row here and a page in docs/decisions.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("textport-domain", &[]),
    ("textport-ports", &["textport-domain"]),
    ("textport-hub", &[]),
    ("textport-cuda-late", &[]),
    ("textport-kernels", &[]),
    ("textport-testkit", &["textport-domain", "textport-ports"]),
    (
        "textport-adapter-local",
        &[
            "textport-domain",
            "textport-ports",
            "textport-hub",
            "textport-cuda-late",
            "textport-kernels",
        ],
    ),
    ("textport-adapter-zerogpu", &["textport-domain", "textport-ports", "textport-hub"]),
    (
        "textport",
        &[
            "textport-domain",
            "textport-ports",
            "textport-adapter-local",
            "textport-adapter-zerogpu",
        ],
    ),
    ("textport-cli", &["textport"]),
];

/// The inner packages name these outside crates and no others.
const NOTHING_BUT: &[(&str, &[&str])] = &[
    ("textport-domain", &["serde", "thiserror"]),
    ("textport-ports", &["async-trait", "futures-core", "futures-util", "serde", "serde_json"]),
    ("textport-kernels", &["half", "memmap2"]),
];

/// Outside crates by the beginning of their names, and the only packages that may name them.
const CONFINED: &[(&str, &[&str])] = &[
    ("candle", &["textport-adapter-local"]),
    ("tokenizers", &["textport-adapter-local"]),
    ("minijinja", &["textport-adapter-local"]),
    ("reqwest", &["textport-hub", "textport-adapter-zerogpu", "textport-adapter-openai"]),
    ("anyhow", &["textport-cli"]),
    ("clap", &["textport-cli"]),
    ("figment", &["textport-cli"]),
    ("indicatif", &["textport-cli"]),
    ("rusqlite", &["textport-cli"]),
    ("rustyline", &["textport-cli"]),
    ("mockall", &[]),
];

/// What a package and everything under it must not contain.
const NEVER_UNDER: &[(&[&str], &[&str])] = &[
    (&["-p", "textport-domain"], &["tokio", "reqwest", "hyper", "candle-core", "async-trait"]),
    (&["-p", "textport-ports"], &["tokio", "reqwest", "hyper", "candle-core"]),
    (
        &["-p", "textport", "--no-default-features"],
        &["candle-core", "tokenizers", "reqwest", "clap", "anyhow"],
    ),
];

const VAGUE_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "common", "misc", "manager"];
const LONGEST_FILE: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn workspace() -> Result<Metadata> {
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml")).no_deps();
    Ok(command.other_options(["--offline".to_owned()]).exec()?)
}

/// The names under `[dependencies]` and `[build-dependencies]`, whatever they are renamed to.
fn names(package: &Package) -> BTreeSet<&str> {
    let real = package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development);
    real.map(|dependency| dependency.name.as_str()).collect()
}

/// Why `package` may not name `dependency`, if it may not.
fn breach(package: &str, dependency: &str) -> Result<Option<String>> {
    let rows: BTreeMap<_, _> = MAY_NAME.iter().copied().collect();
    let row = rows.get(package).with_context(|| format!("{package} has no row in MAY_NAME"))?;
    let ours = rows.contains_key(dependency);
    let begins = |prefix: &str| {
        let rest = dependency.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
    };
    let strict = NOTHING_BUT.iter().find(|(inner, _)| *inner == package);
    let strayed =
        CONFINED.iter().any(|(prefix, homes)| begins(prefix) && !homes.contains(&package));
    let unlisted = !ours && strict.is_some_and(|(_, allowed)| !allowed.contains(&dependency));
    let outward = ours && !row.contains(&dependency);
    Ok((strayed || unlisted || outward).then(|| format!("{package} may not name {dependency}")))
}

#[test]
fn packages_name_only_what_they_may() -> Result<()> {
    let mut breaches = Vec::new();
    for package in &workspace()?.packages {
        for dependency in names(package) {
            breaches.extend(breach(package.name.as_str(), dependency)?);
        }
    }
    ensure!(breaches.is_empty(), "{}", breaches.join("\n"));
    Ok(())
}

#[test]
fn the_rule_finds_a_breach() -> Result<()> {
    for (package, dependency) in [
        ("textport-domain", "textport-ports"),
        ("textport-domain", "tokio"),
        ("textport-ports", "tokio"),
        ("textport-adapter-local", "textport-adapter-zerogpu"),
        ("textport-adapter-local", "reqwest"),
        ("textport-cli", "textport-domain"),
        ("textport-cli", "candle-core"),
        ("textport", "anyhow"),
        ("textport", "textport-testkit"),
    ] {
        ensure!(breach(package, dependency)?.is_some(), "{package} naming {dependency} is missed");
    }
    ensure!(breach("textport-adapter-local", "candle-core")?.is_none());
    ensure!(breach("textport-ports", "textport-domain")?.is_none());
    ensure!(breach("textport-new", "serde").is_err(), "a package without a row is missed");
    Ok(())
}

#[test]
fn the_inner_packages_stay_light_all_the_way_down() -> Result<()> {
    for (selection, forbidden) in NEVER_UNDER {
        let output = Command::new(env!("CARGO"))
            .current_dir(root())
            .args(["tree", "--offline", "--edges", "normal", "--prefix", "none"])
            .args(*selection)
            .output()?;
        let tree = String::from_utf8(output.stdout)?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "cargo tree {selection:?}: {errors}");
        let found: BTreeSet<&str> =
            tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
        ensure!(found.contains(selection[1]), "cargo tree {selection:?} shows nothing");
        for name in *forbidden {
            ensure!(!found.contains(name), "{name} is under {selection:?}");
        }
    }
    Ok(())
}

#[test]
fn every_crate_is_on_the_map() -> Result<()> {
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md"))?;
    for folder in std::fs::read_dir(root().join("crates"))? {
        let name = folder?.file_name().to_string_lossy().into_owned();
        ensure!(map.contains(&name), "ARCHITECTURE.md does not mention crates/{name}");
    }
    Ok(())
}

/// Every file below the root with this ending; neither hidden folders nor build results.
fn files(ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let skipped = name.starts_with('.') || matches!(name.as_str(), "target" | "shared");
            if path.is_dir() && !path.is_symlink() && !skipped {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    ensure!(!found.is_empty(), "no .{ending} file was found");
    Ok(found)
}

/// Runs a rule over every Rust file and lists every breach.
fn every_source_file(rule: impl Fn(&Path, &str) -> Option<String>) -> Result<()> {
    let mut breaches = Vec::new();
    for path in files("rs")? {
        let text = std::fs::read_to_string(&path)?;
        if let Some(breach) = rule(&path, &text) {
            breaches.push(format!("{}: {breach}", path.strip_prefix(root())?.display()));
        }
    }
    ensure!(breaches.is_empty(), "{}", breaches.join("\n"));
    Ok(())
}

#[test]
fn every_file_says_first_what_it_is() -> Result<()> {
    every_source_file(|_, text| {
        (!text.starts_with("//! ")).then(|| "the first line is no //! line".into())
    })
}

#[test]
fn no_file_has_a_name_that_says_nothing() -> Result<()> {
    every_source_file(|path, _| {
        let vague = |part: &std::ffi::OsStr| VAGUE_NAMES.iter().any(|name| part == *name);
        let relative = path.strip_prefix(root()).unwrap_or(path).with_extension("");
        relative.iter().any(vague).then(|| "name what is in it".into())
    })
}

#[test]
fn no_source_file_is_too_long() -> Result<()> {
    every_source_file(|path, text| {
        let source = path.iter().any(|part| part == "src");
        let lines = text.lines().count();
        (source && lines > LONGEST_FILE).then(|| format!("{lines} lines: look for the seam"))
    })
}

#[test]
fn lib_files_are_documentation_and_re_exports() -> Result<()> {
    every_source_file(|path, text| {
        if !path.ends_with("src/lib.rs") {
            return None;
        }
        let code: Vec<&str> =
            text.lines().map(str::trim).filter(|l| !l.starts_with("//")).collect();
        let code = code.join(" ");
        let statement = |text: &str| {
            let mut rest = text.trim();
            while rest.starts_with('#') {
                rest = rest.split_once(']').map_or("", |(_, after)| after).trim();
            }
            rest.to_owned()
        };
        let starts = ["mod ", "pub mod ", "pub(crate) mod ", "use ", "pub use ", "pub(crate) use "];
        let fits = |s: &String| s.is_empty() || starts.iter().any(|start| s.starts_with(start));
        code.split(';').map(statement).find(|s| !fits(s)).map(|s| format!("has code: {s}"))
    })
}

fn reason_given(attribute: &str) -> bool {
    attribute.contains("reason = ")
}

#[test]
fn nothing_is_left_for_later_and_no_lint_is_allowed_away() -> Result<()> {
    // Put together here, so that this file keeps its own rules.
    let later = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
    let silenced = [concat!("#[all", "ow("), concat!("#![all", "ow(")];
    let expected = concat!("#[exp", "ect(");
    every_source_file(|path, text| {
        if let Some(word) = later.iter().find(|word| text.contains(**word)) {
            return Some(format!("says {word}: do it, or open an issue"));
        }
        // A module that several test files share is used in part by each: what one must expect
        // another must not.
        let shared = path.components().any(|part| part.as_os_str() == "tests");
        let excused = |rest: &str| shared && rest.split(")]").next().is_some_and(reason_given);
        let uses = silenced.iter().flat_map(|attribute| text.split(*attribute).skip(1));
        if !uses.into_iter().all(excused) {
            return Some("silences a lint: expect it, with a reason".into());
        }
        let mut expectations = text.split(expected).skip(1);
        let reasoned = |rest: &str| rest.split(")]").next().is_some_and(reason_given);
        (!expectations.all(reasoned)).then(|| "expects a lint without a reason".into())
    })
}

#[test]
fn links_between_pages_lead_somewhere() -> Result<()> {
    let mut broken = Vec::new();
    for page in files("md")? {
        let text = std::fs::read_to_string(&page)?;
        let folder = page.parent().unwrap_or(root());
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|t| !t.contains("://") && !t.starts_with('#')) {
            let file = target.split('#').next().unwrap_or_default();
            if !folder.join(file).exists() {
                broken.push(format!("{}: {target}", page.strip_prefix(root())?.display()));
            }
        }
    }
    ensure!(broken.is_empty(), "{}", broken.join("\n"));
    Ok(())
}

#[test]
fn every_decision_is_listed() -> Result<()> {
    let folder = root().join("docs/decisions");
    let list = std::fs::read_to_string(folder.join("README.md"))?;
    for page in std::fs::read_dir(folder)? {
        let name = page?.file_name().to_string_lossy().into_owned();
        ensure!(name == "README.md" || list.contains(&name), "docs/decisions/{name} is not listed");
    }
    Ok(())
}
