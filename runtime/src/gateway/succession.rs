//! SIGUSR2: another process takes over. The gateway serves on as it is until that one does, and then drains; if that one
//! does not come to serve, nothing has happened.

use std::future::pending;

use super::Gateway;
use crate::handover::{Event, Successor};
use crate::proxy::worker::Order;

/// Why a gateway ends.
pub(super) enum End {
    /// It was told to.
    Told,
    /// Another process serves, all but the sockets of these numbers.
    HandedOver(Vec<usize>),
}

impl Gateway {
    /// Have another process take over, unless one is about to.
    pub(super) fn hand_over(&mut self) {
        if let Some(successor) = &self.successor {
            return tracing::warn!("SIGUSR2 ignored: process {} is about to take over", successor.id());
        }
        if std::process::id() == 1 {
            return tracing::error!(
                "SIGUSR2 ignored: this is process 1, and its container would end with it. Start another container, or run \
                 the gateway below an init (docker run --init)"
            );
        }
        let allowed = self.live.load().edge.limits.handover_timeout;
        let parcels = self.listeners.parcels().map_err(|error| format!("its sockets cannot be passed on: {error}"));
        match parcels.and_then(|parcels| Successor::start(&self.program, &parcels, allowed)) {
            Ok(successor) => {
                self.notify.reloading();
                tracing::info!(process = successor.id(), "handing over: this process serves until the new one does");
                self.successor = Some(successor);
            }
            Err(words) => tracing::error!("not handed over, this process keeps serving: {words}"),
        }
    }

    /// Go along with what has become of the other process.
    pub(super) async fn go_along(&mut self, event: Event) -> Option<End> {
        match event {
            Event::Ready => {
                let released = self.stock.sinks.hand_over().await;
                let successor = self.successor.as_ref()?;
                if let Err(words) = released.and_then(|()| successor.release().map_err(|error| error.to_string())) {
                    self.go_on(&words);
                }
                None
            }
            Event::Serving(unwanted) => {
                let process = self.successor.as_ref().map_or(0, Successor::id);
                self.successor.iter_mut().for_each(Successor::set_free);
                self.notify.handed_over(process);
                tracing::info!(process, "handed over");
                Some(End::HandedOver(unwanted))
            }
            Event::Failed(words) => {
                self.go_on(&words);
                None
            }
        }
    }

    /// The other process is not to be: take back what it was given.
    pub(super) fn go_on(&mut self, words: &str) {
        let Some(successor) = self.successor.take() else { return };
        tracing::error!(process = successor.id(), "not handed over, this process keeps serving: {words}");
        // Before anything is taken back, it is gone.
        drop(successor);
        if let Err(words) = self.stock.sinks.take_over() {
            tracing::error!("a disk buffer cannot be taken back, records wait beside it until the next start: {words}");
        }
        self.notify.ready("serving: the last handover has failed, see the log");
    }

    /// Leave everything that the other process has, and have clients go there with their next connection.
    pub(super) fn leave(&mut self, unwanted: &[usize]) {
        let left = self.listeners.leave(unwanted).into();
        self.workers.iter().for_each(|worker| worker.tell(Order::Leave(std::sync::Arc::clone(&left))));
        if let Some(admin) = &self.admin {
            admin.end.cancel();
        }
    }
}

/// What becomes of the other process, if there is one. Dropping this loses nothing.
pub(super) async fn next(successor: &mut Option<Successor>) -> Event {
    match successor {
        Some(successor) => successor.next().await,
        None => pending().await,
    }
}
