//! The process that is to take over, as seen by the one that serves. Nothing is given up for it until it says that it is
//! ready, and it is killed if it does not come to serve.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as Socket;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout_at};

use super::channel::{self, ToNew, ToOld};
use super::{Program, VARIABLE};
use crate::limits;
use crate::listeners::inherited::Parcel;

/// A process on its way. Dropped before it serves, it is killed.
pub(crate) struct Successor {
    /// `None` once it serves.
    child: Option<Child>,
    /// Its end is open for as long as this process lives: the other may wait for that.
    channel: UnixStream,
    allowed: Duration,
    deadline: Instant,
}

/// What has become of it.
#[derive(Debug)]
pub(crate) enum Event {
    /// It waits for the disk buffers.
    Ready,
    /// It accepts from all sockets but those of these numbers.
    Serving(Vec<usize>),
    /// It will not, for this reason.
    Failed(String),
}

impl Successor {
    /// Start it, with all that is listened on; it is `allowed` this long to serve.
    ///
    /// # Errors
    /// It cannot be started, for this reason.
    pub(crate) fn start(program: &Program, parcels: &[Parcel], allowed: Duration) -> Result<Self, String> {
        let mut command = program.command().ok_or("the path of the executable is not known")?;
        let words = |error: io::Error| error.to_string();
        let (ours, theirs) = channel::pair().map_err(words)?;
        pass(&ours, parcels).map_err(|error| format!("its sockets cannot be passed on: {error}"))?;
        // What is systemd's for this process alone is not for the next.
        for variable in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] {
            command.env_remove(variable);
        }
        command.env(VARIABLE, std::process::id().to_string()).stdin(Stdio::from(theirs));
        let shown = || program.path().unwrap_or("tidegate".as_ref()).display().to_string();
        // It is waited for like a stream, and read message by message.
        let ours = Socket::from(ours);
        let channel = ours.set_nonblocking(true).and_then(|()| UnixStream::from_std(ours)).map_err(words)?;
        let child = command.spawn().map_err(|error| format!("{} cannot be started: {error}", shown()))?;
        Ok(Self { child: Some(child), channel, allowed, deadline: Instant::now() + allowed })
    }

    /// Its process id, until it serves.
    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// The next thing that becomes of it. Dropping this loses nothing.
    pub(crate) async fn next(&mut self) -> Event {
        let Ok(message) = timeout_at(self.deadline, self.receive()).await else {
            let allowed = self.allowed;
            return Event::Failed(format!(
                "it did not serve within {allowed:?}: see what it has said so far, or raise `limits.handover_timeout`"
            ));
        };
        match message {
            Ok(Some(ToOld::Ready)) => Event::Ready,
            Ok(Some(ToOld::Serving { unwanted })) => Event::Serving(unwanted),
            Ok(Some(ToOld::Failed(words))) => Event::Failed(words),
            Ok(None) => Event::Failed(self.end().await),
            Err(error) => Event::Failed(format!("what it says cannot be understood: {error}")),
        }
    }

    /// Tell it that the disk buffers are its own.
    pub(crate) fn release(&self) -> io::Result<()> {
        channel::send(&self.channel, &ToNew::Released, &[])
    }

    /// It serves: it lives on, whatever becomes of this process.
    pub(crate) fn set_free(&mut self) {
        self.child = None;
    }

    async fn receive(&self) -> io::Result<Option<ToOld>> {
        loop {
            self.channel.readable().await?;
            match self.channel.try_io(Interest::READABLE, || channel::receive(&self.channel)) {
                // The readiness was that of the message before.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                received => return Ok(received?.map(|(message, _)| message)),
            }
        }
    }

    /// How it has ended, of which its end of the channel knows a moment before.
    async fn end(&mut self) -> String {
        while let Some(child) = &mut self.child
            && Instant::now() < self.deadline
        {
            match child.try_wait() {
                Ok(Some(status)) => return ended(status),
                Ok(None) => sleep(limits::HANDOVER_LOOK).await,
                Err(error) => return error.to_string(),
            }
        }
        "it has closed its standard input".to_owned()
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn pass(channel: &OwnedFd, parcels: &[Parcel]) -> io::Result<()> {
    for parcel in parcels {
        for sockets in parcel.sockets.chunks(limits::HANDOVER_SOCKETS) {
            let sockets: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
            channel::send(channel, &ToNew::Sockets(parcel.label.clone()), &sockets)?;
        }
    }
    channel::send(channel, &ToNew::AllSockets, &[])
}

fn ended(status: ExitStatus) -> String {
    match status.signal() {
        Some(signal) => format!("it was ended by signal {signal} before it served"),
        None => format!("it ended before it served, with {status}: what it said is in the lines before, if anything"),
    }
}
