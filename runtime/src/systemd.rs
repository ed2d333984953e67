//! What systemd is told, if it wants to know (`Type=notify`, sd_notify(3)): a datagram for each change of state. Whoever
//! else sets `NOTIFY_SOCKET` is told the same.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::time::{ClockId, clock_gettime};

/// Who waits to be told.
#[derive(Debug)]
pub(crate) struct Notify(Option<(UnixDatagram, SocketAddr)>);

impl Notify {
    /// Whoever the environment names. One that cannot be told is said to be so, and is told nothing.
    pub(crate) fn from_environment() -> Self {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return Self(None) };
        let opened = address(&name).and_then(|address| Ok((UnixDatagram::unbound()?, address)));
        match opened {
            Ok((socket, address)) => {
                // The gateway is not held up by one that does not read.
                let socket = socket.set_nonblocking(true).map(|()| socket);
                Self(socket.ok().map(|socket| (socket, address)))
            }
            Err(error) => {
                tracing::warn!(%error, "NOTIFY_SOCKET ({}) cannot be told anything", name.display());
                Self(None)
            }
        }
    }

    /// This process serves, or serves again what it is to serve.
    pub(crate) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={}", line(status)));
    }

    /// It is about to change what it serves.
    pub(crate) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let microseconds = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    /// It ends.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=draining");
    }

    /// Another process serves in its place.
    pub(crate) fn handed_over(&self, process: u32) {
        self.tell(&format!("MAINPID={process}\nREADY=1\nSTATUS=serving"));
    }

    fn tell(&self, state: &str) {
        let Some((socket, address)) = &self.0 else { return };
        if let Err(error) = socket.send_to_addr(state.as_bytes(), address) {
            tracing::debug!(%error, state, "NOTIFY_SOCKET was not told");
        }
    }
}

/// A path, or a name that is in no folder.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes().split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(name),
    }
}

/// A line ends where another variable begins.
fn line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_names_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let hidden = format!("@tidegate-test-{}", std::process::id());
        for name in [path.as_os_str(), OsStr::new(&hidden)] {
            let address = address(name).unwrap();
            let systemd = UnixDatagram::bind_addr(&address).unwrap();
            let notify = Notify(Some((UnixDatagram::unbound().unwrap(), address)));
            notify.ready("refused: one\nMAINPID=1");
            notify.handed_over(4711);
            let mut told = [0; 100];
            let length = systemd.recv(&mut told).unwrap();
            assert_eq!(&told[..length], b"READY=1\nSTATUS=refused: one");
            let length = systemd.recv(&mut told).unwrap();
            assert_eq!(&told[..length], b"MAINPID=4711\nREADY=1\nSTATUS=serving");
        }
        Notify(None).stopping();
    }
}
