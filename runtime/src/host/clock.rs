//! The clock by which running guests notice the time. It ticks as long as anybody calls one, and sleeps otherwise: an
//! idle gateway wakes nobody a thousand times a second.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, Thread};

use crate::limits;

/// A ticking thread. Dropping it ends it.
pub(super) struct Clock {
    callers: Arc<Callers>,
    thread: Option<JoinHandle<()>>,
}

/// Those who call guests: the workers by their numbers, and the control plane.
pub(super) struct Callers {
    turns: Box<[Turn]>,
    control: Control,
    asleep: AtomicBool,
    ended: AtomicBool,
    clock: OnceLock<Thread>,
}

/// The control plane's number.
pub(super) const CONTROL: usize = usize::MAX;

/// What one worker is at, on a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
struct Turn(AtomicU8);

/// What the control plane is at, any of whose threads may call.
#[derive(Default)]
struct Control {
    calling: AtomicUsize,
    /// Somebody has called since the clock's last look.
    called: AtomicBool,
}

/// Neither calls nor has called since the clock's last look.
const QUIET: u8 = 0;
const CALLED: u8 = 1;
const CALLING: u8 = 2;

/// A call under way; over when this is dropped, however it ends.
struct End<'c> {
    turn: Option<&'c Turn>,
    control: &'c Control,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        match self.turn {
            Some(Turn(turn)) => turn.store(CALLED, Ordering::Relaxed),
            None => {
                self.control.called.store(true, Ordering::Relaxed);
                self.control.calling.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

impl Clock {
    /// For this many workers. `tick` is called every [`limits::EPOCH_TICK`] while a guest runs.
    pub(super) fn start(workers: usize, tick: impl Fn() + Send + 'static) -> io::Result<Self> {
        let callers = Arc::new(Callers {
            turns: (0..workers).map(|_| Turn::default()).collect(),
            control: Control::default(),
            asleep: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            clock: OnceLock::new(),
        });
        let thread = thread::Builder::new().name("plugin-clock".into()).spawn({
            let callers = Arc::clone(&callers);
            move || callers.keep_time(&tick)
        })?;
        Ok(Self { callers, thread: Some(thread) })
    }

    pub(super) fn callers(&self) -> &Arc<Callers> {
        &self.callers
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.callers.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A clock that panicked has already said so.
            drop(thread.join());
        }
    }
}

impl Callers {
    /// Run `guest` for worker number `worker`, or for [`CONTROL`].
    pub(super) fn call<T>(&self, worker: usize, guest: impl FnOnce() -> T) -> T {
        let turn = self.turns.get(worker);
        match turn {
            Some(Turn(turn)) => turn.store(CALLING, Ordering::Relaxed),
            None => _ = self.control.calling.fetch_add(1, Ordering::Relaxed),
        }
        let _end = End { turn, control: &self.control };
        // Should it fall asleep at this very moment, it looks again by itself after a nap.
        if self.asleep.load(Ordering::Relaxed)
            && let Some(clock) = self.clock.get()
        {
            clock.unpark();
        }
        guest()
    }

    fn keep_time(&self, tick: &impl Fn()) {
        let _ = self.clock.set(thread::current());
        let mut quiet = 0;
        while !self.ended.load(Ordering::Relaxed) {
            quiet = if self.were_busy() { 0 } else { quiet + 1 };
            if quiet < limits::CLOCK_QUIET_TICKS {
                thread::park_timeout(limits::EPOCH_TICK);
            } else {
                self.asleep.store(true, Ordering::SeqCst);
                if !self.were_busy() {
                    thread::park_timeout(limits::CLOCK_NAP);
                }
                self.asleep.store(false, Ordering::Relaxed);
            }
            tick();
        }
    }

    /// Whether anybody is in a call, or has been since the last look.
    fn were_busy(&self) -> bool {
        let control = self.control.called.swap(false, Ordering::Relaxed);
        let control = control || self.control.calling.load(Ordering::Relaxed) > 0;
        self.turns.iter().fold(control, |busy, Turn(turn)| {
            let at = turn.load(Ordering::Relaxed);
            if at == CALLED {
                // Whoever calls again meanwhile is left alone.
                let _ = turn.compare_exchange(CALLED, QUIET, Ordering::Relaxed, Ordering::Relaxed);
            }
            busy || at != QUIET
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::time::{Duration, Instant};

    use super::*;

    fn counted() -> (Clock, impl Fn() -> u32) {
        let ticks = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&ticks);
        let clock = Clock::start(2, move || _ = count.fetch_add(1, Ordering::Relaxed)).unwrap();
        (clock, move || ticks.load(Ordering::Relaxed))
    }

    fn until(what: &str, met: impl Fn() -> bool) {
        let begun = Instant::now();
        while !met() {
            assert!(begun.elapsed() < Duration::from_secs(10), "never {what}");
            thread::yield_now();
        }
    }

    #[test]
    fn it_sleeps_until_somebody_calls_and_ticks_as_long_as_the_call_lasts() {
        let (clock, ticks) = counted();
        let callers = clock.callers();
        for worker in [0, 1, CONTROL] {
            until("asleep", || callers.asleep.load(Ordering::Relaxed));
            let begun = (Instant::now(), ticks());
            callers.call(worker, || until("ticking", || ticks() - begun.1 > 2 * limits::CLOCK_QUIET_TICKS));
            // Asleep, it would have taken a nap for each.
            assert!(begun.0.elapsed() < limits::CLOCK_NAP * limits::CLOCK_QUIET_TICKS, "{worker}");
        }
    }

    #[test]
    fn it_ticks_until_the_last_of_several_control_threads_is_done() {
        let (clock, ticks) = counted();
        let callers = clock.callers();
        callers.call(CONTROL, || {
            // Another thread's call, over at once.
            callers.call(CONTROL, || ());
            let begun = (Instant::now(), ticks());
            until("ticking", || ticks() - begun.1 > 2 * limits::CLOCK_QUIET_TICKS);
            assert!(begun.0.elapsed() < limits::CLOCK_NAP * limits::CLOCK_QUIET_TICKS);
        });
    }

    #[test]
    fn it_ends_when_it_is_dropped_whether_it_sleeps_or_not() {
        let (clock, _) = counted();
        drop(clock);
        let (clock, _) = counted();
        until("asleep", || clock.callers().asleep.load(Ordering::Relaxed));
        let begun = Instant::now();
        drop(clock);
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}
