//! The servers, started once for all tests, and the majors that are tested.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use testkit::gradio::{Server, Venv, fetch};

/// One Python process: several Gradio servers of one major, and a ledger of what they did.
pub(crate) struct Gradio {
    pub(crate) major: u32,
    /// Which requirements it is installed from.
    release: &'static str,
    mode: &'static str,
    server: OnceLock<Result<Server, String>>,
}

pub(crate) static SIX: Gradio = Gradio::new(6, "6", "main");
pub(crate) static FIVE: Gradio = Gradio::new(5, "5", "main");
pub(crate) static FOUR: Gradio = Gradio::new(4, "4", "main");
/// The protocol `sse_v2`: diffs, and a stream that only the client closes.
pub(crate) static FOUR_19: Gradio = Gradio::new(4, "4.19", "early");
/// The protocol `sse_v1`: whole values.
pub(crate) static FOUR_16: Gradio = Gradio::new(4, "4.16", "early");
pub(crate) static ZERO_GPU: Gradio = Gradio::new(6, "6", "zerogpu");

impl Gradio {
    const fn new(major: u32, release: &'static str, mode: &'static str) -> Self {
        Self { major, release, mode, server: OnceLock::new() }
    }

    /// Whether this major is to be tested; says so where it is not.
    pub(crate) fn wanted(&self) -> bool {
        let Ok(list) = std::env::var("TEXTPORT_TEST_GRADIO") else { return true };
        let wanted = list.split(',').any(|release| release.trim() == self.release);
        if !wanted {
            println!("Gradio {} is left out: TEXTPORT_TEST_GRADIO={list}", self.release);
        }
        wanted
    }

    /// Early Gradio 4 needs NumPy 1, which has no package for Python 3.13 and later; says so there.
    pub(crate) fn runs_here(&self) -> bool {
        if self.mode != "early" {
            return true;
        }
        let minor = "import sys; print(sys.version_info[1])";
        let output = Command::new("python3").args(["-c", minor]).output().expect("python3 runs");
        let minor = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(0);
        if minor > 12 {
            println!("Gradio {} is left out: it does not run on Python 3.{minor}", self.release);
        }
        (8..=12).contains(&minor)
    }

    /// The address of one of its servers.
    pub(crate) fn url(&'static self, name: &str) -> &'static str {
        self.server().url(name).unwrap()
    }

    /// What its functions did: `started`, `running`, `steps`, `finished`, `ended_early`.
    pub(crate) fn count(&'static self, what: &str, key: &str) -> u64 {
        let ledger = fetch(self.url("ledger")).expect("the ledger answers");
        let ledger: Value = serde_json::from_str(&ledger).expect("the ledger is JSON");
        ledger[what][key].as_u64().unwrap_or(0)
    }

    fn server(&'static self) -> &'static Server {
        let started =
            self.server.get_or_init(|| start(self.release, self.mode).map_err(|e| e.to_string()));
        started.as_ref().unwrap_or_else(|why| panic!("{why}"))
    }
}

/// A server that one test has to itself.
pub(crate) fn start(release: &str, mode: &str) -> std::io::Result<Server> {
    let venv = Venv::ensure(&file(&format!("requirements-{release}.txt")))?;
    Server::start(&venv, &file("app.py"), &[mode])
}

/// The Python that Gradio 6 and the official clients are installed in.
pub(crate) fn python() -> PathBuf {
    Venv::ensure(&file("requirements-6.txt")).unwrap().python()
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers").join(name)
}

/// Makes one test per major of a function that takes the servers.
macro_rules! on_every_gradio {
    ($($name:ident)+) => {$(
        mod $name {
            #[tokio::test]
            async fn gradio_6() { $crate::serving::run(&$crate::serving::SIX, super::$name).await }
            #[tokio::test]
            async fn gradio_5() { $crate::serving::run(&$crate::serving::FIVE, super::$name).await }
            #[tokio::test]
            async fn gradio_4() { $crate::serving::run(&$crate::serving::FOUR, super::$name).await }
        }
    )+};
}
pub(crate) use on_every_gradio;

pub(crate) async fn run<F: Future<Output = ()>>(
    gradio: &'static Gradio,
    test: impl Fn(&'static Gradio) -> F,
) {
    if gradio.wanted() && gradio.runs_here() {
        gradio.server();
        crate::telling::within(60, test(gradio)).await;
    }
}
