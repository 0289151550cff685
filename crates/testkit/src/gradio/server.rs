//! A Python process with Gradio servers in it, which ends with whoever started it.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Venv, fetch};

/// How long a server may take to answer: a cold import on a busy machine takes half a minute.
const PATIENCE: Duration = Duration::from_secs(180);
/// What the script prints before its addresses when everything answers.
const READY: &str = "READY ";

type Log = Arc<Mutex<Vec<String>>>;

/// A running script, its addresses and what it printed.
#[derive(Debug)]
pub struct Server {
    child: Child,
    // The script ends when this closes, which the system does even when a test is killed.
    life: Option<ChildStdin>,
    addresses: BTreeMap<String, String>,
    log: Log,
}

impl Server {
    /// Starts `script` and waits until it prints `READY {"name": "http://…"}` and the server named
    /// `main`, where there is one, answers `/config`.
    ///
    /// # Errors
    /// When it ends or is not ready in three minutes; the message has what it printed.
    pub fn start(venv: &Venv, script: &Path, arguments: &[&str]) -> io::Result<Self> {
        let mut command = Command::new(venv.python());
        command.arg("-u").arg(script).args(arguments);
        quiet(&mut command);
        alone(&mut command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (ready, when_ready) = channel();
        let log = Log::default();
        if let Some(out) = child.stdout.take() {
            listen(out, log.clone(), Some(ready));
        }
        if let Some(err) = child.stderr.take() {
            listen(err, log.clone(), None);
        }
        let life = child.stdin.take();
        let mut server = Self { child, life, addresses: BTreeMap::new(), log };
        server.addresses = server.wait_until_ready(&when_ready)?;
        Ok(server)
    }

    /// The address of one of its servers.
    ///
    /// # Errors
    /// When the script told none of that name.
    pub fn url(&self, name: &str) -> io::Result<&str> {
        let missing = || io::Error::other(format!("no server {name:?} in {:?}", self.addresses));
        self.addresses.get(name).map(String::as_str).ok_or_else(missing)
    }

    /// What it printed so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Ends it at once, without a word to its clients: what a crashed Space does.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(|_| ())
    }

    fn wait_until_ready(&self, ready: &Receiver<String>) -> io::Result<BTreeMap<String, String>> {
        let deadline = Instant::now() + PATIENCE;
        let why = match ready.recv_timeout(PATIENCE) {
            Ok(line) => {
                let addresses: BTreeMap<String, String> = serde_json::from_str(&line)?;
                if let Some(main) = addresses.get("main") {
                    wait_for(&format!("{main}/config"), deadline)?;
                }
                return Ok(addresses);
            }
            Err(RecvTimeoutError::Timeout) => "was not ready in time",
            Err(RecvTimeoutError::Disconnected) => "ended before it was ready",
        };
        Err(io::Error::other(format!("the Gradio server {why}; it printed:\n{}", self.log())))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The script then ends itself and what it forked; one that does not is ended here.
        drop(self.life.take());
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.kill();
    }
}

/// No telemetry, no network, short heartbeats: what a hermetic test needs.
fn quiet(command: &mut Command) {
    for (name, value) in [
        ("GRADIO_ANALYTICS_ENABLED", "False"),
        ("GRADIO_HEARTBEAT_INTERVAL", "1"),
        ("GRADIO_SSR_MODE", "False"),
        ("HF_HUB_OFFLINE", "1"),
        ("HF_HUB_DISABLE_TELEMETRY", "1"),
        ("NO_PROXY", "127.0.0.1,localhost"),
        ("PYTHONIOENCODING", "utf-8"),
    ] {
        command.env(name, value);
    }
}

/// A process group of its own: the script ends the whole group, forked workers included.
fn alone(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(not(unix))]
    let _ = command;
}

fn listen(stream: impl Read + Send + 'static, log: Log, ready: Option<Sender<String>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if let (Some(addresses), Some(ready)) = (line.strip_prefix(READY), &ready) {
                let _ = ready.send(addresses.to_owned());
            }
            log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    });
}

fn wait_for(url: &str, deadline: Instant) -> io::Result<()> {
    loop {
        match fetch(url) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}
