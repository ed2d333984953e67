//! The threads that verify passwords, so that no worker is held up. In: a hash and a password, from any worker. Out: a
//! verdict, or that too many wait already.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::{PasswordError, Stored, Verdict, check_password};
use crate::limits;

/// A few threads and a queue in front of them. Dropping it waits for the passwords under way.
pub struct Passwords {
    /// `None` once it ends.
    queue: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

struct Job {
    stored: Stored,
    password: Box<[u8]>,
    reply: oneshot::Sender<Result<Verdict, PasswordError>>,
}

impl Passwords {
    /// Start the threads: one per core, up to [`limits::PASSWORD_THREADS`].
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start() -> io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with(cores.min(limits::PASSWORD_THREADS), limits::PASSWORDS_WAITING)
    }

    pub(super) fn with(threads: usize, waiting: usize) -> io::Result<Self> {
        let (queue, jobs) = sync_channel(waiting);
        let jobs = Arc::new(Mutex::new(jobs));
        let thread = |number| {
            let jobs = Arc::clone(&jobs);
            std::thread::Builder::new().name(format!("password-{number}")).spawn(move || work(&jobs))
        };
        let threads = (0..threads).map(thread).collect::<io::Result<_>>()?;
        Ok(Self { queue: Some(queue), threads })
    }

    /// See whether `password` is the one of `stored`, as [`super::verify`] does, without blocking. Dropping the future
    /// takes the password out of the queue.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub async fn verify(&self, stored: &str, password: &[u8]) -> Result<Verdict, PasswordError> {
        self.begin(stored, password)?.verdict().await
    }

    /// Begin to do so.
    ///
    /// # Errors
    /// As [`super::verify`], or [`PasswordError::Busy`] if [`limits::PASSWORDS_WAITING`] others wait already.
    pub fn begin(&self, stored: &str, password: &[u8]) -> Result<Verification, PasswordError> {
        check_password(password)?;
        let stored = Stored::parse(stored)?;
        let (reply, verdict) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(PasswordError::Busy)?;
        queue.try_send(Job { stored, password: password.into(), reply }).map_err(|_| PasswordError::Busy)?;
        Ok(Verification(verdict))
    }
}

/// A password that is being verified. Dropping it takes the password out of the queue.
pub struct Verification(oneshot::Receiver<Result<Verdict, PasswordError>>);

impl Verification {
    /// What comes of it.
    ///
    /// # Errors
    /// Only when it was tried it turned out that it cannot be verified.
    pub async fn verdict(self) -> Result<Verdict, PasswordError> {
        self.0.await.unwrap_or(Err(PasswordError::Busy))
    }
}

impl Drop for Passwords {
    fn drop(&mut self) {
        // Without it, the threads find nothing more to do.
        self.queue = None;
        for thread in self.threads.drain(..) {
            // One that has panicked has said so.
            drop(thread.join());
        }
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        // Whoever has the lock waits for all.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { stored, password, reply }) = job else { return };
        if reply.is_closed() {
            continue;
        }
        // Whoever asked may have gone meanwhile.
        drop(reply.send(stored.verify(&password)));
    }
}
