//! What the threads of a pool share: the region that is on, and how they take its chunks and wait.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How long a worker looks for work without giving up its core, then giving it up in between; then
/// it sleeps.
const SPIN: Duration = Duration::from_micros(30);
const YIELD: Duration = Duration::from_micros(300);
/// How long the caller looks for the end of a region before it sleeps. It does not give up its core
/// in between: another program would have it for milliseconds.
const PATIENCE: Duration = Duration::from_micros(100);

/// Most chunks of a region: they are counted in 12 bits.
pub(super) const MOST_CHUNKS: usize = (1 << 12) - 1;

thread_local! {
    /// Whether this thread is inside a chunk.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread is inside a chunk.
pub(super) fn inside() -> bool {
    INSIDE.get()
}

/// Region number (40 bits), number of chunks (12), next chunk (12): taking a chunk is one
/// compare-and-swap that fails if the region has changed.
#[derive(Clone, Copy)]
struct Ticket(u64);

impl Ticket {
    fn new(region: u64, chunks: usize) -> Self {
        Self(region << 24 | (chunks as u64) << 12)
    }

    fn next(self) -> Option<usize> {
        let (chunks, next) = (self.0 >> 12 & 0xFFF, self.0 & 0xFFF);
        (next < chunks).then_some(next as usize)
    }
}

/// A word alone in its cache lines: neighbours would slow each other down.
#[repr(align(128))]
struct Alone<T>(T);

/// Calls a closure, lent as a pointer, with the number of a chunk.
pub(super) type Run = unsafe fn(*const (), usize);

/// What all threads of a pool see.
pub(super) struct Shared {
    ticket: Alone<AtomicU64>,
    /// Chunks of the region that are done.
    done: Alone<AtomicUsize>,
    /// The region's closure, and the function that calls it. Written only while no chunk is out.
    closure: AtomicPtr<()>,
    run: AtomicPtr<()>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    panicked: AtomicBool,
    sleepers: AtomicUsize,
    /// Whoever waits for the last chunks of its region has gone to sleep.
    caller_sleeps: AtomicBool,
    caller: Mutex<Option<Thread>>,
    stop: AtomicBool,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            ticket: Alone(AtomicU64::new(0)),
            done: Alone(AtomicUsize::new(0)),
            closure: AtomicPtr::new(ptr::null_mut()),
            run: AtomicPtr::new(ptr::null_mut()),
            panic: Mutex::new(None),
            panicked: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            caller_sleeps: AtomicBool::new(false),
            caller: Mutex::new(None),
            stop: AtomicBool::new(false),
        }
    }

    /// Lets threads take the chunks of a region; whether some of them sleep. The last region must
    /// be over.
    pub(super) fn begin(&self, region: u64, chunks: usize, closure: *const (), run: Run) -> bool {
        // Nobody reads these now: all chunks of the last region are done, and a chunk must be
        // taken before they are read.
        self.closure.store(closure.cast_mut(), Ordering::Relaxed);
        self.run.store(run as *mut (), Ordering::Relaxed);
        self.done.0.store(0, Ordering::Relaxed);
        self.ticket.0.store(Ticket::new(region, chunks).0, Ordering::SeqCst);
        self.sleepers.load(Ordering::SeqCst) > 0
    }

    /// What the first chunk that panicked said.
    pub(super) fn reason(&self) -> Option<Box<dyn Any + Send>> {
        if !self.panicked.swap(false, Ordering::Relaxed) {
            return None;
        }
        let reason = self.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        Some(reason.unwrap_or_else(|| Box::new("a piece of work panicked")))
    }

    /// Ends the workers, once they are awake.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    /// Takes a chunk of the region that is on and computes it; whether there was one.
    pub(super) fn take_one(&self) -> bool {
        let mut ticket = Ticket(self.ticket.0.load(Ordering::Acquire));
        let chunk = loop {
            let Some(next) = ticket.next() else { return false };
            let taken = self.ticket.0.compare_exchange_weak(
                ticket.0,
                ticket.0 + 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            match taken {
                Ok(_) => break next,
                Err(found) => ticket = Ticket(found),
            }
        };
        let closure = self.closure.load(Ordering::Relaxed);
        let run = self.run.load(Ordering::Relaxed);
        let before = INSIDE.replace(true);
        // SAFETY: the chunk is ours, so the region that we took it from cannot end before `done`
        // counts it; its closure and function were written before its ticket.
        let result = catch_unwind(AssertUnwindSafe(|| unsafe {
            let run = std::mem::transmute::<*mut (), Run>(run);
            run(closure, chunk);
        }));
        INSIDE.set(before);
        if let Err(reason) = result {
            let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
            if first.is_none() {
                *first = Some(reason);
            } else {
                // Dropping it may panic, and nothing may unwind past the closure that is lent.
                std::mem::forget(reason);
            }
            self.panicked.store(true, Ordering::Relaxed);
        }
        // Either this count is seen by who goes to sleep, or its sleep is seen here.
        self.done.0.fetch_add(1, Ordering::SeqCst);
        if self.caller_sleeps.load(Ordering::SeqCst) {
            let caller = self.caller.lock().unwrap_or_else(PoisonError::into_inner);
            caller.iter().for_each(Thread::unpark);
        }
        true
    }

    /// Waits until all chunks are done. One that takes long is on a thread that the system has taken
    /// off its core: sleeping leaves this core idle, and the system brings that thread here.
    pub(super) fn wait_for(&self, chunks: usize) {
        let over = || self.done.0.load(Ordering::SeqCst) == chunks;
        if look(PATIENCE, PATIENCE, over) {
            return;
        }
        let lock = || self.caller.lock().unwrap_or_else(PoisonError::into_inner);
        *lock() = Some(thread::current());
        self.caller_sleeps.store(true, Ordering::SeqCst);
        while !over() {
            thread::park();
        }
        self.caller_sleeps.store(false, Ordering::SeqCst);
        *lock() = None;
    }
}

/// What a worker does all its life.
pub(super) fn work(shared: &Shared) {
    loop {
        while shared.take_one() {}
        let fresh = || {
            let ticket = Ticket(shared.ticket.0.load(Ordering::Relaxed));
            ticket.next().is_some() || shared.stop.load(Ordering::Relaxed)
        };
        if !look(SPIN, YIELD, fresh) {
            shared.sleepers.fetch_add(1, Ordering::SeqCst);
            let ticket = Ticket(shared.ticket.0.load(Ordering::SeqCst));
            if ticket.next().is_none() && !shared.stop.load(Ordering::SeqCst) {
                thread::park();
            }
            shared.sleepers.fetch_sub(1, Ordering::SeqCst);
        }
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
    }
}

/// Looks whether something has happened, giving up the core in between after `spin`; whether it has
/// after `most`.
fn look(spin: Duration, most: Duration, happened: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    loop {
        for _ in 0..32 {
            if happened() {
                return true;
            }
            std::hint::spin_loop();
        }
        let since = start.elapsed();
        if since > most {
            return false;
        }
        if since > spin {
            thread::yield_now();
        }
    }
}
