//! Listening sockets that somebody else has opened: systemd, which says so in the environment, or the process that this
//! one takes over from. Each is looked for by the address it was opened for.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;
use serde::{Deserialize, Serialize};
use socket2::{Domain, SockRef, Type};

use crate::config::values::Bind;
use crate::proxy::worker::{Listening, Queue};

/// What others have opened. What systemd has stays here for good: the configuration may come to name it, or cease to.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    parcels: Vec<Parcel>,
    /// Addresses that only systemd listens on, as was said.
    idle: Vec<String>,
}

/// All sockets of one address.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) label: Label,
    pub(crate) sockets: Vec<Listening>,
}

/// What is known of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Label {
    /// Tells it from the others that were passed on.
    pub(crate) number: usize,
    /// As the configuration had it: port 0 is 0 here.
    pub(crate) address: String,
    pub(crate) purpose: Purpose,
    pub(crate) keeper: Keeper,
}

/// What they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// One of `[[listeners]]`.
    Clients,
    /// `admin.address`.
    Admin,
    /// Whichever has the address.
    Any,
}

/// Who has them open besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Keeper {
    /// Nobody.
    Us,
    /// systemd, beyond the end of this process: clients that come then wait for the next one.
    Systemd,
}

impl Keeper {
    pub(crate) const fn queue(self) -> Queue {
        match self {
            Self::Us => Queue::Ours,
            Self::Systemd => Queue::Others,
        }
    }
}

impl Inherited {
    /// What systemd passes (`LISTEN_FDS` and the like, sd_listen_fds(3)). What is no listening socket is said, and left
    /// alone.
    pub(crate) fn from_systemd() -> Self {
        let ours = std::env::var("LISTEN_PID").is_ok_and(|process| process == std::process::id().to_string());
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        // It takes the variables away, for whom they may be.
        let mut passed = ListenFd::from_env();
        if !ours {
            return Self::default();
        }
        let mut parcels = Vec::new();
        for (index, name) in (0..passed.len()).zip(names.split(':').chain(std::iter::repeat(""))) {
            match take(&mut passed, index) {
                Ok((address, socket)) => {
                    let label = Label { number: index, address, purpose: Purpose::Any, keeper: Keeper::Systemd };
                    parcels.push(Parcel { label, sockets: vec![socket] });
                }
                Err(problem) => {
                    let descriptor = index + 3;
                    tracing::error!(
                        "descriptor {descriptor} (\"{name}\") that systemd has passed is not served: {problem}. The unit \
                         needs ListenStream= with an address of `[[listeners]]`, and Accept=no"
                    );
                }
            }
        }
        Self::from_predecessor(parcels)
    }

    /// What the process before has passed.
    pub(crate) const fn from_predecessor(parcels: Vec<Parcel>) -> Self {
        Self { parcels, idle: Vec::new() }
    }

    /// The sockets for this address and purpose, if anybody has opened some.
    ///
    /// # Errors
    /// No more files may be open.
    pub(crate) fn take(&mut self, address: &Bind, purpose: Purpose) -> io::Result<Option<Parcel>> {
        let address = address.to_string();
        let fits = |parcel: &Parcel| {
            parcel.label.address == address && [purpose, Purpose::Any].contains(&parcel.label.purpose)
        };
        let Some(at) = self.parcels.iter().position(fits) else { return Ok(None) };
        match self.parcels.get(at) {
            Some(parcel) if parcel.label.keeper == Keeper::Systemd => parcel.again().map(Some),
            _ => Ok(Some(self.parcels.remove(at))),
        }
    }

    /// What is still here.
    pub(crate) fn parcels(&self) -> &[Parcel] {
        &self.parcels
    }

    /// Say which addresses nobody serves any more, now that `used` are served, and let go of what only this process and
    /// the one before have: that one lets nobody in there any more, and serves who is.
    pub(crate) fn settle(&mut self, used: &[String]) {
        for gone in self.parcels.extract_if(.., |parcel| parcel.label.keeper == Keeper::Us) {
            tracing::info!(address = %gone.label.address, "not in the configuration any more: closed");
        }
        let systemds = self.parcels.iter().map(|parcel| &parcel.label.address);
        let idle: Vec<_> = systemds.filter(|address| !used.contains(address)).cloned().collect();
        for address in idle.iter().filter(|address| !self.idle.contains(address)) {
            tracing::warn!(
                "systemd has opened {address}, which is neither in `[[listeners]]` nor `admin.address`: its clients wait \
                 in vain. List it, or take it out of the socket unit{}",
                hint(address)
            );
        }
        self.idle = idle;
    }
}

impl Parcel {
    /// The same sockets once more.
    ///
    /// # Errors
    /// No more files may be open.
    pub(crate) fn again(&self) -> io::Result<Self> {
        let sockets = self.sockets.iter().map(Listening::try_clone).collect::<io::Result<_>>()?;
        Ok(Self { label: self.label.clone(), sockets })
    }
}

/// `ListenStream=8000` means this, which few expect.
fn hint(address: &str) -> &'static str {
    if address.starts_with("[::]:") { " (ListenStream= with a port alone means [::], not 0.0.0.0)" } else { "" }
}

/// One descriptor, and the address that it has as `[[listeners]]` would name it.
fn take(passed: &mut ListenFd, index: usize) -> Result<(String, Listening), String> {
    let words = |error: io::Error| error.to_string();
    let socket = match passed.take_tcp_listener(index) {
        Ok(socket) => Listening::Tcp(socket.ok_or("it was taken already")?),
        Err(_) => match passed.take_unix_listener(index) {
            Ok(socket) => Listening::Unix(socket.ok_or("it was taken already")?),
            Err(_) => return Err("it is neither a TCP nor a unix stream socket".to_owned()),
        },
    };
    if !SockRef::from(&socket).is_listener().map_err(words)? {
        return Err("it does not listen".to_owned());
    }
    let address = match &socket {
        Listening::Tcp(socket) => socket.local_addr().map_err(words)?.to_string(),
        Listening::Unix(socket) => {
            let address = socket.local_addr().map_err(words)?;
            let path = address.as_pathname().ok_or("it is a unix socket without a path")?;
            format!("unix:{}", path.display())
        }
    };
    Ok((address, socket))
}

/// A socket that came from another process, as what it is.
pub(crate) fn recognise(descriptor: OwnedFd) -> io::Result<Listening> {
    let socket = SockRef::from(&descriptor);
    if socket.r#type()? != Type::STREAM || !socket.is_listener()? {
        return Err(io::Error::other("what was passed on is no listening socket"));
    }
    let domain = socket.domain()?;
    Ok(if domain == Domain::UNIX {
        Listening::Unix(UnixListener::from(descriptor))
    } else {
        Listening::Tcp(TcpListener::from(descriptor))
    })
}
