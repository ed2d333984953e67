//! How often one peer may ask, and guess tokens. Two buckets per peer, which fill up again with time; there is room for
//! so many peers.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::request::Peer;
use crate::limits;

/// What the peers of late have asked.
#[derive(Default)]
pub struct Pace {
    peers: Mutex<HashMap<Peer, Counted>>,
}

struct Counted {
    requests: Bucket,
    guesses: Bucket,
    seen: Instant,
}

/// Not before this many seconds have passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Later(pub u64);

impl Pace {
    /// Count a request of `peer`.
    ///
    /// # Errors
    /// It comes too soon.
    pub(super) fn request(&self, peer: Peer, now: Instant) -> Result<(), Later> {
        let (room, rate) = (limits::ADMIN_REQUESTS, limits::ADMIN_REQUESTS_PER_SECOND);
        self.counted(peer, now, |counted| counted.requests.take(room, rate, now))
    }

    /// Whether a token of `peer` is looked at.
    ///
    /// # Errors
    /// Not before some time has passed: there were too many wrong ones.
    pub(super) fn may_guess(&self, peer: Peer, now: Instant) -> Result<(), Later> {
        let (room, rate) = (limits::ADMIN_GUESSES, limits::ADMIN_GUESSES_PER_SECOND);
        self.counted(peer, now, |counted| counted.guesses.look(room, rate, now))
    }

    /// Count a wrong token of `peer`.
    pub(super) fn wrong_guess(&self, peer: Peer, now: Instant) {
        let (room, rate) = (limits::ADMIN_GUESSES, limits::ADMIN_GUESSES_PER_SECOND);
        // Whether there was still room has been asked before.
        let _ = self.counted(peer, now, |counted| counted.guesses.take(room, rate, now));
    }

    fn counted<T>(&self, peer: Peer, now: Instant, count: impl FnOnce(&mut Counted) -> T) -> T {
        // What has panicked in between has at most lost a count.
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = whose(peer);
        if peers.len() >= limits::ADMIN_PEERS && !peers.contains_key(&peer) {
            let quietest = peers.iter().min_by_key(|(_, counted)| counted.seen).map(|(peer, _)| *peer);
            quietest.and_then(|quietest| peers.remove(&quietest));
        }
        let counted = peers.entry(peer).or_insert_with(|| Counted {
            requests: Bucket::full(limits::ADMIN_REQUESTS, now),
            guesses: Bucket::full(limits::ADMIN_GUESSES, now),
            seen: now,
        });
        counted.seen = now;
        count(counted)
    }
}

/// A client with IPv6 has a whole network of addresses to ask from.
fn whose(peer: Peer) -> Peer {
    match peer {
        Peer::Address(IpAddr::V6(address)) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            Peer::Address(IpAddr::V6(Ipv6Addr::from_bits(network)))
        }
        other => other,
    }
}

struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn full(room: u32, now: Instant) -> Self {
        Self { left: room.into(), at: now }
    }

    fn look(&mut self, room: u32, per_second: u32, now: Instant) -> Result<(), Later> {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = f64::from(room).min(self.left + passed * f64::from(per_second));
        self.at = now;
        if self.left >= 1.0 {
            return Ok(());
        }
        let seconds = ((1.0 - self.left) / f64::from(per_second)).ceil();
        // From 1 to the number of seconds that one takes.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the bounds above")]
        Err(Later((seconds as u64).max(1)))
    }

    fn take(&mut self, room: u32, per_second: u32, now: Instant) -> Result<(), Later> {
        self.look(room, per_second, now)?;
        self.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn peer(address: &str) -> Peer {
        Peer::Address(address.parse().unwrap())
    }

    #[test]
    fn each_peer_has_its_requests_and_gets_them_back_with_time() {
        let (pace, now) = (Pace::default(), Instant::now());
        let (a, b) = (peer("10.0.0.1"), peer("10.0.0.2"));
        for _ in 0..limits::ADMIN_REQUESTS {
            pace.request(a, now).unwrap();
        }
        assert_eq!(pace.request(a, now), Err(Later(1)));
        pace.request(b, now).unwrap();
        pace.request(Peer::Socket, now).unwrap();
        let later = now + Duration::from_secs(1);
        let passed = (0..1_000).filter(|_| pace.request(a, later).is_ok()).count();
        assert_eq!(passed, limits::ADMIN_REQUESTS_PER_SECOND as usize);
        // However long nothing is asked, there is no more than the room.
        let much_later = now + Duration::from_secs(3600);
        let passed = (0..1_000).filter(|_| pace.request(a, much_later).is_ok()).count();
        assert_eq!(passed, limits::ADMIN_REQUESTS as usize);
    }

    #[test]
    fn wrong_tokens_are_slowed_by_network() {
        let (pace, now) = (Pace::default(), Instant::now());
        for guess in 0..limits::ADMIN_GUESSES {
            let address = peer(&format!("2001:db8::{guess}"));
            pace.may_guess(address, now).unwrap();
            pace.wrong_guess(address, now);
        }
        assert_eq!(pace.may_guess(peer("2001:db8::ffff"), now), Err(Later(1)));
        pace.may_guess(peer("2001:db8:0:1::1"), now).unwrap();
        pace.may_guess(peer("2001:db8::1"), now + Duration::from_secs(1)).unwrap();
        // Asking does not count.
        pace.may_guess(peer("2001:db8::1"), now + Duration::from_secs(1)).unwrap();
    }

    #[test]
    fn there_is_room_for_so_many_peers() {
        let (pace, now) = (Pace::default(), Instant::now());
        for number in 0..10_000_u32 {
            let address = Peer::Address(IpAddr::V4(number.into()));
            pace.request(address, now + Duration::from_millis(number.into())).unwrap();
        }
        assert_eq!(pace.peers.lock().unwrap().len(), limits::ADMIN_PEERS);
    }
}
