//! Something that a worker tells all of its connections once. Looking whether it has been told is a read, since every
//! connection looks whenever it is polled.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Told once, heard by everybody on this thread.
#[derive(Default)]
pub(super) struct Signal(Rc<Shared>);

#[derive(Default)]
struct Shared {
    told: Cell<bool>,
    waiting: RefCell<HashMap<u64, Waker>>,
    next: Cell<u64>,
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

    /// Ends when it is told. Has to stay with the task that polls it first.
    pub(super) fn wait(&self) -> Wait {
        Wait { shared: Rc::clone(&self.0), key: None }
    }
}

/// See [`Signal::wait`].
pub(super) struct Wait {
    shared: Rc<Shared>,
    key: Option<u64>,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.shared.told.get() {
            return Poll::Ready(());
        }
        if self.key.is_none() {
            let key = self.shared.next.get();
            self.shared.next.set(key + 1);
            self.shared.waiting.borrow_mut().insert(key, cx.waker().clone());
            self.key = Some(key);
        }
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.shared.waiting.borrow_mut().remove(&key);
        }
    }
}
