//! Lets requests through that carry a JSON Web Token (RFC 7519) whose signature and claims hold, and tells the upstream
//! whose it is. Keys are consumers' own, or those that an identity provider publishes. Settings and answers are those of
//! Kong's plugin of this name.

mod claims;
mod jwks;
mod members;
mod presented;
mod refusal;
mod seen;
mod settings;
mod token;
mod verify;

use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use tidegate_sdk::prelude::*;

use crate::jwks::Published;
use crate::refusal::Refusal;
use crate::settings::{ConsumerBy, Settings};
use crate::verify::Owner;

impl RequestHook<Result> for Settings {
    fn on_request(&self, request: &mut Request) -> Result {
        if !self.run_on_preflight && request.method() == "OPTIONS" {
            return Ok(Flow::Next);
        }
        if self.anonymous.is_some() && identity::settled() {
            return Ok(Flow::Next);
        }
        match self.admit(request) {
            Ok(()) => {
                if self.hide_credentials {
                    self.hide(request);
                }
                Ok(Flow::Next)
            }
            Err(refusal) => self.refuse(refusal),
        }
    }
}

/// Keys are fetched again behind the back of requests: this is called when one has been answered.
impl LogHook for Settings {
    fn on_log(&self, _: &Ended, _: &Response, _: &Request) {
        self.refresh();
    }

    fn needed(&self) -> bool {
        self.jwks_url.is_some()
    }
}

/// The same while there are no requests, where a use has a `timer`.
impl TimerHook for Settings {
    fn on_timer(&self) -> Result<()> {
        self.refresh();
        Ok(())
    }
}

export!(Settings: RequestHook, LogHook, TimerHook, priority = 1450);

impl Settings {
    fn admit(&self, request: &Request) -> Result<(), Refusal> {
        let text = self.presented(request)?;
        let now = seconds_since_1970();
        let published = self.published();
        // A token that was good is good as long as nothing has changed that this was found by.
        let version = match &published {
            Some(published) => published.version(now),
            None => identity::version(),
        };
        let known = self.seen.borrow_mut().look(&text, version, now);
        let verified = match known {
            Some(verified) => verified,
            None => {
                let verified = Rc::new(self.verify(&text, published.as_ref(), now)?);
                // Fetching may have brought other keys; then the next time is the first one by these.
                self.seen.borrow_mut().keep(&text, version, &verified);
                verified
            }
        };
        self.authenticate(&verified.owner)?;
        exchange::set_shared("jwt-claims", &verified.claims);
        Ok(())
    }

    fn authenticate(&self, owner: &Owner) -> Result<(), Refusal> {
        match owner {
            Owner::Nobody => Ok(()),
            Owner::Credential(credential) => {
                identity::authenticate(credential).map_err(|_| self.no_credentials(&self.key_claim_name))
            }
            Owner::Consumer(name) => {
                let username = match self.consumer_by {
                    ConsumerBy::Username => Some(name.clone()),
                    ConsumerBy::CustomId => identity::consumer_by_custom_id(name).map(|consumer| consumer.username),
                };
                let known = username.and_then(|username| identity::authenticate_as(&username).ok());
                known.ok_or_else(|| {
                    let claim = self.consumer_claim.as_deref().unwrap_or_default();
                    Refusal::Token(format!("No consumer found for given '{claim}'").into())
                })
            }
        }
    }

    fn refuse(&self, refusal: Refusal) -> Result {
        match &self.anonymous {
            // That keys are not to be had says nothing about whose the token is.
            Some(username) if !matches!(refusal, Refusal::Undecided) => {
                identity::authenticate_anonymously(username)?;
                Ok(Flow::Next)
            }
            _ => Ok(refusal.into_reply(self.realm.as_deref())),
        }
    }

    fn refresh(&self) {
        if let Some(published) = self.published() {
            published.refresh(seconds_since_1970());
        }
    }

    fn published(&self) -> Option<Published<'_>> {
        Some(Published::new(self.jwks_url.as_deref()?, self))
    }
}

fn seconds_since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
