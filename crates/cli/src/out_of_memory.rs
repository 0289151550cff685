//! What happens when the system gives no more memory and nobody had a plan for it.
//!
//! What is large is asked for in ways that can fail, and becomes an error like any other. For the
//! rest Rust aborts. Here the abort becomes one line and the documented exit code, if memory was
//! what it was for.

#![cfg(unix)]
#![expect(unsafe_code, reason = "an allocator that takes notes, and a signal handler")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use crate::exit::Exit;

const WORDS: &[u8] =
    b"error: out of memory\n  try: free some memory or allow the process more, or use a smaller model\n";

/// Whether the system ever refused memory.
static REFUSED: AtomicBool = AtomicBool::new(false);

#[global_allocator]
static ALLOCATOR: Noting = Noting;

/// The system's allocator, which takes note of what it refuses.
struct Noting;

fn noted(memory: *mut u8) -> *mut u8 {
    if memory.is_null() {
        REFUSED.store(true, Ordering::Relaxed);
    }
    memory
}

// SAFETY: everything is the system's allocator's own work.
unsafe impl GlobalAlloc for Noting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on.
        noted(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        noted(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        noted(unsafe { System.realloc(memory, layout, size) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Ends the process by its exit code where it would be aborted for want of memory.
pub(crate) fn watch() {
    let action = SigAction::new(SigHandler::Handler(aborted), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing that a signal handler may not do. Without it there is an
    // abort, as before.
    let _ = unsafe { sigaction(Signal::SIGABRT, &action) };
}

extern "C" fn aborted(_: libc::c_int) {
    // Any other abort goes on when this returns.
    if REFUSED.load(Ordering::Relaxed) {
        // SAFETY: both calls are allowed in signal handlers; the words live as long as the process.
        unsafe {
            libc::write(libc::STDERR_FILENO, WORDS.as_ptr().cast(), WORDS.len());
            libc::_exit(i32::from(Exit::Unavailable.code()));
        }
    }
}
