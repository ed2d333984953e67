//! What goes on in place of what came: mostly the same.

/// What has been written of a source so far.
pub(crate) struct Output<'s> {
    source: &'s [u8],
    written: Vec<u8>,
    /// Up to here, the source has been written or left out.
    settled: usize,
    /// What is part of something that a rule removes is not written.
    is_muted: bool,
    is_changed: bool,
}

impl<'s> Output<'s> {
    pub(crate) fn new(source: &'s [u8], is_muted: bool) -> Self {
        Self { source, written: Vec::new(), settled: 0, is_muted, is_changed: false }
    }

    pub(crate) fn source(&self) -> &'s [u8] {
        self.source
    }

    /// Write the source up to `place`.
    pub(crate) fn copy_to(&mut self, place: usize) {
        if place <= self.settled {
            return;
        }
        if self.is_muted {
            self.is_changed = true;
        } else {
            self.room();
            self.written.extend_from_slice(self.source.get(self.settled..place).unwrap_or_default());
        }
        self.settled = place;
    }

    /// All of the source will mostly be written: that is room to be taken once.
    fn room(&mut self) {
        if self.written.capacity() == 0 {
            self.written.reserve(self.source.len() + self.source.len() / 8 + 64);
        }
    }

    /// Leave the source out up to `place`.
    pub(crate) fn skip_to(&mut self, place: usize) {
        if place > self.settled {
            self.is_changed = true;
            self.settled = place;
        }
    }

    /// Write something else.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.put_by(|written| written.extend_from_slice(bytes));
    }

    /// Have something else written.
    pub(crate) fn put_by(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.is_changed = true;
        if !self.is_muted {
            self.room();
            write(&mut self.written);
        }
    }

    /// From `place` on, write nothing, or again what is not left out.
    pub(crate) fn mute_from(&mut self, place: usize, is_muted: bool) {
        self.copy_to(place);
        self.is_muted = is_muted;
    }

    /// What was written for the source up to `end`; `None`: the same.
    pub(crate) fn finish(mut self, end: usize) -> Option<Vec<u8>> {
        if !self.is_changed && !self.is_muted {
            return None;
        }
        self.copy_to(end);
        Some(self.written)
    }
}
