//! A fork-join pool: threads that wait, spinning for a moment before they sleep, and share out numbered tasks.
//!
//! A join waits for the threads that took part only: one that wakes late finds the gate closed and sleeps on.

#![expect(
    unsafe_code,
    reason = "threads that outlive a call run a closure that it borrows; tasks write to parts of one slice"
)]

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;

/// Rounds that a thread spins before it sleeps: some tens of microseconds.
const SPINS: u32 = 4_000;

/// The gate's word: the fork's number, whether it is open, how many threads are inside.
const OPEN: u64 = 1 << 31;
const INSIDE: u64 = OPEN - 1;
const FORK: u64 = 1 << 32;

type Task<'a> = dyn Fn(usize) + Sync + 'a;
type Payload = Box<dyn Any + Send>;

/// What a fork lends to the threads.
struct Job {
    task: *const Task<'static>,
    tasks: usize,
}

struct Shared {
    gate: AtomicU64,
    /// Written while the gate is closed and nobody is inside, read by those inside.
    job: UnsafeCell<Job>,
    next: AtomicUsize,
    panic: Mutex<Option<Payload>>,
    stop: AtomicBool,
    sleepers: AtomicUsize,
    bed: Mutex<()>,
    wake: Condvar,
}

// SAFETY: `job` is the one member that is not `Sync` (and not `Send`) by itself. It is written by the holder of
// `Pool::turn` while the gate is closed and nobody is inside, and read between entering an open gate and leaving it.
unsafe impl Sync for Shared {}
// SAFETY: as above; the pointer is followed only during the fork that lent it.
unsafe impl Send for Shared {}

/// A fork-join pool. [`run`](Self::run) shares tasks out among its threads, the caller's included.
///
/// Which thread runs which task is not determined: tasks must not depend on it.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// Held by the one that forks.
    turn: Mutex<()>,
}

impl Pool {
    /// A pool of that many threads, the caller's included. Fewer if the system refuses to make them; see
    /// [`threads`](Self::threads).
    #[must_use]
    pub fn new(threads: usize) -> Self {
        let idle: &'static Task<'static> = &|_| {};
        let shared = Arc::new(Shared {
            gate: AtomicU64::new(0),
            job: UnsafeCell::new(Job {
                task: idle,
                tasks: 0,
            }),
            next: AtomicUsize::new(0),
            panic: Mutex::new(None),
            stop: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            bed: Mutex::new(()),
            wake: Condvar::new(),
        });
        let workers = (1..threads)
            .map_while(|number| {
                let shared = Arc::clone(&shared);
                std::thread::Builder::new()
                    .name(format!("kernels-{number}"))
                    .spawn(move || shared.work())
                    .ok()
            })
            .collect();
        Self {
            shared,
            workers,
            turn: Mutex::new(()),
        }
    }

    /// How many threads share the tasks, the caller's included.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `task` with each of 0 … tasks − 1 once, and returns when all have returned. Called from inside of a task,
    /// or while another thread's run goes on, it runs the tasks on the calling thread.
    ///
    /// # Panics
    /// With the panic of a task, after all threads have left; tasks that had not begun by then are dropped.
    pub fn run(&self, tasks: usize, task: &Task<'_>) {
        let turn = match self.turn.try_lock() {
            Ok(turn) => Some(turn),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        match turn {
            Some(turn) if tasks > 1 && !self.workers.is_empty() => self.fork(tasks, task, turn),
            _ => (0..tasks).for_each(task),
        }
    }

    /// Calls `task` once for each item, as [`run`](Self::run) does.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    pub fn for_each<T: Send>(&self, items: &mut [T], task: impl Fn(usize, &mut T) + Sync) {
        let parts = Parts::new(items);
        self.run(parts.len, &|at| {
            // SAFETY: `run` hands out each number below `len` once.
            task(at, unsafe { parts.item(at) });
        });
    }

    /// Calls `task` once for each piece of `length` items, the last may be shorter, as [`run`](Self::run) does.
    ///
    /// # Panics
    /// If `length` is 0, or as [`run`](Self::run).
    pub fn for_each_chunk<T: Send>(
        &self,
        items: &mut [T],
        length: usize,
        task: impl Fn(usize, &mut [T]) + Sync,
    ) {
        assert!(length > 0, "pieces of no length");
        let parts = Parts::new(items);
        self.run(parts.len.div_ceil(length), &|at| {
            let start = at * length;
            let end = parts.len.min(start + length);
            // SAFETY: `run` hands out each number once, and pieces of different numbers do not overlap.
            task(at, unsafe { parts.slice(start, end) });
        });
    }

    fn fork(&self, tasks: usize, task: &Task<'_>, turn: MutexGuard<'_, ()>) {
        let shared = &*self.shared;
        let pointer = std::ptr::from_ref(task);
        // SAFETY: only the lifetime changes. The pointer is followed by threads inside of the gate only, and this
        // function does not return, by unwinding either, before the gate is closed and they have left.
        let task: *const Task<'static> =
            unsafe { std::mem::transmute::<*const Task<'_>, _>(pointer) };
        // SAFETY: this thread holds `turn`, the gate is closed and nobody is inside: the last fork waited for that.
        unsafe { *shared.job.get() = Job { task, tasks } };
        shared.next.store(0, Ordering::Relaxed);
        let fork = shared.gate.load(Ordering::Relaxed) & !(OPEN | INSIDE);
        shared
            .gate
            .store(fork.wrapping_add(FORK) | OPEN, Ordering::SeqCst);
        if shared.sleepers.load(Ordering::SeqCst) > 0 {
            let _bed = lock(&shared.bed);
            shared.wake.notify_all();
        }
        // SAFETY: the job is that of this fork.
        unsafe { shared.take_part() };
        shared.gate.fetch_and(!OPEN, Ordering::AcqRel);
        let mut round = 0_u32;
        while shared.gate.load(Ordering::Acquire) & INSIDE > 0 {
            pause(&mut round);
        }
        let payload = lock(&shared.panic).take();
        drop(turn);
        if let Some(payload) = payload {
            resume_unwind(payload);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        {
            let _bed = lock(&self.shared.bed);
            self.shared.wake.notify_all();
        }
        for worker in self.workers.drain(..) {
            // A worker catches the panics of tasks and has none of its own to report.
            let _ = worker.join();
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("threads", &self.threads())
            .finish()
    }
}

impl Shared {
    /// A worker's life.
    fn work(&self) {
        let mut seen = 0_u64;
        while let Some(gate) = self.wait(seen) {
            seen = gate / FORK;
            if self.enter(gate) {
                // SAFETY: this thread is inside of the gate.
                unsafe { self.take_part() };
                self.gate.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }

    /// Waits for an open gate of a fork that was not seen yet; none when the pool is dropped.
    fn wait(&self, seen: u64) -> Option<u64> {
        let ready = || {
            let gate = self.gate.load(Ordering::SeqCst);
            (gate & OPEN > 0 && gate / FORK != seen).then_some(gate)
        };
        for _ in 0..SPINS {
            if let Some(gate) = ready() {
                return Some(gate);
            }
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            std::hint::spin_loop();
        }
        let mut bed = lock(&self.bed);
        // Either the fork sees a sleeper and notifies, or this thread sees the fork's open gate.
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let found = loop {
            if self.stop.load(Ordering::SeqCst) {
                break None;
            }
            if let Some(gate) = ready() {
                break Some(gate);
            }
            bed = self.wake.wait(bed).unwrap_or_else(PoisonError::into_inner);
        };
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        found
    }

    /// Goes in, unless the gate of that fork has closed.
    fn enter(&self, mut gate: u64) -> bool {
        let fork = gate / FORK;
        loop {
            if gate & OPEN == 0 || gate / FORK != fork {
                return false;
            }
            match self.gate.compare_exchange_weak(
                gate,
                gate + 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return true,
                Err(now) => gate = now,
            }
        }
    }

    /// Runs tasks until none is left.
    ///
    /// # Safety
    /// The calling thread is inside of the gate, or is the one that forks.
    unsafe fn take_part(&self) {
        // SAFETY: while a thread is inside nobody writes the job, and the closure that it points to is alive.
        let (task, tasks) = unsafe {
            let job = &*self.job.get();
            (&*job.task, job.tasks)
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            loop {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                if number >= tasks {
                    break;
                }
                task(number);
            }
        }));
        if let Err(payload) = outcome {
            // No task begins from here on.
            self.next.store(tasks, Ordering::Relaxed);
            lock(&self.panic).get_or_insert(payload);
        }
    }
}

/// Disjoint parts of a slice, for tasks of different numbers.
pub(crate) struct Parts<'a, T> {
    start: *mut T,
    len: usize,
    of: std::marker::PhantomData<&'a mut [T]>,
}

// SAFETY: a part goes to one task at a time, which may run on another thread: `T` has to be `Send`.
unsafe impl<T: Send> Sync for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    pub(crate) fn new(items: &'a mut [T]) -> Self {
        Self {
            start: items.as_mut_ptr(),
            len: items.len(),
            of: std::marker::PhantomData,
        }
    }

    /// # Safety
    /// `at < len`, and no other reference to this item is alive.
    #[expect(clippy::mut_from_ref, reason = "the caller keeps parts disjoint")]
    unsafe fn item(&self, at: usize) -> &mut T {
        debug_assert!(at < self.len);
        // SAFETY: inside of the slice, and exclusive by the caller's word.
        unsafe { &mut *self.start.add(at) }
    }

    /// # Safety
    /// `start ≤ end ≤ len`, and no other reference to these items is alive.
    #[expect(clippy::mut_from_ref, reason = "the caller keeps parts disjoint")]
    pub(crate) unsafe fn slice(&self, start: usize, end: usize) -> &mut [T] {
        debug_assert!(start <= end && end <= self.len);
        // SAFETY: inside of the slice, and exclusive by the caller's word.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), end - start) }
    }
}

/// A lock whose holders leave consistent values behind, panic or not.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Spins, and lets others run when that takes long: there may be fewer cores than threads.
fn pause(round: &mut u32) {
    *round = round.saturating_add(1);
    if *round < SPINS {
        std::hint::spin_loop();
    } else {
        std::thread::yield_now();
    }
}
