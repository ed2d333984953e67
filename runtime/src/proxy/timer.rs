//! A timer that many waits share, one after another. Once set, it goes on by itself while they come and go, and is looked
//! at when it has fired: what does not last long never touches it.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// See the module.
#[derive(Default)]
pub(super) struct Timer(Option<Set>);

struct Set {
    sleep: Pin<Box<Sleep>>,
    /// Whom it wakes.
    waker: Waker,
}

impl Timer {
    /// Ready once it is `deadline`. The task that asks is woken then, or before.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let Set { sleep, waker } = match &mut self.0 {
            Some(set) if set.will_wake(cx, deadline) => return Poll::Pending,
            Some(set) => set,
            none => none.insert(Set { sleep: Box::pin(sleep_until(deadline)), waker: cx.waker().clone() }),
        };
        waker.clone_from(cx.waker());
        loop {
            if sleep.deadline() > deadline {
                sleep.as_mut().reset(deadline);
            }
            // Whatever else this task has done in its turn, the time is looked at, and the next look will find it set.
            ready!(pin!(unconstrained(sleep.as_mut())).poll(cx));
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            // It was set for an earlier wait.
            sleep.as_mut().reset(deadline);
        }
    }
}

impl Set {
    /// Whether it is on its way to wake this task in time.
    fn will_wake(&self, cx: &Context<'_>, deadline: Instant) -> bool {
        self.sleep.deadline() <= deadline && !self.sleep.is_elapsed() && self.waker.will_wake(cx.waker())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    #[test]
    fn it_is_in_time_whatever_it_was_set_for_before() {
        run(async {
            let mut timer = Timer::default();
            let now = Instant::now();
            let at = |milliseconds| now + Duration::from_millis(milliseconds);
            // Waits that end before their time, a later deadline, an earlier one, and one that has passed.
            for (given_up, deadline) in [(true, 30), (false, 60), (true, 5_000), (false, 120), (false, 20)] {
                if given_up {
                    let ready = poll_fn(|cx| Poll::Ready(timer.poll(cx, at(deadline)).is_ready())).await;
                    assert!(!ready, "{deadline}");
                } else {
                    poll_fn(|cx| timer.poll(cx, at(deadline))).await;
                    assert!(Instant::now() >= at(deadline), "{deadline}");
                    assert!(Instant::now() < at(2_000), "{deadline}");
                }
            }
        });
    }

    #[test]
    fn another_task_is_woken_by_it_too() {
        run(async {
            let mut timer = Timer::default();
            let deadline = Instant::now() + Duration::from_millis(40);
            let mut nobody = Context::from_waker(Waker::noop());
            assert!(timer.poll(&mut nobody, deadline).is_pending());
            poll_fn(|cx| timer.poll(cx, deadline)).await;
            assert!(Instant::now() >= deadline);
        });
    }
}
