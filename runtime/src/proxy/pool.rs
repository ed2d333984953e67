//! A worker's idle connections to upstreams. They never leave their worker, so there is no lock and no hop.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use hyper::client::conn::http1::SendRequest;
use tokio::task::AbortHandle;

use super::body::RequestBody;
use crate::config::values::Authority;
use crate::limits;

/// A connection that can take a request. Dropping it closes it, whatever is still on its way.
pub(super) struct Connection {
    sender: SendRequest<RequestBody>,
    driver: AbortHandle,
}

impl Connection {
    /// A connection that `driver` moves along.
    pub(super) fn new(sender: SendRequest<RequestBody>, driver: AbortHandle) -> Self {
        Self { sender, driver }
    }

    pub(super) fn sender(&mut self) -> &mut SendRequest<RequestBody> {
        &mut self.sender
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Idle connections by target, the one used last on top.
#[derive(Default)]
pub(super) struct Pool {
    idle: RefCell<HashMap<Arc<Authority>, Vec<Idle>>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Idle {
    fn is_good(&self) -> bool {
        self.connection.sender.is_ready() && self.since.elapsed() < limits::IDLE_CONNECTION_TIME
    }
}

impl Pool {
    /// The connection to `target` that was used last and is still good.
    pub(super) fn take(&self, target: &Arc<Authority>) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        let connections = idle.get_mut(target)?;
        while let Some(idle) = connections.pop() {
            if idle.is_good() {
                return Some(idle.connection);
            }
        }
        None
    }

    /// Close what has been idle for too long, or was closed by the other side.
    pub(super) fn sweep(&self) {
        self.idle.borrow_mut().retain(|_, connections| {
            connections.retain(Idle::is_good);
            !connections.is_empty()
        });
    }

    fn put(&self, target: Arc<Authority>, connection: Connection) {
        let mut idle = self.idle.borrow_mut();
        let connections = idle.entry(target).or_default();
        if connections.len() < limits::IDLE_CONNECTIONS {
            connections.push(Idle { connection, since: Instant::now() });
        }
    }
}

/// A connection in use. Dropping it closes the connection; releasing it keeps it for the next request.
pub(super) struct Lease {
    connection: Connection,
    target: Arc<Authority>,
    pool: Rc<Pool>,
}

impl Lease {
    pub(super) fn new(connection: Connection, target: Arc<Authority>, pool: Rc<Pool>) -> Self {
        Self { connection, target, pool }
    }

    /// Whom the connection is to.
    pub(super) fn target(&self) -> &Authority {
        &self.target
    }

    /// The response is over.
    pub(super) fn release(mut self) {
        if self.connection.sender.is_ready() {
            return self.pool.put(self.target, self.connection);
        }
        // hyper may still have to notice, or to finish sending a request that was answered early. The task ends with
        // its deadline, and with its worker.
        tokio::task::spawn_local(async move {
            if let Ok(Ok(())) = tokio::time::timeout(limits::REUSE_WAIT, self.connection.sender.ready()).await {
                self.pool.put(self.target, self.connection);
            }
        });
    }
}
