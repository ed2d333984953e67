//! How long a guest may run. Once half of its time has passed on the wall, the time its thread really runs is counted
//! from there: so a call has all of its time however busy the machine is, a runaway has half as much again at most, and
//! a call that ends within the first half, as nearly all do, never pays for asking. What a guest waits for is not its
//! time: after each wait it has all of its time again, up to a bound that `instance.rs` keeps.

use std::cell::Cell;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use wasmtime::{Store, Trap, UpdateDeadline};

use super::state::State;
use crate::limits;

/// The time of the call under way.
#[derive(Default)]
pub(super) struct Deadline {
    time: Duration,
    /// In CPU time of the thread, once half of the time is over.
    end: Option<Duration>,
    /// The turn that `end` was set in.
    turn: u64,
}

thread_local! {
    /// Counts the turns of guests on this thread that may wait: what such a guest does between two waits is one.
    static TURN: Cell<u64> = const { Cell::new(0) };
}

/// A guest begins, or goes on after it has waited. The clock notices with its next tick.
pub(super) fn turn() {
    TURN.set(TURN.get().wrapping_add(1));
}

/// Have `store` interrupt guests whose time is over.
pub(super) fn watch(store: &mut Store<State>) {
    store.epoch_deadline_callback(|mut context| {
        let deadline = &mut context.data_mut().deadline;
        let now = cpu_time();
        let turn = TURN.get();
        match deadline.end.filter(|_| deadline.turn == turn) {
            None => (deadline.end, deadline.turn) = (Some(now + deadline.time), turn),
            Some(end) if now >= end => return Err(Trap::Interrupt.into()),
            Some(_) => {}
        }
        Ok(UpdateDeadline::Continue(1))
    });
}

/// Give the next call this much time.
pub(super) fn start(store: &mut Store<State>, time: Duration) {
    store.data_mut().deadline = Deadline { time, end: None, turn: 0 };
    store.set_epoch_deadline(ticks(time / 2));
}

/// How many ticks make up `time`, which is no longer than centuries: one more than fit, since the first may come at once.
fn ticks(time: Duration) -> u64 {
    let nanoseconds = |time: Duration| time.as_nanos() as u64;
    nanoseconds(time).div_ceil(nanoseconds(limits::EPOCH_TICK)) + 1
}

/// What the thread has run for.
pub(super) fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or_default(), u32::try_from(now.tv_nsec).unwrap_or_default())
}
