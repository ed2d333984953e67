//! What each sink counts. Its task writes most of it; workers write only what they were refused.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The records of one sink; of all sinks of that name, since there may be an old one that still delivers.
#[derive(Debug)]
pub struct SinkMetrics {
    pub(super) name: Arc<str>,
    records: AtomicU64,
    bytes: AtomicU64,
    retries: AtomicU64,
    /// By [`Dropped`].
    dropped: [AtomicU64; Dropped::ALL.len()],
    buffers: Mutex<Vec<Weak<AtomicUsize>>>,
    disks: Mutex<Vec<Weak<AtomicUsize>>>,
}

/// Why a record is not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// There was no room in the buffer, or the sink was closed already.
    Full,
    /// It is larger than the buffer, or than a datagram.
    TooLarge,
    /// The peer does not want it.
    Refused,
    /// It was tried for as long as it may be, or the gateway stopped.
    GaveUp,
    /// It was damaged on the disk. One for each stretch: nobody knows how many records were in it.
    Damaged,
}

impl Dropped {
    /// All there are, as they are numbered.
    pub(super) const ALL: [Self; 5] = [Self::Full, Self::TooLarge, Self::Refused, Self::GaveUp, Self::Damaged];

    /// As metrics show it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::TooLarge => "too_large",
            Self::Refused => "refused",
            Self::GaveUp => "gave_up",
            Self::Damaged => "damaged",
        }
    }
}

impl SinkMetrics {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            dropped: Default::default(),
            buffers: Mutex::default(),
            disks: Mutex::default(),
        }
    }

    /// So many records have been delivered, as so many bytes.
    pub fn deliver(&self, records: u64, bytes: u64) {
        self.records.fetch_add(records, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many records will not be delivered.
    pub fn drop_records(&self, reason: Dropped, records: u64) {
        if let Some(count) = self.dropped.get(reason as usize) {
            count.fetch_add(records, Ordering::Relaxed);
        }
    }

    /// A delivery is tried again.
    pub fn retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// The bytes of one more buffer, which are shown as long as somebody else has this.
    pub fn buffer(&self) -> Arc<AtomicUsize> {
        let buffer = Arc::new(AtomicUsize::new(0));
        show(&self.buffers, &buffer);
        buffer
    }

    /// Show `held`, the bytes of a disk buffer, likewise. Two sinks of the same name may have the same one.
    pub fn disk(&self, held: &Arc<AtomicUsize>) {
        show(&self.disks, held);
    }

    /// Records that were delivered.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Bytes of them.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Deliveries that were tried again.
    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Records that were not delivered for this reason.
    pub fn dropped(&self, reason: Dropped) -> u64 {
        self.dropped.get(reason as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Bytes that are kept in memory.
    pub fn buffered(&self) -> u64 {
        sum(&self.buffers)
    }

    /// Bytes that are kept on disks, or will be written to one.
    pub fn on_disk(&self) -> u64 {
        sum(&self.disks)
    }
}

fn show(list: &Mutex<Vec<Weak<AtomicUsize>>>, one: &Arc<AtomicUsize>) {
    let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
    list.retain(|shown| shown.strong_count() > 0 && !std::ptr::eq(shown.as_ptr(), Arc::as_ptr(one)));
    list.push(Arc::downgrade(one));
}

fn sum(list: &Mutex<Vec<Weak<AtomicUsize>>>) -> u64 {
    let list = list.lock().unwrap_or_else(PoisonError::into_inner);
    list.iter().filter_map(Weak::upgrade).map(|one| one.load(Ordering::Relaxed) as u64).sum()
}
