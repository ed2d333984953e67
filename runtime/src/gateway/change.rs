//! How a change becomes a generation: checked, built beside the live one, kept, put in place, written down. All of it, or
//! nothing.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use toml_edit::DocumentMut;

use super::{Fixed, Gateway, files};
use crate::admin::doors::Doors;
use crate::component_files::ComponentFiles;
use crate::config::checked::WasmFile;
use crate::config::faults::Report;
use crate::config::store::NotStored;
use crate::config::{self, Config};
use crate::generations::{Generations, Outcome, Record, Source, differences, sha256};
use crate::limits;
use crate::proposal::{Current, Edit, Edited, Origin, Proposal, Refusal, Taken};
use crate::proxy::worker::Order;
use crate::snapshot::{self, Snapshot};

/// Why a configuration was not put in place.
enum Rejected {
    Invalid(Report),
    NotStored(NotStored),
}

/// What is to be served.
struct Candidate<'c> {
    text: &'c str,
    /// What the text says, if it was made of that: then the store does not say so yet.
    made_of: Option<DocumentMut>,
    origin: Origin,
    dry_run: bool,
}

impl<'c> Candidate<'c> {
    /// What the store says already.
    fn stored(text: &'c str, source: Source) -> Self {
        Self { text, made_of: None, origin: Origin { source, author: None }, dry_run: false }
    }
}

impl Gateway {
    /// Put in place what the store says now, or say why not.
    pub(super) fn reload(&mut self, source: Source) {
        self.notify.reloading();
        // What cannot be read is there to be seen all the same.
        let (text, considered) = match self.store.read() {
            Ok(text) => {
                let considered = self.consider(Candidate::stored(&text, source));
                (text, considered)
            }
            Err(report) => (String::new(), Err(Rejected::Invalid(report))),
        };
        let refused = considered.is_err();
        match considered {
            Ok(_) => {}
            Err(Rejected::Invalid(report)) => self.refuse(source, &text, &report),
            Err(Rejected::NotStored(problem)) => tracing::error!(%problem, "refused"),
        }
        let words = if refused { ": a change was refused, see the log" } else { "" };
        self.notify.ready(&format!("serving generation {}{words}", self.live.load().generation));
    }

    /// Make a change, and tell whoever waits.
    pub(super) fn make(&mut self, proposal: Proposal) {
        let Proposal { origin, expected, dry_run, edit, answer } = proposal;
        let made = self.edited(origin, expected, dry_run, edit);
        // Whoever has gone away hears of it by asking again.
        drop(answer.send(made));
    }

    fn edited(
        &mut self,
        origin: Origin,
        expected: Option<String>,
        dry_run: bool,
        edit: Edit,
    ) -> Result<Taken, Refusal> {
        // An edit is made to what people have written, too, or it would undo that.
        let now = self.store.read().map_err(Refusal::Outside)?;
        if *now != *self.configuration.current.load().text {
            self.consider(Candidate::stored(&now, Source::File)).map_err(|rejected| match rejected {
                Rejected::Invalid(report) => Refusal::Outside(report),
                Rejected::NotStored(problem) => Refusal::NotStored(problem),
            })?;
        }
        let current = Current::clone(&self.configuration.current.load());
        if expected.is_some_and(|expected| expected != *current.tag) {
            return Err(Refusal::Stale(current.tag.to_string()));
        }
        let mut document = DocumentMut::clone(&current.document);
        let Edited { value, at } = edit(&mut document, current.index()).map_err(Refusal::Objection)?;
        let text = document.to_string();
        let generation = self.live.load().generation;
        // Who asks for what is there already gets it, and nothing changes.
        if text == *current.text && origin.source != Source::Activation {
            return Ok(Taken { value, generation });
        }
        match self.consider(Candidate { text: &text, made_of: Some(document), origin, dry_run }) {
            Ok(generation) => Ok(Taken { value, generation }),
            Err(Rejected::Invalid(report)) => Err(Refusal::Invalid(report, text, at)),
            Err(Rejected::NotStored(problem)) => Err(Refusal::NotStored(problem)),
        }
    }

    /// Put `candidate` in place; gives its number.
    fn consider(&mut self, candidate: Candidate<'_>) -> Result<u64, Rejected> {
        let is_stored = candidate.made_of.is_none();
        if is_stored {
            self.watch.look();
        }
        let (config, faults) = config::parse(&self.path, candidate.text).map_err(Rejected::Invalid)?;
        if is_stored {
            self.watch.set_files(files(&self.path, &config, &self.stock.watched));
        }
        for key in self.fixed.differences(&Fixed::of(&config)) {
            faults.whole(format!("{key} has changed"), "restart to change it, or change it back");
        }
        let generation = self.configuration.generations.next();
        let change = self.listeners.prepare(&config.listeners, self.workers.len(), &faults);
        let doors = config.admin.as_ref().and_then(|admin| Doors::new(admin, &faults));
        let next = snapshot::build(&config, faults, &mut self.stock, change.ids(), generation);
        if candidate.dry_run {
            return next.map(|_| self.live.load().generation).map_err(Rejected::Invalid);
        }
        if next.is_ok() && !is_stored {
            let kept = self.store.replace(&self.configuration.current.load().text, candidate.text);
            kept.map_err(Rejected::NotStored)?;
            self.watch.expect(&self.path, candidate.text);
        }
        if next.is_ok() || is_stored {
            self.watch.set_files(files(&self.path, &config, &self.stock.watched));
        }
        let next = next.map_err(Rejected::Invalid)?;
        next.sinks.begin();
        if let (Some(admin), Some(doors)) = (&self.admin, doors) {
            admin.doors.store(Arc::new(doors));
        }
        let components = components(&next);
        self.retired.push(self.live.swap(Arc::new(next)));
        self.workers.iter().for_each(|worker| worker.tell(Order::Refresh));
        self.listeners.apply(change, &self.workers);
        let current = Current::of(candidate.text, candidate.made_of);
        let before = self.configuration.current.swap(Arc::new(current.clone()));
        let record = Record {
            changes: differences(&before.document, &current.document),
            components,
            ..record(generation, &candidate.origin, candidate.text, Outcome::Served)
        };
        keep_components(&config, &record.components);
        self.configuration.generations.keep(record, candidate.text);
        let Origin { source, author } = candidate.origin;
        tracing::info!(generation, ?source, author, "configuration changed");
        Ok(generation)
    }

    /// Say and write down why what files say does not serve.
    fn refuse(&mut self, source: Source, text: &str, report: &Report) {
        let live = self.live.load().generation;
        let faults = report.faults().len();
        let problems = report.told().collect();
        let origin = Origin { source, author: None };
        let record = record(self.configuration.generations.next(), &origin, text, Outcome::Refused(problems));
        self.configuration.generations.keep(record, text);
        tracing::error!(faults, "refused, generation {live} keeps serving\n{report}");
        self.stock.library.sweep();
    }

    /// Free what no generation needs any more.
    pub(super) fn retire(&mut self) {
        self.retired.retain(|snapshot| Arc::strong_count(snapshot) > 1);
        self.stock.library.sweep();
    }

    /// Free plugin files that no generation has.
    pub(super) fn sweep_components(&self) {
        let records = self.configuration.generations.list();
        let needed: HashSet<String> = records.iter().flat_map(|record| record.components.values().cloned()).collect();
        self.component_files.sweep(&needed, limits::COMPONENT_GRACE);
    }
}

/// Write down what the gateway starts with, unless that is what it stopped with; gives its number.
pub(super) fn begin(generations: &Generations, config: &Config, text: &str, snapshot: &Snapshot) -> u64 {
    let origin = Origin { source: Source::Start, author: None };
    let record = record(generations.next(), &origin, text, Outcome::Served);
    let record = Record { components: components(snapshot), ..record };
    let last = generations.served_last();
    let same = |last: &Record| last.config_sha256 == record.config_sha256 && last.components == record.components;
    if let Some(last) = last.as_deref().filter(|last| same(last)) {
        return last.generation;
    }
    let generation = record.generation;
    // What was changed while nobody was there to see it.
    let before = last.and_then(|last| generations.text(last.generation)).map(|before| Current::of(&before, None));
    let changes = before.map(|before| differences(&before.document, &Current::of(text, None).document));
    keep_components(config, &record.components);
    generations.keep(Record { changes: changes.unwrap_or_default(), ..record }, text);
    generation
}

/// SHA-256 of each plugin beyond the bundled ones.
fn components(snapshot: &Snapshot) -> BTreeMap<String, String> {
    let hexadecimal = |digest: &[u8; 32]| digest.iter().map(|byte| format!("{byte:02x}")).collect();
    snapshot.components.iter().map(|(name, component)| (name.clone(), hexadecimal(&component.digest))).collect()
}

/// Keep the plugin files of a generation, so that it can be activated again when others are at their paths.
fn keep_components(config: &Config, loaded: &BTreeMap<String, String>) {
    let files = ComponentFiles::of(&config.state_dir);
    for listed in &config.components {
        let WasmFile::At(path) = &listed.file else { continue };
        let Some(wanted) = loaded.get(listed.name.value.as_str()).filter(|wanted| !files.has(wanted)) else { continue };
        let read = config::file::read(&path.value, limits::COMPONENT_BYTES);
        let kept = match read {
            // Changed once more: the next generation has that one.
            Ok(wasm) if sha256(&wasm) != *wanted => continue,
            Ok(wasm) => files.keep(&wasm).map_err(|error| error.to_string()),
            Err(problem) => Err(problem),
        };
        if let Err(problem) = kept {
            tracing::warn!(problem, "this version of {} cannot be gone back to", listed.name.value);
        }
    }
}

/// One that nothing is said of yet but what it is.
fn record(generation: u64, origin: &Origin, text: &str, outcome: Outcome) -> Record {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Record {
        generation,
        at: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        source: origin.source,
        author: origin.author.clone(),
        outcome,
        config_sha256: sha256(text.as_bytes()),
        components: BTreeMap::new(),
        changes: Vec::new(),
    }
}
