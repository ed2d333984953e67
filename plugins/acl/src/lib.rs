//! Lets requests of some groups through, or of all but some. Groups are those of the consumer, or those that a token
//! names. Settings and answers are those of Kong's plugin of this name.

mod claim;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use tidegate_sdk::identity::Caller;
use tidegate_sdk::prelude::*;

/// Who may come in.
#[derive(Config)]
#[config(validate = Settings::check)]
struct Settings {
    /// Groups of which one is enough to come in.
    #[config(default = HashSet::new())]
    #[schemars(with = "std::collections::BTreeSet<String>", extend("default" = []))]
    allow: HashSet<String>,
    /// Groups of which one is too many.
    #[config(default = HashSet::new())]
    #[schemars(with = "std::collections::BTreeSet<String>", extend("default" = []))]
    deny: HashSet<String>,
    /// Do not tell the upstream which groups they are.
    #[config(default = false)]
    hide_groups_header: bool,
    /// Claim of the token that a plugin before this one has verified which has groups, like `realm_access.roles`: a list
    /// of them, or a text with spaces between them. They count where no credential of a consumer's has let the request
    /// in.
    #[schemars(length(min = 1))]
    claim: Option<String>,
    /// Let the claim's groups count, if it is there, whatever has let the request in.
    #[config(default = false)]
    always_use_authenticated_groups: bool,
    /// By the number of a caller.
    #[serde(skip)]
    #[schemars(skip)]
    known: RefCell<HashMap<u64, Standing>>,
}

/// What is to be known of a consumer.
#[derive(Debug, Clone, Copy)]
struct Standing {
    by_credential: bool,
    /// By the groups that it has in the configuration.
    is_let_in: bool,
    has_groups: bool,
}

impl RequestHook for Settings {
    fn on_request(&self, request: &mut Request) -> Flow {
        let standing = self.standing();
        let by_credential = standing.is_some_and(|standing| standing.by_credential);
        let claims = match &self.claim {
            Some(path) if !by_credential || self.always_use_authenticated_groups => Some(path).zip(verified_claims()),
            _ => None,
        };
        let named = claims.as_ref().and_then(|(path, claims)| claim::groups(path, claims));
        match (&named, standing) {
            (Some(groups), _) if self.lets_in(groups) => {
                self.tell(request, groups);
                Flow::Next
            }
            (None, Some(Standing { is_let_in: true, has_groups, .. })) => {
                if self.hide_groups_header && has_groups {
                    identity::hide_groups();
                }
                Flow::Next
            }
            // Whoever has a good token that names no group is known, and in no group.
            (None, None) if claims.is_some() && self.lets_in(&[]) => Flow::Next,
            (None, None) if claims.is_none() => refuse(401, "Unauthorized"),
            _ => refuse(403, "You cannot consume this service"),
        }
    }
}

export!(Settings: RequestHook, priority = 950);

/// Consumers to be remembered at a time.
const MOST_KNOWN: usize = 16_384;

impl Settings {
    /// That of whoever has been let in so far. Looked up once for each, as long as the configuration is the same.
    fn standing(&self) -> Option<Standing> {
        let number = identity::caller_number()?;
        if let Some(standing) = self.known.borrow().get(&number) {
            return Some(*standing);
        }
        let Caller { consumer, credential, .. } = identity::authenticated()?;
        let standing = Standing {
            by_credential: credential.is_some(),
            is_let_in: self.lets_in(&consumer.groups),
            has_groups: !consumer.groups.is_empty(),
        };
        let mut known = self.known.borrow_mut();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(number, standing);
        Some(standing)
    }

    fn lets_in(&self, groups: &[String]) -> bool {
        match self.allow.is_empty() {
            true => !groups.iter().any(|group| self.deny.contains(group)),
            false => groups.iter().any(|group| self.allow.contains(group)),
        }
    }

    /// The gateway tells those of consumers; these are somebody else's word.
    fn tell(&self, request: &mut Request, groups: &[String]) {
        // What cannot be told from others in a list of them, or stand in a header, is left out.
        let is_plain = |group: &&str| !group.is_empty() && !group.contains(|c: char| c == ',' || c.is_control());
        let told: Vec<&str> = groups.iter().map(String::as_str).filter(is_plain).collect();
        if !self.hide_groups_header && !told.is_empty() {
            request.set_header("x-authenticated-groups", told.join(", "));
        }
    }

    fn check(&self) -> Result<(), &'static str> {
        match (self.allow.is_empty(), self.deny.is_empty()) {
            (true, true) => Err("one of allow and deny must name a group"),
            (false, false) => Err("only one of allow and deny can be used"),
            _ if self.always_use_authenticated_groups && self.claim.is_none() => {
                Err("always_use_authenticated_groups: `claim` must say where they are")
            }
            _ => Ok(()),
        }
    }
}

/// A JSON object, from whichever plugin has verified a token.
fn verified_claims() -> Option<String> {
    String::from_utf8(exchange::get_shared("jwt-claims")?).ok()
}

fn refuse(status: u16, message: &str) -> Flow {
    Flow::reply(status).json(&json!({ "message": message }))
}

#[cfg(test)]
mod tests;
