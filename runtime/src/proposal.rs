//! What somebody wants changed: an edit of the configuration, which the gateway makes to what it says just then, one after
//! the other. It is put in place as a whole, durably, or refused.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use serde_json::Value as Json;
use tokio::sync::{mpsc, oneshot};
use toml_edit::DocumentMut;

use crate::config::faults::Report;
use crate::config::store::NotStored;
use crate::entities::{Error, Index};
use crate::generations::{Generations, Source, sha256};
use crate::limits;

/// The configuration, for whoever looks at it or wants it changed.
#[derive(Clone)]
pub struct Configuration {
    /// What the live generation was made of.
    pub current: Arc<ArcSwap<Current>>,
    /// What became of each change.
    pub generations: Arc<Generations>,
    proposals: mpsc::Sender<Proposal>,
}

impl Configuration {
    /// That of a gateway which has begun with `current`, and where it finds what others want changed.
    pub fn new(current: Current, generations: Arc<Generations>) -> (Self, mpsc::Receiver<Proposal>) {
        let (proposals, inbox) = mpsc::channel(limits::PROPOSALS);
        (Self { current: Arc::new(ArcSwap::from_pointee(current)), generations, proposals }, inbox)
    }

    /// Have this changed, and wait for what becomes of it.
    ///
    /// # Errors
    /// Nothing has changed, and why.
    pub async fn propose(
        &self,
        origin: Origin,
        expected: Option<String>,
        dry_run: bool,
        edit: Edit,
    ) -> Result<Taken, Refusal> {
        let (answer, made) = oneshot::channel();
        let proposal = Proposal { origin, expected, dry_run, edit, answer };
        self.proposals.send(proposal).await.map_err(|_| Refusal::Stopping)?;
        made.await.unwrap_or(Err(Refusal::Stopping))
    }
}

/// What a generation was made of.
#[derive(Clone)]
pub struct Current {
    /// The configuration's text.
    pub text: Arc<str>,
    /// The same, to be looked at and edited.
    pub document: Arc<DocumentMut>,
    /// Tells it from all others (an entity tag, RFC 9110, section 8.8.3).
    pub tag: Arc<str>,
    index: Arc<OnceLock<Index>>,
}

impl Current {
    /// `document` is what `text` says, if that is there already.
    pub fn of(text: &str, document: Option<DocumentMut>) -> Self {
        // Nothing is served that is no document.
        let document = document.unwrap_or_else(|| text.parse().unwrap_or_default());
        let digest = sha256(text.as_bytes());
        let tag = format!("\"{}\"", digest.get(..32).unwrap_or(&digest));
        Self { text: text.into(), document: Arc::new(document), tag: tag.into(), index: Arc::default() }
    }

    /// Where its entities stand.
    pub fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::of(&self.document))
    }
}

/// A change, and who waits for what becomes of it.
pub struct Proposal {
    /// Where it comes from.
    pub origin: Origin,
    /// What the configuration has to be for it (If-Match); `None`: whatever it is.
    pub expected: Option<String>,
    /// Whether it is only to be looked at.
    pub dry_run: bool,
    /// The change.
    pub edit: Edit,
    /// Whoever waits.
    pub answer: oneshot::Sender<Result<Taken, Refusal>>,
}

/// Makes a change; what it gives back is for whoever waits.
pub type Edit = Box<dyn FnOnce(&mut DocumentMut, &Index) -> Result<Edited, Error> + Send>;

/// What an edit has done.
pub struct Edited {
    /// What whoever waits wants to know.
    pub value: Json,
    /// What has been written, for faults to be told by its fields.
    pub at: Place,
}

/// A place in a document, from its top: names of keys, and positions in lists.
pub type Place = Vec<Step>;

/// One step further down.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// The value of this key.
    Key(String),
    /// This element.
    Element(usize),
}

/// Where a change comes from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// What brought it about.
    pub source: Source,
    /// Who, if that is known.
    pub author: Option<String>,
}

/// It is done: every worker serves it, and no crash undoes it. Or, if it was only to be looked at, it could be.
#[derive(Debug)]
pub struct Taken {
    /// What the edit gave back.
    pub value: Json,
    /// The generation that has it.
    pub generation: u64,
}

/// Nothing has changed.
#[derive(Debug)]
pub enum Refusal {
    /// The edit cannot be made.
    Objection(Error),
    /// What it makes of the configuration is wrong: this text, for these reasons, where this has been written.
    Invalid(Report, String, Place),
    /// It was meant for another configuration; this is the tag of the one there is.
    Stale(String),
    /// The configuration was changed by other means, which is faulty and does not serve.
    Outside(Report),
    /// It cannot be kept.
    NotStored(NotStored),
    /// The gateway stops.
    Stopping,
}
