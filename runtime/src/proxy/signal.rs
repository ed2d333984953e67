//! Something that a worker tells all of its connections once. Looking whether it has been told is a read, since every
//! connection looks whenever it is polled.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Told once, heard by everybody on this thread.
#[derive(Default, Clone)]
pub(super) struct Signal(Rc<Shared>);

#[derive(Default)]
struct Shared {
    told: Cell<bool>,
    waiting: RefCell<HashMap<u64, Waker>>,
    next: Cell<u64>,
}

impl Shared {
    fn next_key(&self) -> u64 {
        let key = self.next.get();
        self.next.set(key + 1);
        key
    }
}

impl Signal {
    pub(super) fn tell(&self) {
        self.0.told.set(true);
        let waiting = std::mem::take(&mut *self.0.waiting.borrow_mut());
        waiting.into_values().for_each(Waker::wake);
    }

    pub(super) fn is_told(&self) -> bool {
        self.0.told.get()
    }

    /// Ends when it is told.
    pub(super) fn wait(&self) -> Wait {
        Wait { shared: Rc::clone(&self.0), registered: None }
    }
}

/// See [`Signal::wait`].
pub(super) struct Wait {
    shared: Rc<Shared>,
    /// Under which key, and for whom.
    registered: Option<(u64, Waker)>,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.shared.told.get() {
            return Poll::Ready(());
        }
        if self.registered.as_ref().is_none_or(|(_, waker)| !waker.will_wake(cx.waker())) {
            let key = self.registered.take().map_or_else(|| self.shared.next_key(), |(key, _)| key);
            self.shared.waiting.borrow_mut().insert(key, cx.waker().clone());
            self.registered = Some((key, cx.waker().clone()));
        }
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some((key, _)) = &self.registered {
            self.shared.waiting.borrow_mut().remove(key);
        }
    }
}
