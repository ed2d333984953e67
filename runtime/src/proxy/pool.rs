//! A worker's idle connections to upstreams. They never leave their worker, so there is no lock and no hop.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use hyper::client::conn::http1::SendRequest;

use super::body::RequestBody;
use crate::config::values::Authority;
use crate::limits;

/// A connection that can take a request.
pub(super) type Sender = SendRequest<RequestBody>;

/// Idle connections by target, the one used last on top.
#[derive(Default)]
pub(super) struct Pool {
    idle: RefCell<HashMap<Arc<Authority>, Vec<Idle>>>,
}

struct Idle {
    sender: Sender,
    since: Instant,
}

impl Pool {
    /// The connection to `target` that was used last and is still good.
    pub(super) fn take(&self, target: &Arc<Authority>) -> Option<Sender> {
        let mut idle = self.idle.borrow_mut();
        let connections = idle.get_mut(target)?;
        while let Some(connection) = connections.pop() {
            if connection.sender.is_ready() && connection.since.elapsed() < limits::IDLE_CONNECTION_TIME {
                return Some(connection.sender);
            }
        }
        None
    }

    /// Close what has been idle for too long, or was closed by the other side.
    pub(super) fn sweep(&self) {
        self.idle.borrow_mut().retain(|_, connections| {
            connections.retain(|connection| {
                connection.sender.is_ready() && connection.since.elapsed() < limits::IDLE_CONNECTION_TIME
            });
            !connections.is_empty()
        });
    }

    fn put(&self, target: Arc<Authority>, sender: Sender) {
        let mut idle = self.idle.borrow_mut();
        let connections = idle.entry(target).or_default();
        if connections.len() < limits::IDLE_CONNECTIONS {
            connections.push(Idle { sender, since: Instant::now() });
        }
    }
}

/// A connection in use. Dropping it closes the connection; releasing it keeps it for the next request.
pub(super) struct Lease {
    sender: Sender,
    target: Arc<Authority>,
    pool: Rc<Pool>,
}

impl Lease {
    pub(super) fn new(sender: Sender, target: Arc<Authority>, pool: Rc<Pool>) -> Self {
        Self { sender, target, pool }
    }

    /// The response is over.
    pub(super) fn release(mut self) {
        if self.sender.is_ready() {
            return self.pool.put(self.target, self.sender);
        }
        // hyper may still have to notice, or to finish sending a request that was answered early. The task ends with
        // its deadline, and with its worker.
        tokio::task::spawn_local(async move {
            if let Ok(Ok(())) = tokio::time::timeout(limits::REUSE_WAIT, self.sender.ready()).await {
                self.pool.put(self.target, self.sender);
            }
        });
    }
}
