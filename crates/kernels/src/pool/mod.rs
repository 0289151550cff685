//! Threads that share out many short pieces of work.
//!
//! A decoded token of a small model is some hundred regions of a few microseconds. So workers look
//! for the next one without sleeping in between, for a while; the caller works too; and a region
//! is over when its chunks are done, not when every worker has come by: a worker that the system
//! has taken off its core holds nobody up unless it holds a chunk.

#![expect(unsafe_code, reason = "lends closures to threads for as long as a region runs")]

mod region;

use std::panic::resume_unwind;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use region::{MOST_CHUNKS, Shared, inside, work};

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
        let shared = Arc::new(Shared::new());
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
        if self.workers.is_empty() || chunks <= 1 || inside() {
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
        if shared.begin(region, chunks, ptr::from_ref(&chunk).cast(), call::<F>) {
            self.workers.iter().for_each(|worker| worker.thread().unpark());
        }
        while shared.take_one() {}
        shared.wait_for(chunks);
        if let Some(reason) = shared.reason() {
            drop(turn);
            resume_unwind(reason);
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

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop();
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
