//! Threads that share out many short pieces of work.
//!
//! A decoded token of a small model is some hundred regions of a few microseconds. So workers look
//! for the next one without sleeping in between, for a while; the caller works too; and a region
//! is over when its chunks are done, not when every worker has come by: a worker that the system
//! has taken off its core holds nobody up unless it holds a chunk.

#![expect(unsafe_code, reason = "lends closures to threads for as long as a region runs")]

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a worker looks for work without giving up its core, then giving it up in between.
const SPIN: Duration = Duration::from_micros(30);
const YIELD: Duration = Duration::from_micros(300);

/// Most chunks of a region: they are counted in 12 bits.
const MOST_CHUNKS: usize = (1 << 12) - 1;

thread_local! {
    /// Whether this thread is inside a chunk.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
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

type Run = unsafe fn(*const (), usize);

struct Shared {
    ticket: Alone<AtomicU64>,
    /// Chunks of the region that are done.
    done: Alone<AtomicUsize>,
    /// The region's closure, and the function that calls it. Written only while no chunk is out.
    closure: AtomicPtr<()>,
    run: AtomicPtr<()>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    panicked: AtomicBool,
    sleepers: AtomicUsize,
    stop: AtomicBool,
}

/// Threads that compute together. Dropping it ends them.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// One region at a time.
    turn: Mutex<u64>,
}

impl Pool {
    /// A pool in which `threads` compute, the calling one among them.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn new(threads: usize, name: &str) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            ticket: Alone(AtomicU64::new(0)),
            done: Alone(AtomicUsize::new(0)),
            closure: AtomicPtr::new(ptr::null_mut()),
            run: AtomicPtr::new(ptr::null_mut()),
            panic: Mutex::new(None),
            panicked: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        });
        // Made first: if a later thread cannot be had, dropping it ends the earlier ones.
        let mut pool = Self { shared, workers: Vec::new(), turn: Mutex::new(0) };
        for index in 1..threads {
            let shared = Arc::clone(&pool.shared);
            let thread = thread::Builder::new().name(format!("{name}-{index}"));
            pool.workers.push(thread.spawn(move || work(&shared))?);
        }
        Ok(pool)
    }

    /// How many threads compute.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `chunk` once for every number below `chunks`, on any thread and in any order, and
    /// returns when all calls are over. Calls from within a chunk run on its thread alone.
    ///
    /// # Panics
    /// When a chunk does.
    pub fn run<F: Fn(usize) + Sync>(&self, chunks: usize, chunk: F) {
        if self.workers.is_empty() || chunks <= 1 || INSIDE.get() {
            (0..chunks).for_each(chunk);
            return;
        }
        let per_call = chunks.div_ceil(MOST_CHUNKS);
        let calls = chunks.div_ceil(per_call);
        self.region(calls, |call| {
            let end = chunks.min((call + 1) * per_call);
            (call * per_call..end).for_each(&chunk);
        });
    }

    /// Cuts `list` into pieces of `len` (the last may be shorter) and calls `piece` with each.
    pub fn pieces<T: Send, F: Fn(usize, &mut [T]) + Sync>(
        &self,
        list: &mut [T],
        len: usize,
        piece: F,
    ) {
        let (len, whole) = (len.max(1), list.len());
        let start = Start(list.as_mut_ptr());
        self.run(whole.div_ceil(len), |index| {
            let from = index * len;
            // SAFETY: every index comes once, so no two pieces overlap; the list is borrowed until
            // all pieces are done.
            let part = unsafe {
                std::slice::from_raw_parts_mut(start.get().add(from), len.min(whole - from))
            };
            piece(index, part);
        });
    }

    /// Calls `take` with each of the `count` items, on any thread.
    pub fn each<I: Iterator + Send, F: Fn(I::Item) + Sync>(&self, count: usize, items: I, take: F) {
        let items = Mutex::new(items);
        self.run(count, |_| {
            let item = items.lock().unwrap_or_else(PoisonError::into_inner).next();
            item.into_iter().for_each(&take);
        });
    }

    fn region<F: Fn(usize) + Sync>(&self, chunks: usize, chunk: F) {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        *turn += 1;
        let region = *turn;
        let shared = &*self.shared;
        let run: Run = call::<F>;
        // Nobody reads these now: all chunks of the last region are done, and a chunk must be
        // taken before they are read.
        shared.closure.store(ptr::from_ref(&chunk).cast_mut().cast(), Ordering::Relaxed);
        shared.run.store(run as *mut (), Ordering::Relaxed);
        shared.done.0.store(0, Ordering::Relaxed);
        shared.ticket.0.store(Ticket::new(region, chunks).0, Ordering::SeqCst);
        if shared.sleepers.load(Ordering::SeqCst) > 0 {
            self.workers.iter().for_each(|worker| worker.thread().unpark());
        }
        while shared.take_one() {}
        wait(|| shared.done.0.load(Ordering::Acquire) == chunks);
        if shared.panicked.swap(false, Ordering::Relaxed) {
            let reason = shared.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
            drop(turn);
            resume_unwind(reason.unwrap_or_else(|| Box::new("a piece of work panicked")));
        }
    }
}

/// # Safety
/// `closure` points to an `F` that lives until this returns.
unsafe fn call<F: Fn(usize) + Sync>(closure: *const (), chunk: usize) {
    // SAFETY: by the caller.
    unsafe { (*closure.cast::<F>())(chunk) }
}

/// A pointer that may go to other threads, as the pieces of the list do.
struct Start<T>(*mut T);
// SAFETY: every piece is used by one thread; `T: Send` is asked for where it is made.
unsafe impl<T: Send> Sync for Start<T> {}

impl<T> Start<T> {
    fn get(&self) -> *mut T {
        self.0
    }
}

impl Shared {
    /// Takes a chunk of the region that is on and computes it; whether there was one.
    fn take_one(&self) -> bool {
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
        self.done.0.fetch_add(1, Ordering::Release);
        true
    }
}

/// What a worker does all its life.
fn work(shared: &Shared) {
    loop {
        while shared.take_one() {}
        let fresh = || {
            let ticket = Ticket(shared.ticket.0.load(Ordering::Relaxed));
            ticket.next().is_some() || shared.stop.load(Ordering::Relaxed)
        };
        if !look(fresh) {
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

/// Looks for a while whether something has happened; whether it has.
fn look(happened: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    loop {
        for _ in 0..32 {
            if happened() {
                return true;
            }
            std::hint::spin_loop();
        }
        let since = start.elapsed();
        if since > YIELD {
            return false;
        }
        if since > SPIN {
            thread::yield_now();
        }
    }
}

/// Waits until something has happened; gives up the core in between when it takes long.
fn wait(happened: impl Fn() -> bool) {
    while !look(&happened) {
        thread::yield_now();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            // A worker cannot panic: chunks are caught.
            drop(worker.join());
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("threads", &self.threads()).finish_non_exhaustive()
    }
}
