//! Why a name has no addresses, in words for whoever has to mend it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Why there can be no resolver.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// /etc/resolv.conf is not there or not readable.
    #[error("{}: {source}; name the servers in the configuration instead", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It makes no sense, or names no server.
    #[error("{}: {words}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        words: String,
    },
    /// A search domain is no name.
    #[error("search domain {domain:?}: {words}")]
    SearchDomain {
        /// The domain.
        domain: String,
        /// What is wrong with it.
        words: String,
    },
    /// The DNS library does not start.
    #[error("the resolver cannot be set up: {0}")]
    Resolver(String),
    /// A resolver belongs to a runtime.
    #[error("a resolver can only be made on a tokio runtime")]
    NoRuntime,
}

/// What kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// There is no such name.
    NxDomain,
    /// The name is there but has no records of the type.
    NoRecords,
    /// The servers cannot find out.
    ServFail,
    /// The servers do not want to tell.
    Refused,
    /// No server answered in time.
    Timeout,
    /// Anything else, like a network that is down.
    Failed,
}

impl Kind {
    const fn words(self) -> &'static str {
        match self {
            Self::NxDomain => "no such name (NXDOMAIN)",
            Self::NoRecords => "no records",
            Self::ServFail => "the server failed (SERVFAIL)",
            Self::Refused => "the server refused to answer (REFUSED)",
            Self::Timeout => "no answer in time",
            Self::Failed => "the lookup failed",
        }
    }

    /// Of several failures on the way to one answer, the one that leaves most open is the one to report: "no such
    /// name" under one domain says nothing while the server failed under the next.
    const fn openness(self) -> u8 {
        match self {
            Self::NxDomain => 0,
            Self::NoRecords => 1,
            Self::ServFail | Self::Refused | Self::Timeout | Self::Failed => 2,
        }
    }

    /// Whether the DNS said that there is nothing, rather than that it does not know.
    pub(super) const fn is_certain(self) -> bool {
        self.openness() < 2
    }
}

/// A step that failed; the words add to the kind, and may be empty.
#[derive(Debug, Clone)]
pub(super) struct Failed {
    pub(super) kind: Kind,
    words: String,
}

impl Failed {
    pub(super) fn new(kind: Kind, words: impl Into<String>) -> Self {
        Self { kind, words: words.into() }
    }

    /// The one of both to report; the earlier, if there is nothing between them.
    pub(super) fn or_worse_than(self, earlier: Option<Self>) -> Self {
        match earlier {
            Some(earlier) if earlier.kind.openness() >= self.kind.openness() => earlier,
            _ => self,
        }
    }
}

/// A name that could not be resolved. Its text is one line: what was asked, of whom, what came, after how long.
#[derive(Debug, Clone)]
pub struct Fault {
    /// What kind of failure.
    pub kind: Kind,
    story: Arc<Story>,
}

#[derive(Debug, Default)]
struct Story {
    name: String,
    words: String,
    record_types: &'static str,
    asked: Vec<String>,
    servers: Vec<SocketAddr>,
    waited: Duration,
}

impl Fault {
    pub(super) fn new(
        failed: Failed,
        name: &str,
        record_types: &'static str,
        asked: Vec<String>,
        servers: &[SocketAddr],
        waited: Duration,
    ) -> Self {
        let (name, servers) = (name.to_owned(), servers.to_vec());
        let story = Story { name, words: failed.words, record_types, asked, servers, waited };
        Self { kind: failed.kind, story: Arc::new(story) }
    }
}

impl From<Failed> for Fault {
    /// One that no server had a part in.
    fn from(failed: Failed) -> Self {
        Self { kind: failed.kind, story: Arc::new(Story { words: failed.words, ..Story::default() }) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Story { name, words, record_types, asked, servers, waited } = &*self.story;
        if !name.is_empty() {
            write!(f, "{name}: ")?;
        }
        f.write_str(self.kind.words())?;
        if !words.is_empty() {
            write!(f, ", {words}")?;
        }
        if asked.is_empty() {
            return Ok(());
        }
        write!(f, "; asked ")?;
        listed(f, servers)?;
        write!(f, " for {record_types} of ")?;
        listed(f, asked)?;
        write!(f, ", waited {} ms", waited.as_millis())
    }
}

impl std::error::Error for Fault {}

fn listed<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T]) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        write!(f, "{comma}{item}")?;
    }
    Ok(())
}
