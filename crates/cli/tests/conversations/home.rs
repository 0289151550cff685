//! A home of its own for the binary under test, and a tiny model for its provider.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A random model of 320 tokens: it answers at once, and means nothing.
pub(crate) fn tiny_model() -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../adapter-local/tests/fixtures");
    fixtures.join("tiny-qwen3-f32.gguf").canonicalize().unwrap()
}

/// The cache that all tests of the workspace share, for the default model.
pub(crate) fn shared_cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("test-cache")
}

/// Everything that the binary keeps lies below this folder.
pub(crate) struct Home(TempDir);

impl Home {
    /// With the tiny model, greedy and short.
    pub(crate) fn new() -> Self {
        let model = tiny_model();
        Self::with_config(&format!(
            "[providers.local]\nkind = \"local\"\nmodel = {model:?}\n\
             [generation]\ntemperature = 0\nmax_tokens = 6\n"
        ))
    }

    /// With the default model, which really talks.
    pub(crate) fn with_default_model() -> Self {
        Self::with_config(&format!("cache_dir = {:?}\n", shared_cache()))
    }

    pub(crate) fn with_config(config: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        fs::write(home.path().join("config.toml"), config).unwrap();
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path().join("state/logs.db")
    }

    /// Adds lines to the configuration.
    pub(crate) fn configure(&self, lines: &str) {
        let path = self.path().join("config.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, format!("{text}\n{lines}")).unwrap();
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_textport"));
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            if ["TEXTPORT_", "HF_", "XDG_"].iter().any(|start| name_text.starts_with(start)) {
                command.env_remove(&name);
            }
        }
        command.env("HOME", self.path()).env("TEXTPORT_HOME", self.path());
        command.current_dir(self.path()).args(words);
        command.stdin(Stdio::null());
        command
    }

    /// Runs to the end.
    pub(crate) fn run(&self, words: &[&str]) -> Run {
        Run::of(self.command(words).output().unwrap())
    }

    /// Runs to the end with `input` on stdin.
    pub(crate) fn feed(&self, words: &[&str], input: &str) -> Run {
        let mut command = self.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Whoever leaves early does not read it all.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Run::of(child.wait_with_output().unwrap())
    }

    /// Runs something that must succeed and prints JSON.
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let run = self.run(words).ok();
        serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"))
    }

    /// Every turn of the conversation used last.
    pub(crate) fn turns(&self) -> Vec<Value> {
        let shown = self.json(&["logs", "show", "--json"]);
        shown["turns"].as_array().unwrap().clone()
    }
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.code(0)
    }

    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "{words:?} is not said: {self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn prints(self, words: &str) -> Self {
        assert!(self.stdout.contains(words), "{words:?} is not printed: {self:#?}");
        self
    }
}

/// Sends a signal by its name.
#[cfg(unix)]
pub(crate) fn signal(process: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &process.to_string()]).status().unwrap();
    assert!(status.success());
}

/// Whether any file below `folder` holds these bytes.
pub(crate) fn holds(folder: &Path, word: &str) -> bool {
    fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return holds(&path, word);
        }
        let bytes = fs::read(&path).unwrap_or_default();
        bytes.windows(word.len()).any(|window| window == word.as_bytes())
    })
}
