//! The current response, read and edited.

use crate::edits::Edits;
use crate::host;
use crate::{HeaderName, HeaderValue};

/// The current response, from the upstream or an answer of the gateway's or of a plugin's own, as
/// the plugins that saw it before left it. Edits work as those of a [`Request`](crate::Request).
pub struct Response {
    edits: Edits,
}

impl Response {
    pub(crate) fn current() -> Self {
        Self { edits: Edits::new(host::response::edit) }
    }

    /// For hooks that get it to read.
    pub(crate) fn past_changing() -> Self {
        Self { edits: Edits::new(|_| Ok(())) }
    }

    /// The status, from 200 to 599.
    pub fn status(&self) -> u16 {
        host::response::status()
    }

    /// The first header field of this name.
    pub fn header(&self, name: impl AsRef<str>) -> Option<HeaderValue> {
        self.edits.settle();
        host::response::header(name.as_ref()).map(Into::into)
    }

    /// The whole header section.
    pub fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        self.edits.settle();
        crate::header::section(host::response::headers())
    }

    /// Replaces all header fields of this name by one, or adds it.
    pub fn set_header(&mut self, name: impl AsRef<str>, value: impl Into<HeaderValue>) {
        self.edits.set(name.as_ref(), value.into());
    }

    /// Adds a header field beside those of the same name.
    pub fn append_header(&mut self, name: impl AsRef<str>, value: impl Into<HeaderValue>) {
        self.edits.append(name.as_ref(), value.into());
    }

    /// Removes all header fields of this name.
    pub fn remove_header(&mut self, name: impl AsRef<str>) {
        self.edits.remove(name.as_ref());
    }

    /// Replaces the status; one outside of 200 to 599 makes the hook fail.
    pub fn set_status(&mut self, status: u16) {
        self.edits.note(host::response::set_status(status));
    }

    /// The whole body, as the plugins that saw it before left it; `None` unless it was asked for by
    /// [`body_limit`](crate::ResponseHook::body_limit) or is an answer of the gateway's own.
    pub fn body(&self) -> Option<Vec<u8>> {
        host::response::body()
    }

    /// Replaces the body, whether or not it was asked for. Its length is seen to by the gateway, its
    /// type is for [`set_header`](Self::set_header) to say.
    pub fn set_body(&mut self, body: impl AsRef<[u8]>) {
        self.edits.note(host::response::set_body(body.as_ref()));
    }

    pub(crate) fn finish(self) -> Result<(), String> {
        self.edits.finish()
    }
}
