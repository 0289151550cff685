//! The pool: every chunk once, in any company, through panics and long rests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use textport_kernels::Pool;

#[test]
fn every_chunk_is_called_once() {
    for threads in [1, 2, 3, 8] {
        let pool = Pool::new(threads, "test").unwrap();
        for chunks in [0, 1, 2, 7, 100, 4095, 4096, 10_000] {
            let counts: Vec<AtomicUsize> = (0..chunks).map(|_| AtomicUsize::new(0)).collect();
            pool.run(chunks, |chunk| {
                counts[chunk].fetch_add(1, Ordering::Relaxed);
            });
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{chunks}");
        }
    }
}

#[test]
fn many_short_regions_lose_nothing() {
    let pool = Pool::new(4, "test").unwrap();
    let total = AtomicUsize::new(0);
    for region in 0..20_000 {
        let local = AtomicUsize::new(0);
        pool.run(1 + region % 9, |chunk| {
            local.fetch_add(chunk + 1, Ordering::Relaxed);
        });
        let n = 1 + region % 9;
        assert_eq!(local.load(Ordering::Relaxed), n * (n + 1) / 2, "region {region}");
        total.fetch_add(1, Ordering::Relaxed);
    }
    assert_eq!(total.load(Ordering::Relaxed), 20_000);
}

#[test]
fn workers_wake_after_a_rest() {
    let pool = Pool::new(3, "test").unwrap();
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(5));
        let done = AtomicUsize::new(0);
        pool.run(64, |_| {
            done.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(done.load(Ordering::Relaxed), 64);
    }
}

#[test]
fn a_caller_that_went_to_sleep_is_woken() {
    let pool = Pool::new(4, "test").unwrap();
    let caller = std::thread::current().id();
    for region in 0..100_usize {
        let done = AtomicUsize::new(0);
        pool.run(4, |chunk| {
            // From far too short to sleep over to far longer than the caller looks.
            if std::thread::current().id() != caller || chunk == 3 {
                std::thread::sleep(Duration::from_micros(20 * (region as u64 % 30)));
            }
            done.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(done.load(Ordering::Relaxed), 4, "region {region}");
    }
}

#[test]
fn a_panic_reaches_the_caller_and_leaves_the_pool_whole() {
    let pool = Pool::new(3, "test").unwrap();
    for bad in [0, 17, 63] {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            pool.run(64, |chunk| assert_ne!(chunk, bad, "on purpose"));
        }));
        assert!(caught.is_err());
    }
    let done = AtomicUsize::new(0);
    pool.run(64, |_| {
        done.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(done.load(Ordering::Relaxed), 64);
}

#[test]
fn callers_take_turns() {
    let pool = Pool::new(2, "test").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let done = AtomicUsize::new(0);
                    pool.run(10, |_| {
                        done.fetch_add(1, Ordering::Relaxed);
                    });
                    assert_eq!(done.load(Ordering::Relaxed), 10);
                }
            });
        }
    });
}

#[test]
fn pieces_and_items_are_all_there() {
    let pool = Pool::new(3, "test").unwrap();
    let mut list = vec![0_usize; 1001];
    pool.pieces(&mut list, 64, |index, piece| {
        assert_eq!(piece.len(), if index == 15 { 41 } else { 64 });
        piece.iter_mut().for_each(|x| *x += index + 1);
    });
    assert!(list.iter().enumerate().all(|(at, x)| *x == at / 64 + 1));
    let sum = AtomicUsize::new(0);
    pool.each(100, 0..100_usize, |x| {
        sum.fetch_add(x, Ordering::Relaxed);
    });
    assert_eq!(sum.load(Ordering::Relaxed), 4950);
}

#[test]
fn a_region_within_a_chunk_runs_on_its_thread() {
    let pool = Pool::new(3, "test").unwrap();
    let done = AtomicUsize::new(0);
    pool.run(8, |_| {
        pool.run(5, |_| {
            done.fetch_add(1, Ordering::Relaxed);
        });
    });
    assert_eq!(done.load(Ordering::Relaxed), 40);
}
