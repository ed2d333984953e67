//! What the log says of requests with effects: who, from where, what, and what came of it. Never a secret, never a
//! body. It is written when the record is dropped, so that a client that has gone in between leaves a line, too.

use http::{Method, StatusCode};

use super::request::{Author, Peer};
use super::{Admin, View};
use crate::limits;

/// A request on its way through the server.
pub(super) struct Record<'a> {
    gateway: &'a dyn View,
    method: Method,
    peer: Peer,
    /// As it may be shown.
    pub(super) path: String,
    /// Once that is known.
    pub(super) author: Option<Author>,
    /// Once there is an answer.
    pub(super) status: Option<StatusCode>,
}

impl<'a> Record<'a> {
    pub(super) fn new(admin: &'a Admin, method: &Method, path: &str, peer: Peer) -> Self {
        let (method, path) = (method.clone(), beginning(path));
        Self { gateway: &*admin.gateway, method, peer, path, author: None, status: None }
    }
}

/// Of a path that leads nowhere, nobody knows which segment is a secret; the first never is.
fn beginning(path: &str) -> String {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let first = segments.next().unwrap_or_default();
    if segments.next().is_none() { format!("/{first}") } else { format!("/{first}/…") }
}

/// Whether a request by this method changes something.
pub(super) fn has_effects(method: &Method) -> bool {
    ![Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        if !has_effects(&self.method) {
            return;
        }
        let who = self.author.as_ref().map_or_else(|| "unknown".to_owned(), |author| author.who.to_string());
        let generation = self.gateway.generation();
        let (method, peer) = (&self.method, self.peer);
        let path: String = self.path.chars().take(limits::ADMIN_LOGGED_PATH).collect();
        match self.status.map(|status| status.as_u16()) {
            Some(status) => tracing::info!(who, %peer, %method, path, status, generation, "admin request"),
            None => tracing::info!(who, %peer, %method, path, generation, "admin request, whose client has gone"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_path_that_leads_nowhere_the_first_segment_is_shown() {
        for (path, shown) in [("/", "/"), ("/x/", "/x"), ("/key-auths/s3cret", "/key-auths/…"), ("//a//b/c", "/a/…")]
        {
            assert_eq!(beginning(path), shown);
        }
    }
}
