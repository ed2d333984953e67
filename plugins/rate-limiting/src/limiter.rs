//! What the settings come to: all that requests can be spared.

use std::borrow::Cow;

use tidegate_sdk::counters::{self, Decision};
use tidegate_sdk::prelude::*;
use tidegate_sdk::schemars::{JsonSchema, Schema, SchemaGenerator};
use tidegate_sdk::serde::de::{Deserialize, Deserializer, Error};
use tidegate_sdk::subject::{Named, Subject};

use crate::settings::{Headers, Policy, Settings};
use crate::told::Told;
use crate::window::{self, Window};

/// The plugin, configured.
pub(crate) struct Limiter {
    pub(crate) subject: Subject,
    pub(crate) cost: Cost,
    pub(crate) limits: Vec<counters::Limit>,
    /// Nothing if clients are told nothing.
    pub(crate) headers: Option<Told>,
    pub(crate) refusal: Refusal,
    pub(crate) passes_uncounted: bool,
    pub(crate) counts_here: bool,
}

/// What a request counts for.
pub(crate) struct Cost {
    usual: u64,
    told: Option<(HeaderName, u64)>,
}

/// What a request says that it counts for.
pub(crate) enum Asked {
    Cost(u64),
    /// Nothing that could be counted; the message says what could.
    Nonsense(String),
}

/// What is answered to one too many.
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Limiter {
    pub(crate) fn hit(&self, request: &Request, cost: u64) -> Result<Decision, counters::Error> {
        let hit = if self.counts_here { Subject::hit_here } else { Subject::hit };
        hit(&self.subject, request, cost, &self.limits)
    }
}

impl Cost {
    pub(crate) fn of(&self, request: &Request) -> Asked {
        let Some((name, most)) = &self.told else { return Asked::Cost(self.usual) };
        let Some(value) = request.header(name) else { return Asked::Cost(self.usual) };
        // `parse` would take a sign as well.
        let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        match digits.and_then(|digits| digits.parse().ok()) {
            Some(cost) if (1..=*most).contains(&cost) => Asked::Cost(cost),
            _ => Asked::Nonsense(format!("{name} must be a number from 1 to {most}")),
        }
    }
}

impl TryFrom<Settings> for Limiter {
    type Error = String;

    fn try_from(settings: Settings) -> Result<Self, String> {
        let windows = window::all(&settings)?;
        if let Some(window) = windows.iter().find(|window| window.limit.max < settings.cost) {
            return Err(never(settings.cost, window));
        }
        let headers = match settings.headers {
            _ if settings.hide_client_headers => None,
            headers => Some(Told::new(&windows, headers != Headers::Ietf, headers != Headers::Kong)?),
        };
        let named = Named {
            header_name: settings.header_name,
            path: settings.path,
            cookie_name: settings.cookie_name,
            claim_name: settings.claim_name,
        };
        Ok(Self {
            subject: Subject::new(settings.limit_by, named)?,
            cost: Cost { usual: settings.cost, told: settings.cost_header.map(|name| (name, settings.max_cost)) },
            limits: windows.into_iter().map(|window| window.limit).collect(),
            headers,
            refusal: Refusal {
                status: settings.error_code,
                body: json!({ "message": settings.error_message }).to_string().into_bytes(),
            },
            passes_uncounted: settings.fault_tolerant,
            counts_here: counts_here(settings.policy)?,
        })
    }
}

fn never(cost: u64, window: &Window) -> String {
    format!(
        "cost: {cost} is more than the limit \"{}\" ({}), so no request would ever pass",
        window.name, window.limit.max
    )
}

/// Whether this gateway counts for itself. What Kong has said for each plugin is the gateway's to say here, but that a
/// plugin wants to know nothing of Redis.
fn counts_here(policy: Option<Policy>) -> Result<bool, String> {
    match (policy, counters::shared()) {
        (Some(Policy::Local), _) => Ok(true),
        (None, _) | (Some(Policy::Redis), true) => Ok(false),
        (Some(Policy::Redis), false) => {
            let how = "[counters] with kind = \"redis\" and a url has plugins count in Redis";
            Err(format!("policy: this gateway counts in memory: {how}"))
        }
        (Some(Policy::Cluster), _) => {
            let how = "[counters] with kind = \"redis\" counts exactly among gateways";
            Err(format!("policy: there is no database to count in: {how}"))
        }
    }
}

impl<'de> Deserialize<'de> for Limiter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Settings::deserialize(deserializer)?.try_into().map_err(D::Error::custom)
    }
}

impl JsonSchema for Limiter {
    fn schema_name() -> Cow<'static, str> {
        Settings::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Settings::json_schema(generator)
    }
}

impl Config for Limiter {}
