//! What the places of templates are filled by: the current exchange, asked for no more than they name.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde_json::Value;

use super::{Source, Trait};
use crate::identity::{self, Caller};
use crate::{Request, exchange, query};

/// What the current exchange has to fill in. Templates that are filled together share one, which asks the gateway once
/// for what several of them need.
///
/// ```
/// # use tidegate_sdk::{prelude::*, template::{Template, Values}, testing::{Exchange, Hook}};
/// let told = Hook(|request: &mut Request| -> Result {
///     let (first, last): (Template, Template) = ("$(query_params.a)".parse()?, "$(query_params.b)".parse()?);
///     let values = Values::of(request);
///     Ok(Flow::reply(200).body(format!("{} {}", first.to_text(&values), last.to_text(&values))))
/// });
/// assert_eq!(Exchange::get("/?a=Ada&b=Byron").request(&told).reply().text(), "Ada Byron");
/// ```
pub struct Values<'r> {
    request: &'r Request,
    query: OnceCell<Option<String>>,
    claims: OnceCell<Value>,
    caller: OnceCell<Option<Caller>>,
}

/// What a path may take over of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is part of a path already.
    Path,
    Elsewhere,
}

impl<'r> Values<'r> {
    /// What the exchange of this request has.
    ///
    /// ```
    /// # use tidegate_sdk::{prelude::*, template::{Template, Values}, testing::{Exchange, Hook, Outcome}};
    /// let mark = Hook(|response: &mut Response, request: &Request| -> Result {
    ///     let agent: Template = "for $(headers.user-agent)".parse()?;
    ///     response.set_header("x-made", agent.to_header_value(&Values::of(request)));
    ///     Ok(Flow::Next)
    /// });
    /// let mut exchange = Exchange::get("/").header("user-agent", "curl/8.14").answer(200, &[]);
    /// assert_eq!(exchange.response(&mark), Outcome::Next);
    /// assert_eq!(exchange.client_headers().first("x-made"), Some("for curl/8.14"));
    /// ```
    pub fn of(request: &'r Request) -> Self {
        Self { request, query: OnceCell::new(), claims: OnceCell::new(), caller: OnceCell::new() }
    }

    pub(super) fn first<'v>(&'v self, sources: &'v [Source]) -> Option<(Cow<'v, [u8]>, Origin)> {
        sources.iter().find_map(|source| self.value(source))
    }

    fn value<'v>(&'v self, source: &'v Source) -> Option<(Cow<'v, [u8]>, Origin)> {
        let value = match source {
            Source::Header(name) => Cow::Owned(self.request.header(name)?.into_bytes()),
            Source::QueryParam(name) => {
                let query = self.query.get_or_init(|| self.request.query()).as_ref()?;
                Cow::Owned(query::values(query, name).next()?.into_bytes())
            }
            Source::Capture(name) => {
                return Some((Cow::Owned(self.request.capture(name)?.into_bytes()), Origin::Path));
            }
            Source::Shared(key) => Cow::Owned(exchange::get_shared(key)?),
            Source::Consumer(of) => self.consumer(*of)?,
            Source::Claim(path) => match self.claim(path)? {
                Value::Null => return None,
                Value::String(text) => Cow::Borrowed(text.as_bytes()),
                other => Cow::Owned(other.to_string().into_bytes()),
            },
            Source::Text(text) => Cow::Borrowed(text.as_bytes()),
        };
        Some((value, Origin::Elsewhere))
    }

    fn consumer(&self, of: Trait) -> Option<Cow<'_, [u8]>> {
        let caller = || self.caller.get_or_init(identity::authenticated).as_ref();
        match of {
            // All else takes as long to tell as everything together.
            Trait::Username => exchange::consumer().map(|username| Cow::Owned(username.into_bytes())),
            Trait::CustomId => caller()?.consumer.custom_id.as_ref().map(|id| Cow::Borrowed(id.as_bytes())),
            Trait::Groups => match caller()?.consumer.groups.as_slice() {
                [] => None,
                groups => Some(Cow::Owned(groups.join(", ").into_bytes())),
            },
        }
    }

    fn claim(&self, path: &[String]) -> Option<&Value> {
        let claims = self.claims.get_or_init(|| {
            let told = exchange::get_shared(CLAIMS_KEY).unwrap_or_default();
            serde_json::from_slice(&told).unwrap_or_default()
        });
        path.iter().try_fold(claims, |within, name| within.get(name))
    }
}

/// Where the `jwt` plugin puts the claims of a token that it has verified.
const CLAIMS_KEY: &str = "jwt-claims";
