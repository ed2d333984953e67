//! How long a guest may run. The first half of its time passes by the clock on the wall, the second by the time its
//! thread really ran: so a machine that is busy with something else does not make a plugin look slow, and a call that
//! ends within the first half, as nearly all do, never pays for asking.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use wasmtime::{Store, Trap, UpdateDeadline};

use super::state::State;
use crate::limits;

/// The time of the call under way.
#[derive(Default)]
pub(super) struct Deadline {
    half: Duration,
    /// In CPU time of the thread, once the first half is over.
    end: Option<Duration>,
}

/// Have `store` interrupt guests whose time is over.
pub(super) fn watch(store: &mut Store<State>) {
    store.epoch_deadline_callback(|mut context| {
        let deadline = &mut context.data_mut().deadline;
        let now = cpu_time();
        match deadline.end {
            None => deadline.end = Some(now + deadline.half),
            Some(end) if now >= end => return Err(Trap::Interrupt.into()),
            Some(_) => {}
        }
        Ok(UpdateDeadline::Continue(1))
    });
}

/// Give the next call this much time.
pub(super) fn start(store: &mut Store<State>, time: Duration) {
    let half = time / 2;
    store.data_mut().deadline = Deadline { half, end: None };
    store.set_epoch_deadline(ticks(half));
}

/// How many ticks make up `time`: one more than fit, since the first may come at once.
fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(limits::EPOCH_TICK.as_nanos())).unwrap_or(u64::MAX - 1) + 1
}

fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or_default(), u32::try_from(now.tv_nsec).unwrap_or_default())
}
