//! The async runtime, built only by verbs that wait for something, and what signals do to them.

use std::future::Future;
use std::io;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use textport::{Error, ErrorKind};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::exit::Exit;
use crate::failure::Failure;

/// No server is told for longer than this that nobody waits for its answer.
const FAREWELL: Duration = Duration::from_secs(2);

/// Whom the next signal goes to.
#[derive(Debug, Default)]
enum Target {
    /// Nothing runs: it ends the process.
    #[default]
    Process,
    /// Nothing runs, and SIGINT means nothing: it came too late for what it was meant for.
    Terminations,
    /// Whoever waits for the work.
    Work(oneshot::Sender<Exit>),
    /// The work was told already: the next one ends the process.
    Told,
}

type Listener = Arc<Mutex<Target>>;

/// Runs async work until it is done or a signal ends it.
#[derive(Debug)]
pub(crate) struct Runtime {
    runtime: Option<tokio::runtime::Runtime>,
    listener: Listener,
    /// Whether SIGINT ends the process while nothing runs.
    patient: bool,
}

impl Runtime {
    /// One worker beside the calling thread, so that signals are seen while the caller is busy.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub(crate) fn new() -> Result<Self, Failure> {
        // Tokio panics where the system gives no thread. This one takes twice the room of Tokio's,
        // and leaves it when it is over.
        let probe = std::thread::Builder::new().stack_size(4 << 20);
        let _ = probe.spawn(|| ()).map_err(not_started)?.join();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(not_started)?;
        let listener = Listener::default();
        runtime.spawn(watch(Arc::clone(&listener)));
        Ok(Self { runtime: Some(runtime), listener, patient: false })
    }

    /// From now on SIGINT passes while nothing runs: for a verb whose line editor takes Ctrl-C as a
    /// key, where the signal can only come in the instant between an answer and the next prompt.
    pub(crate) fn let_idle_interrupts_pass(&mut self) {
        self.patient = true;
        listen(&self.listener, self.idle());
    }

    fn idle(&self) -> Target {
        if self.patient { Target::Terminations } else { Target::Process }
    }

    /// Waits for `work`. The first SIGINT or SIGTERM drops it, which cancels what it was doing, also
    /// on a server; any other, also while nothing runs, ends the process on the spot.
    ///
    /// # Errors
    /// Those of `work`, and [`Failure::Signal`].
    pub(crate) fn run<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let Some(runtime) = &self.runtime else {
            return Err(Error::new(ErrorKind::Internal, "the async runtime has ended").into());
        };
        let (sender, signalled) = oneshot::channel();
        listen(&self.listener, Target::Work(sender));
        let tasks = runtime.metrics().num_alive_tasks();
        let result = runtime.block_on(async {
            tokio::select! {
                biased;
                Ok(exit) = signalled => Err(Failure::Signal(exit)),
                result = work => result,
            }
        });
        // A patient one goes on, and its runtime with it: nobody has to wait.
        if result.is_err() && !self.patient {
            runtime.block_on(farewells(tasks));
        }
        listen(&self.listener, self.idle());
        result
    }
}

fn not_started(error: io::Error) -> Failure {
    // A system that gives no thread has no memory for its stack.
    let short = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory);
    let kind = if short { ErrorKind::OutOfMemory } else { ErrorKind::Internal };
    let failed = Error::new(kind, "cannot start the async runtime").with_source(error);
    failed.with_hint("free some memory or allow the process more").into()
}

impl Drop for Runtime {
    /// Cancelled work may still be inside a computation; the process does not wait for it.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Lets what dropped work left behind come to its end, for a moment at most: a server has to hear
/// that a job is not wanted any more before the process goes.
async fn farewells(before: usize) {
    let tasks = Handle::current().metrics();
    let gone = async {
        while tasks.num_alive_tasks() > before {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let _ = timeout(FAREWELL, gone).await;
}

fn listen(listener: &Listener, target: Target) {
    *listener.lock().unwrap_or_else(PoisonError::into_inner) = target;
}

#[cfg(unix)]
async fn watch(listener: Listener) {
    use tokio::signal::unix::{SignalKind, signal};
    // Registered once: a signal that comes while another is handled is not lost.
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = signals else { return };
    loop {
        let exit = tokio::select! {
            _ = interrupt.recv() => Exit::Interrupted,
            _ = terminate.recv() => Exit::Terminated,
        };
        deliver(&listener, exit);
    }
}

#[cfg(not(unix))]
async fn watch(listener: Listener) {
    while tokio::signal::ctrl_c().await.is_ok() {
        deliver(&listener, Exit::Interrupted);
    }
}

fn deliver(listener: &Listener, exit: Exit) {
    let mut target = listener.lock().unwrap_or_else(PoisonError::into_inner);
    match std::mem::replace(&mut *target, Target::Told) {
        Target::Terminations if exit == Exit::Interrupted => *target = Target::Terminations,
        Target::Work(sender) => {
            if sender.send(exit).is_err() {
                process::exit(i32::from(exit.code()));
            }
        }
        _ => process::exit(i32::from(exit.code())),
    }
}
