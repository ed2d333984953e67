//! Places that exchanges hold while they are under way, so many at a time under a key. In: whose key, how many places
//! there are, how many may wait. Out: a place that is given back when it is dropped, or a turn in the queue. Exact among
//! all workers; what nobody holds and nobody waits for takes no memory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Space;
use super::shards::{Id, Shard, Shards};
use crate::limits;

/// All places of this process.
pub struct Places {
    lots: Shards<Lot>,
}

/// The places of one key.
#[derive(Default)]
struct Lot {
    held: u32,
    /// Who came first is at the front.
    queue: VecDeque<Waiter>,
    /// What the next one to wait is known by.
    next: u64,
}

struct Waiter {
    number: u64,
    /// Of how many places it wants one: a change of the configuration may have come in between.
    max: u32,
    granted: oneshot::Sender<()>,
}

/// A place that is held; dropping it gives it back.
pub struct Place {
    places: Arc<Places>,
    id: Id,
}

/// A turn in the queue for a place; dropping it leaves the queue.
pub struct Turn {
    places: Arc<Places>,
    id: Id,
    number: u64,
    granted: oneshot::Receiver<()>,
    /// There is nothing left to be undone.
    is_over: bool,
}

/// What became of the wish for a place.
pub enum Entry {
    /// Here it is.
    Held(Place),
    /// All are taken, and this is the turn.
    Queued(Turn),
    /// All are taken, and as many wait as may.
    Full,
}

/// Why nothing can be held.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// The key is longer than [`limits::PLACE_KEY_BYTES`].
    #[error("a place's key has up to {most} bytes, not {0}", most = limits::PLACE_KEY_BYTES)]
    KeyTooLong(usize),
    /// More than [`limits::PLACE_QUEUE`].
    #[error("up to {most} exchanges wait for a place, not {0}", most = limits::PLACE_QUEUE)]
    Queue(u32),
}

impl Default for Places {
    fn default() -> Self {
        Self { lots: Shards::new() }
    }
}

impl Places {
    /// Take one of `max` places under `key`, or a turn among up to `queue` that wait for one. Nobody overtakes those that
    /// wait already.
    ///
    /// # Errors
    /// The key is too long, or the queue.
    pub fn enter(self: &Arc<Self>, space: Space, key: &str, max: u32, queue: u32) -> Result<Entry, PlaceError> {
        if key.len() > limits::PLACE_KEY_BYTES {
            return Err(PlaceError::KeyTooLong(key.len()));
        }
        if queue > limits::PLACE_QUEUE {
            return Err(PlaceError::Queue(queue));
        }
        let id = self.lots.id(space, key.as_bytes());
        let mut shard = self.lots.lock(id);
        let Some(lot) = shard.get(id) else {
            let mut lot = Lot::default();
            let entry = self.enter_lot(id, &mut lot, max, queue);
            if !lot.is_empty() {
                shard.insert(id, lot);
            }
            return Ok(entry);
        };
        Ok(self.enter_lot(id, lot, max, queue))
    }

    fn enter_lot(self: &Arc<Self>, id: Id, lot: &mut Lot, max: u32, queue: u32) -> Entry {
        if lot.held < max && lot.queue.is_empty() {
            lot.held += 1;
            return Entry::Held(Place { places: Arc::clone(self), id });
        }
        if lot.queue.len() >= usize::try_from(queue).unwrap_or(usize::MAX) {
            return Entry::Full;
        }
        let (granted, receiver) = oneshot::channel();
        let number = lot.next;
        lot.next += 1;
        lot.queue.push_back(Waiter { number, max, granted });
        Entry::Queued(Turn { places: Arc::clone(self), id, number, granted: receiver, is_over: false })
    }

    /// Give a place back, and to who is next.
    fn release(&self, id: Id) {
        self.change(id, |lot| lot.held = lot.held.saturating_sub(1));
    }

    /// Leave the queue; whether that came too late, because the place is there.
    fn leave(&self, id: Id, number: u64) -> Left {
        let mut left = Left::WithPlace;
        self.change(id, |lot| {
            if let Some(at) = lot.queue.iter().position(|waiter| waiter.number == number) {
                lot.queue.remove(at);
                left = Left::WithNothing;
            }
        });
        left
    }

    /// Change the places of `id`, and give those that are free to who waits.
    fn change(&self, id: Id, change: impl FnOnce(&mut Lot)) {
        let mut shard = self.lots.lock(id);
        let Some(lot) = shard.get(id) else { return };
        change(lot);
        let granted = lot.grant();
        forget_if_empty(&mut shard, id);
        drop(shard);
        for waiter in granted {
            // Who has gone away meanwhile finds the place when leaving, and gives it back.
            let _ = waiter.send(());
        }
    }

    /// Keys with places that are held or waited for.
    #[cfg(test)]
    fn keys(&self) -> usize {
        self.lots.each().map(|shard| super::shards::lock(shard).len()).sum()
    }
}

/// How somebody left the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    WithPlace,
    WithNothing,
}

fn forget_if_empty(shard: &mut Shard<Lot>, id: Id) {
    if shard.get(id).is_some_and(|lot| lot.is_empty()) {
        shard.remove(id);
    }
}

impl Lot {
    fn is_empty(&self) -> bool {
        self.held == 0 && self.queue.is_empty()
    }

    /// Those at the front for whom there is a place now; from here on, they hold it.
    fn grant(&mut self) -> Vec<oneshot::Sender<()>> {
        let mut granted = Vec::new();
        while let Some(waiter) = self.queue.pop_front_if(|waiter| self.held < waiter.max) {
            self.held += 1;
            granted.push(waiter.granted);
        }
        granted
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.release(self.id);
    }
}

impl Turn {
    /// Wait for the place for as long as `wait`; `None` if that was in vain. Dropping the future leaves the queue.
    pub async fn place(mut self, wait: Duration) -> Option<Place> {
        let granted = timeout(wait, &mut self.granted).await;
        self.is_over = true;
        let place = || Place { places: Arc::clone(&self.places), id: self.id };
        match granted {
            Ok(Ok(())) => Some(place()),
            // It may have been granted at the very end.
            _ => (self.places.leave(self.id, self.number) == Left::WithPlace).then(place),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_over && self.places.leave(self.id, self.number) == Left::WithPlace {
            self.places.release(self.id);
        }
    }
}

#[cfg(test)]
mod tests;
