//! A virtual environment per requirements file, made once and kept under the target folder.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// How often an installation is tried: package indexes have bad minutes.
const ATTEMPTS: u32 = 3;

/// A Python with the packages of one requirements file.
#[derive(Debug, Clone)]
pub struct Venv {
    folder: PathBuf,
}

impl Venv {
    /// Makes it, unless it is there: `<target>/venvs/<hash of the requirements>`. Test processes
    /// that come at the same time wait for the first; one that is half made is made anew.
    ///
    /// # Errors
    /// When there is no `python3`, or the packages cannot be installed; the message has pip's words.
    pub fn ensure(requirements: &Path) -> io::Result<Self> {
        let wanted = fs::read(requirements)?;
        let python = run(Command::new(system_python()).arg("--version"))?;
        let name = format!("{:016x}", fnv(&[wanted.as_slice(), python.as_bytes()].concat()));
        let root = target_folder()?.join("venvs");
        fs::create_dir_all(&root)?;
        let venv = Self { folder: root.join(&name) };
        let lock = File::create(root.join(format!("{name}.lock")))?;
        lock.lock()?;
        if !venv.marker().exists() {
            venv.make(requirements)?;
        }
        Ok(venv)
    }

    /// Its interpreter.
    pub fn python(&self) -> PathBuf {
        let inside = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };
        self.folder.join(inside)
    }

    fn marker(&self) -> PathBuf {
        self.folder.join("complete")
    }

    fn make(&self, requirements: &Path) -> io::Result<()> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)?;
        }
        run(Command::new(system_python()).args(["-m", "venv"]).arg(&self.folder))?;
        let mut attempt = 1;
        while let Err(error) = self.install(requirements) {
            if attempt == ATTEMPTS {
                return Err(error);
            }
            attempt += 1;
        }
        let mut marker = File::create(self.marker())?;
        marker.write_all(b"every package is installed\n")?;
        marker.sync_all()
    }

    fn install(&self, requirements: &Path) -> io::Result<String> {
        // Modules are compiled when they are first imported: most never are.
        let arguments = ["-m", "pip", "install", "--quiet", "--no-compile", "--requirement"];
        let mut pip = Command::new(self.python());
        pip.args(arguments).arg(requirements).env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        run(&mut pip)
    }
}

fn system_python() -> &'static str {
    if cfg!(windows) { "python" } else { "python3" }
}

/// The folder that Cargo builds in, found from the running test itself.
fn target_folder() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let found = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    let missing = || io::Error::other(format!("{} is in no target folder", program.display()));
    found.map(Path::to_path_buf).ok_or_else(missing)
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

/// The same number on every machine and with every compiler, which the standard hasher is not.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::{fnv, target_folder};

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_test_knows_its_target_folder() {
        assert!(target_folder().unwrap().join("CACHEDIR.TAG").is_file());
    }
}
