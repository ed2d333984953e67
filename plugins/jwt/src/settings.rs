//! What the plugin can be told.

use std::cell::RefCell;
use std::rc::Rc;

use tidegate_sdk::prelude::*;

use crate::jwks::KeySet;
use crate::seen::Seen;
use crate::token::Algorithm;

/// Where to look for a token, and what makes it a good one.
#[derive(Config)]
#[config(validate = Settings::check)]
pub(crate) struct Settings {
    /// Query parameters to look for a token in.
    #[config(default = vec!["jwt".to_owned()])]
    #[schemars(extend("default" = ["jwt"]))]
    pub(crate) uri_param_names: Vec<String>,
    /// Headers to look for a token in, where it stands behind the word `Bearer`.
    #[config(default = vec![HeaderName::from_static("authorization")])]
    #[schemars(extend("default" = ["authorization"]))]
    pub(crate) header_names: Vec<HeaderName>,
    /// Cookies to look for a token in.
    #[config(default = Vec::new())]
    #[schemars(extend("default" = []))]
    pub(crate) cookie_names: Vec<String>,
    /// Name of the claim, or else of the header parameter, that says by which consumer's credential the token is to be
    /// verified.
    #[config(default = "iss".to_owned())]
    #[schemars(length(min = 1), extend("default" = "iss"))]
    pub(crate) key_claim_name: String,
    /// Secrets of credentials are written in base64.
    #[config(default = false)]
    pub(crate) secret_is_base64: bool,
    /// Which of a token's times are verified. A token that ends is asked for by `exp`: without one it is refused. A token
    /// without `nbf` is good from the beginning.
    #[config(default = vec![Time::Exp, Time::Nbf])]
    #[schemars(extend("default" = ["exp", "nbf"]))]
    pub(crate) claims_to_verify: Vec<Time>,
    /// Seconds from now at which a token may end at the latest; 0 is any time.
    #[config(default = 0)]
    #[schemars(range(max = 31_536_000))]
    pub(crate) maximum_expiration: u64,
    /// Seconds by which the clocks of those who issue tokens may differ from the gateway's.
    #[config(default = 0)]
    pub(crate) clock_skew: u64,
    /// What a token's header may call its type (`typ`), in any case; one that does not say is a `JWT`.
    #[config(default = vec!["JWT".to_owned(), "at+jwt".to_owned()])]
    #[schemars(length(min = 1), extend("default" = ["JWT", "at+jwt"]))]
    pub(crate) types: Vec<String>,
    /// Whom a token may be issued by (`iss`); anybody whose keys verify it if this is left out. Needed with `jwks_url`.
    #[config(default = Vec::new())]
    #[schemars(extend("default" = []))]
    pub(crate) issuers: Vec<String>,
    /// Whom a token may be meant for (`aud`); anybody if this is left out.
    #[config(default = Vec::new())]
    #[schemars(extend("default" = []))]
    pub(crate) audiences: Vec<String>,
    /// Username of the consumer that requests without a good token are taken for, instead of being refused. Requests that
    /// another plugin has let in already are not asked for a token.
    pub(crate) anonymous: Option<String>,
    /// Ask for a token in OPTIONS requests as well, which browsers send without one before those of other origins.
    #[config(default = true)]
    pub(crate) run_on_preflight: bool,
    /// Remove the token from what the upstream gets.
    #[config(default = false)]
    pub(crate) hide_credentials: bool,
    /// The realm that WWW-Authenticate names.
    pub(crate) realm: Option<String>,
    /// URL of the JSON Web Key Set that tokens are verified by, instead of by credentials of consumers.
    #[schemars(extend("x-grant" = "http"))]
    pub(crate) jwks_url: Option<String>,
    /// Seconds after which the keys are fetched again, in the background.
    #[config(default = 300)]
    #[schemars(range(min = 1))]
    pub(crate) jwks_refresh: u64,
    /// Seconds between two fetches at least, whatever keys tokens ask for and whatever came of the last one.
    #[config(default = 30)]
    #[schemars(range(min = 1))]
    pub(crate) jwks_cooldown: u64,
    /// Seconds for which keys are used while newer ones cannot be had.
    #[config(default = 86_400)]
    #[schemars(range(min = 1))]
    pub(crate) jwks_max_age: u64,
    /// Seconds that fetching the keys may take.
    #[config(default = 5)]
    #[schemars(range(min = 1, max = 30))]
    pub(crate) jwks_timeout: u64,
    /// Algorithms that published keys are used with.
    #[config(default = Algorithm::of_public_keys())]
    #[schemars(length(min = 1), extend("default" = Algorithm::of_public_keys()))]
    pub(crate) algorithms: Vec<Algorithm>,
    /// Claim that says which consumer a token is of, where keys are published; it is of none if this is left out.
    pub(crate) consumer_claim: Option<String>,
    /// What that claim has of the consumer.
    #[config(default = ConsumerBy::Username)]
    #[schemars(extend("default" = "username"))]
    pub(crate) consumer_by: ConsumerBy,
    #[serde(skip)]
    #[schemars(skip)]
    pub(crate) seen: RefCell<Seen>,
    #[serde(skip)]
    #[schemars(skip)]
    pub(crate) unpacked: RefCell<Option<Rc<KeySet>>>,
}

/// What a consumer is known by.
#[derive(Config, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ConsumerBy {
    Username,
    CustomId,
}

/// A claim that is a time.
#[derive(Config, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Time {
    Exp,
    Nbf,
}

impl Settings {
    pub(crate) fn verifies(&self, time: Time) -> bool {
        self.claims_to_verify.contains(&time)
    }

    fn check(&self) -> Result<(), String> {
        if self.header_names.is_empty() && self.uri_param_names.is_empty() && self.cookie_names.is_empty() {
            return Err("one of header_names, uri_param_names and cookie_names must name something".to_owned());
        }
        if self.maximum_expiration > 0 && !self.verifies(Time::Exp) {
            return Err("maximum_expiration: \"exp\" must be among claims_to_verify".to_owned());
        }
        let quotable = |c: char| !c.is_control() && !['"', '\\'].contains(&c);
        if self.realm.as_ref().is_some_and(|realm| !realm.chars().all(quotable)) {
            return Err("realm: no quotes, backslashes or control characters".to_owned());
        }
        self.check_published()
    }

    fn check_published(&self) -> Result<(), String> {
        let Some(url) = &self.jwks_url else {
            return match self.consumer_claim {
                Some(_) => Err("consumer_claim: only with jwks_url: else credentials say whose a token is".to_owned()),
                None => Ok(()),
            };
        };
        if !["https://", "http://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(format!("jwks_url: {url:?} does not begin with https:// or http://"));
        }
        if self.issuers.is_empty() {
            // The keys of many a provider are those of all its customers.
            return Err("issuers: name whose tokens are good: the keys at jwks_url may be others' as well".to_owned());
        }
        if let Some(symmetric) = self.algorithms.iter().find(|algorithm| algorithm.is_symmetric()) {
            return Err(format!("algorithms: {symmetric:?} takes a secret, and what is published is none"));
        }
        if self.jwks_timeout > self.jwks_cooldown || self.jwks_cooldown > self.jwks_refresh {
            return Err(
                "jwks_timeout may not be more than jwks_cooldown, and that not more than jwks_refresh".to_owned()
            );
        }
        if self.jwks_max_age < self.jwks_refresh {
            return Err(
                "jwks_max_age is less than jwks_refresh: keys would be given up before they are fetched".to_owned()
            );
        }
        Ok(())
    }
}
