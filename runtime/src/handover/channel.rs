//! Messages between two processes of the gateway, over a pair of sockets that keeps them apart: JSON, with listening
//! sockets beside it. Versions may differ by what they do not know: such a message is refused, and nothing changes.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::limits::{HANDOVER_MESSAGE, HANDOVER_SOCKETS};
use crate::listeners::inherited::Label;

/// What the old process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToNew {
    /// These sockets are on this address; there may be several messages with the same number.
    Sockets(Label),
    /// That was all of them.
    AllSockets,
    /// The disk buffers are yours.
    Released,
}

/// What the new one says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToOld {
    /// The configuration is sound, plugins are loaded: the disk buffers are all that is missing.
    Ready,
    /// It accepts from all sockets but those of these numbers.
    Serving { unwanted: Vec<usize> },
    /// It cannot, and ends.
    Failed(String),
}

/// The two ends.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Send a message with at most [`HANDOVER_SOCKETS`] sockets. Does not wait: all that is ever said fits.
pub(super) fn send(end: impl AsFd, message: &impl Serialize, sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(HANDOVER_SOCKETS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if text.len() > HANDOVER_MESSAGE || !sockets.is_empty() && !control.push(SendAncillaryMessage::ScmRights(sockets)) {
        return Err(io::Error::other("the message is too long"));
    }
    sendmsg(end, &[IoSlice::new(&text)], &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
    Ok(())
}

/// The next message, as long as the socket waits for one; `None` if the other process is gone.
pub(super) fn receive<M: DeserializeOwned>(end: impl AsFd) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
    let mut text = vec![0; HANDOVER_MESSAGE];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(HANDOVER_SOCKETS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(end, &mut [IoSliceMut::new(&mut text)], &mut control, RecvFlags::CMSG_CLOEXEC);
    let received = match received {
        Ok(received) if received.bytes == 0 => return Ok(None),
        Ok(received) => received,
        // It has ended with something unread.
        Err(rustix::io::Errno::CONNRESET) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(io::Error::other("a message did not arrive whole: may enough files be open?"));
    }
    let mut sockets = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            sockets.extend(passed);
        }
    }
    let text = text.get(..received.bytes).unwrap_or_default();
    Ok(Some((serde_json::from_slice(text)?, sockets)))
}
