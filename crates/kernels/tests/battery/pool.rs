//! The pool: every task once, panics, reentry, more threads than cores.

use std::sync::atomic::{AtomicUsize, Ordering};

use proofmark_kernels::Pool;

#[test]
fn every_task_runs_once_for_any_number_of_threads() {
    for threads in [0, 1, 2, 3, 16] {
        let pool = Pool::new(threads);
        // A target without threads has the caller's alone.
        let wanted = if cfg!(target_family = "wasm") {
            1
        } else {
            threads.max(1)
        };
        assert_eq!(pool.threads(), wanted);
        for tasks in [0, 1, 2, 7, 100] {
            for _ in 0..50 {
                let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                pool.run(tasks, &|task| {
                    counts[task].fetch_add(1, Ordering::Relaxed);
                });
                assert!(
                    counts
                        .iter()
                        .all(|count| count.load(Ordering::Relaxed) == 1)
                );
            }
        }
    }
}

#[test]
fn items_and_chunks_are_lent_to_one_task_each() {
    let pool = Pool::new(4);
    let mut items: Vec<usize> = (0..1000).collect();
    pool.for_each(&mut items, |at, item| *item += at);
    assert!(items.iter().enumerate().all(|(at, &item)| item == 2 * at));
    pool.for_each_chunk(&mut items, 7, |at, chunk| {
        assert!(chunk.len() == 7 || at == 142 && chunk.len() == 6);
        chunk.fill(at);
    });
    assert!(items.iter().enumerate().all(|(at, &item)| item == at / 7));
}

#[test]
#[cfg(panic = "unwind")]
fn a_panic_of_a_task_reaches_the_caller_and_the_pool_goes_on() {
    let pool = Pool::new(3);
    for _ in 0..20 {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            pool.run(64, &|task| assert_ne!(task, 5, "task five"));
        }));
        let payload = outcome.unwrap_err();
        let message = payload.downcast_ref::<String>().unwrap();
        assert!(message.contains("task five"), "{message}");
        let sum = AtomicUsize::new(0);
        pool.run(10, &|task| {
            sum.fetch_add(task, Ordering::Relaxed);
        });
        assert_eq!(sum.into_inner(), 45);
    }
}

#[test]
#[cfg(not(target_family = "wasm"))]
fn a_task_may_fork_and_threads_may_share_a_pool() {
    let pool = Pool::new(2);
    let count = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..20 {
                    pool.run(5, &|_| {
                        pool.run(5, &|_| {
                            count.fetch_add(1, Ordering::Relaxed);
                        });
                    });
                }
            });
        }
    });
    assert_eq!(count.into_inner(), 3 * 20 * 25);
}

#[test]
fn threads_that_sleep_wake_and_leave() {
    // Dropped at once, and after a fork: the join in `drop` returns.
    drop(Pool::new(8));
    let pool = Pool::new(8);
    pool.run(8, &|_| std::thread::yield_now());
    drop(pool);
}
