//! A home, a project folder and a way to run the binary in them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The test cache is shared, so that the default model is fetched once for all tests.
fn shared_cache() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.join("../../target/test-cache")
}

/// A tiny model that means nothing, but is a whole one.
pub(crate) fn tiny(name: &str) -> String {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = manifest.join("../adapter-local/tests/fixtures").join(name);
    assert!(path.is_file(), "{} is not there", path.display());
    path.to_string_lossy().into_owned()
}

/// A home and a project folder that nobody else has.
pub(crate) struct World {
    root: tempfile::TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["home", "project", "empty"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        Self { root }
    }

    /// A path below the world's root.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a file below the root.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path.to_string_lossy().into_owned()
    }

    /// Writes the project's configuration.
    pub(crate) fn project(&self, text: &str) {
        self.write("project/textport.toml", text);
    }

    /// The binary, in the project folder, with nothing of the tester's own configuration.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_textport"));
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            let foreign = ["TEXTPORT_", "XDG_", "HF_"].iter().any(|start| name.starts_with(start));
            if foreign || name == "NO_COLOR" {
                command.env_remove(name);
            }
        }
        // pip looks for its index below the home folder too.
        if let (None, Some(home)) = (std::env::var_os("PIP_CONFIG_FILE"), std::env::var_os("HOME"))
        {
            let places = [".config/pip/pip.conf", ".pip/pip.conf"];
            let found =
                places.iter().map(|place| Path::new(&home).join(place)).find(|p| p.is_file());
            if let Some(file) = found {
                command.env("PIP_CONFIG_FILE", file);
            }
        }
        command
            .args(arguments)
            .env("HOME", self.path("home"))
            .env("TEXTPORT_CACHE_DIR", shared_cache())
            .current_dir(self.path("project"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs to the end without stdin.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).output().unwrap().into()
    }

    /// Runs to the end with these bytes piped in.
    pub(crate) fn run_with(&self, arguments: &[&str], stdin: &[u8]) -> Ended {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        feed(&mut child, stdin);
        child.wait_with_output().unwrap().into()
    }
}

/// Writes what fits the pipe and closes it; a program that does not read all of it is not an error.
fn feed(child: &mut Child, bytes: &[u8]) {
    let mut stdin = child.stdin.take().unwrap();
    let _ = stdin.write_all(bytes);
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ended {
    /// Success, or the whole story.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Ended with `code`, said `words` on stderr and nothing on stdout.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        for words in words {
            assert!(self.stderr.contains(words), "{words:?} is missing in {self:?}");
        }
        self
    }

    /// stdout as one JSON object.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let json = serde_json::from_str(&self.stdout);
        assert!(json.is_ok(), "{self:?}");
        json.unwrap()
    }
}
