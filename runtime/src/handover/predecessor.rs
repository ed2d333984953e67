//! The process that this one takes over from, if there is one, and the sockets that it, or systemd, has opened before.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::Context;
use socket2::SockRef;

use super::VARIABLE;
use super::channel::{self, ToNew, ToOld};
use crate::config::Report;
use crate::limits;
use crate::listeners::inherited::{Inherited, Parcel, recognise};
use crate::observe::sinks::Deliveries;

/// How this process has come to be.
#[derive(Debug, Default)]
pub struct Arrival {
    predecessor: Option<OwnedFd>,
    inherited: Inherited,
}

impl Arrival {
    /// Look for who was there before. To be called once, before this process starts any other.
    ///
    /// # Errors
    /// There is a predecessor, and it cannot be understood.
    pub fn find() -> anyhow::Result<Self> {
        let Ok(process) = std::env::var(VARIABLE) else {
            return Ok(Self { predecessor: None, inherited: Inherited::from_systemd() });
        };
        let refused = |error: io::Error| {
            anyhow::anyhow!("process {process} ({VARIABLE}) does not hand over as this version expects: {error}")
        };
        let channel = take_channel().map_err(refused)?;
        let parcels = receive_sockets(&channel).map_err(refused)?;
        tracing::info!(
            sockets = parcels.iter().map(|parcel| parcel.sockets.len()).sum::<usize>(),
            process,
            "taking over"
        );
        Ok(Self { predecessor: Some(channel), inherited: Inherited::from_predecessor(parcels) })
    }

    /// The sockets that there were.
    pub(crate) fn sockets(&mut self) -> Inherited {
        std::mem::take(&mut self.inherited)
    }

    /// Sinks, which have no disk buffers yet if another process does.
    pub(crate) fn sinks(&self, deliveries: Deliveries) -> Deliveries {
        if self.predecessor.is_some() { deliveries.while_they_are_anothers() } else { deliveries }
    }

    /// All is ready but the disk buffers: have them handed over.
    ///
    /// # Errors
    /// They are not to be had.
    pub(crate) fn take_disk_buffers(&self, sinks: &mut Deliveries) -> anyhow::Result<()> {
        let Some(channel) = &self.predecessor else { return Ok(()) };
        // Without an answer it has ended, and they are free.
        if channel::send(channel, &ToOld::Ready, &[]).is_ok() {
            let answer = channel::receive(channel).context("the process before does not leave the disk buffers")?;
            match answer {
                Some((ToNew::Released, _)) | None => {}
                Some(_) => anyhow::bail!("the process before did not say that the disk buffers are free"),
            }
        }
        sinks.take_over().map_err(anyhow::Error::msg)
    }

    /// Say that this process serves all that there was but the sockets of these numbers. Whether there is anybody to say
    /// it to, who will tell systemd.
    pub(crate) fn serving(&self, unwanted: Vec<usize>) -> bool {
        let Some(channel) = &self.predecessor else { return false };
        channel::send(channel, &ToOld::Serving { unwanted }, &[]).is_ok()
    }

    /// Say why this process does not come to serve.
    pub fn failed(&self, error: &anyhow::Error) {
        let Some(channel) = &self.predecessor else { return };
        let mut words = match error.downcast_ref::<Report>() {
            Some(report) => report.to_string(),
            None => format!("{error:#}"),
        };
        // JSON may make two bytes of one, or six of one that nobody writes.
        words.truncate(words.floor_char_boundary(limits::HANDOVER_MESSAGE / 8));
        if let Err(error) = channel::send(channel, &ToOld::Failed(words), &[]) {
            tracing::debug!(%error, "the process before does not hear why");
        }
    }
}

/// It is the standard input, which is nothing from now on.
fn take_channel() -> io::Result<OwnedFd> {
    let channel = io::stdin().as_fd().try_clone_to_owned()?;
    if SockRef::from(&channel).r#type()? != socket2::Type::SEQPACKET {
        return Err(io::Error::other("its standard input is no channel"));
    }
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    SockRef::from(&channel).set_read_timeout(Some(limits::HANDOVER_ANSWER))?;
    Ok(channel)
}

fn receive_sockets(channel: &OwnedFd) -> io::Result<Vec<Parcel>> {
    let mut parcels: Vec<Parcel> = Vec::new();
    loop {
        let Some((message, sockets)) = channel::receive(channel)? else {
            return Err(io::Error::other("it is gone"));
        };
        let label = match message {
            ToNew::Sockets(label) => label,
            ToNew::AllSockets => return Ok(parcels),
            ToNew::Released => return Err(io::Error::other("it did not say which sockets there are")),
        };
        let mut sockets = sockets.into_iter().map(recognise).collect::<io::Result<Vec<_>>>()?;
        match parcels.last_mut().filter(|last| last.label == label) {
            Some(last) => last.sockets.append(&mut sockets),
            None => parcels.push(Parcel { label, sockets }),
        }
    }
}
