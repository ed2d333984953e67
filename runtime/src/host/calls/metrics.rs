//! `metrics`: what plugins count and measure themselves.

use crate::host::bindings::tidegate::plugin::metrics::Host;
use crate::host::state::State;
use crate::observe::metrics::Note;

type Labels = Vec<(String, String)>;

impl Host for State {
    fn counter_add(&mut self, name: String, labels: Labels, more: f64) -> wasmtime::Result<Result<(), String>> {
        self.note(&name, labels, Note::Count(more))
    }

    fn gauge_set(&mut self, name: String, labels: Labels, value: f64) -> wasmtime::Result<Result<(), String>> {
        self.note(&name, labels, Note::Set(value))
    }

    fn histogram_record(&mut self, name: String, labels: Labels, value: f64) -> wasmtime::Result<Result<(), String>> {
        self.note(&name, labels, Note::Observe(value))
    }
}

impl State {
    fn note(&mut self, name: &str, labels: Labels, note: Note) -> wasmtime::Result<Result<(), String>> {
        self.count()?;
        Ok(self.services.metrics.custom.note(&self.plugin, name, labels, note))
    }
}
