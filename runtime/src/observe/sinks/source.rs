//! Where a sink's task has its batches from: the queue, or the disk.

use super::batch::Batch;
use super::queue::Intake;
use super::spool::Reading;

pub(super) enum Source {
    Memory(Box<Intake>),
    Disk(Box<Reading>),
}

/// What comes of it.
pub(super) enum Next {
    Batch(Batch),
    /// Another sink delivers from now on, and sends again what is on its way.
    Handover,
    /// The disk does not do what it should.
    Failed(String),
    /// There will be no more.
    End,
}

impl Source {
    /// May be dropped: nothing is lost with it.
    pub(super) async fn next(&mut self) -> Next {
        match self {
            Self::Memory(intake) => intake.next().await.map_or(Next::End, Next::Batch),
            Self::Disk(reading) => reading.next().await,
        }
    }

    /// Whether what is not delivered now is delivered after the next start.
    pub(super) const fn keeps(&self) -> bool {
        matches!(self, Self::Disk(_))
    }

    /// Whether another sink is to go on with what this one has on its way.
    pub(super) fn is_superseded(&self) -> bool {
        match self {
            Self::Memory(_) => false,
            Self::Disk(reading) => reading.is_superseded(),
        }
    }

    /// Until it is so. May be dropped.
    pub(super) async fn superseded(&self) {
        match self {
            Self::Memory(_) => std::future::pending().await,
            Self::Disk(reading) => reading.superseded().await,
        }
    }

    /// Nothing more will be asked for.
    pub(super) async fn finish(&self) -> Result<(), String> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Disk(reading) => reading.finish().await,
        }
    }
}
