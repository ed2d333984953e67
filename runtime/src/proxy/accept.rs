//! One listener of one worker. Connections beyond those that may be served at a time wait: one in hand, the others in
//! the kernel's queue.

use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use socket2::{SockFilter, SockRef};
use tokio::net::{TcpListener, UnixListener};

use super::connection;
use super::stream::Socket;
use super::worker::{ListenerId, Listening, Open, Queue, Worker};
use crate::limits;

/// A listening socket on the worker's event loop.
pub(super) enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The two ends of a connection. A unix socket has none with an address: both are 127.0.0.1, port 0, then.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
}

impl Acceptor {
    /// Take over a socket that was bound elsewhere.
    pub(super) fn new(socket: Listening) -> io::Result<Self> {
        match socket {
            Listening::Tcp(socket) => TcpListener::from_std(socket).map(Self::Tcp),
            Listening::Unix(socket) => UnixListener::from_std(socket).map(Self::Unix),
        }
    }

    /// Have the kernel ignore clients that begin to connect; they try again, elsewhere once this is closed. A classic BPF
    /// program: load the byte with TCP's flags (RFC 9293, section 3.1), drop what has SYN.
    fn admit_nobody(&self) -> io::Result<()> {
        const LOAD_BYTE: u16 = 0x30;
        const JUMP_IF_SET: u16 = 0x45;
        const RETURN: u16 = 0x06;
        const SYN: u32 = 0x02;
        match self {
            Self::Tcp(listener) => SockRef::from(listener).attach_filter(&[
                SockFilter::new(LOAD_BYTE, 0, 0, 13),
                SockFilter::new(JUMP_IF_SET, 0, 1, SYN),
                SockFilter::new(RETURN, 0, 0, 0),
                SockFilter::new(RETURN, 0, 0, u32::MAX),
            ]),
            Self::Unix(_) => Ok(()),
        }
    }

    async fn accept(&self) -> io::Result<(Socket, Ends)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let local = stream.local_addr()?;
                Ok((Socket::Tcp(stream), Ends { peer, local }))
            }
            Self::Unix(listener) => {
                const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
                let (stream, _) = listener.accept().await?;
                Ok((Socket::Unix(stream), Ends { peer: NOWHERE, local: NOWHERE }))
            }
        }
    }
}

/// Accept until it is closed. Errors are waited out: they never end the loop.
pub(super) async fn accept(worker: Rc<Worker>, id: ListenerId, listener: Acceptor, Open { closed, queue }: Open) {
    // What is still in the queue when the listener is gone from the configuration is served as before.
    let last = RefCell::new(None);
    let settings = || {
        let snapshot = worker.snapshot();
        if let Some(settings) = snapshot.listeners.get(&id) {
            *last.borrow_mut() = Some(Arc::clone(settings));
        }
        last.borrow().clone()
    };
    let serve = async |socket: Socket, ends: Ends| {
        // Waited for with the connection in hand, so that no listener sits on a permit. The semaphore is never closed.
        let (Ok(permit), Some(settings)) = (Arc::clone(&worker.permits).acquire_owned().await, settings()) else {
            return;
        };
        let serving = connection::serve(Rc::clone(&worker), settings, permit, socket, ends);
        worker.connections.spawn_local(serving);
    };
    settings();
    // A connection is either in the kernel's queue or in a task: none is lost between.
    while let Some(accepted) = closed.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((socket, ends)) => serve(socket, ends).await,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(limits::ACCEPT_BACKOFF).await;
            }
        }
        // The listener may be gone when the next one comes.
        settings();
    }
    if queue.get() == Queue::Others {
        return;
    }
    // Closing the socket would reset what is in the queue, or about to be, though those clients believe they are
    // connected. So nobody new gets into it, and who is on the way is waited for.
    if let Err(error) = listener.admit_nobody() {
        tracing::debug!(%error, "a listener that closes cannot turn clients away");
    }
    for _ in 0..limits::LISTEN_BACKLOG {
        match tokio::time::timeout(limits::LISTEN_LINGER, listener.accept()).await {
            Ok(Ok((socket, ends))) => serve(socket, ends).await,
            Ok(Err(_)) => {}
            Err(_) => return,
        }
    }
}
