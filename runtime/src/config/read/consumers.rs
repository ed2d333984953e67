//! `[[consumers]]`: who may come in, and what they show.

use std::collections::HashMap;

use toml::de::DeValue;

use super::Reading;
use crate::config::checked::{Consumer, Credential, SecretValue, Service};
use crate::config::faults::{Faults, suggest};
use crate::config::plugin_use::{Narrowing, plugin_uses};
use crate::config::reader::{Fields, Located, Value, parse};
use crate::config::secret::Secret;
use crate::config::values::Name;

/// What may be kept with a credential's key, for the plugin that asks for it.
const FIELDS: [&str; 4] = ["password", "secret", "algorithm", "public_key"];

impl Reading<'_> {
    pub(super) fn consumer(&self, value: &Value<'_>) -> Option<Consumer> {
        let fields = Fields::of(value, "a consumer", self.faults)?;
        let help = "who this is; the upstream sees it as X-Consumer-Username";
        let username = self.name_or_id("consumer", &fields, "username", help);
        let custom_id =
            fields.value("custom_id").and_then(|_| self.name::<Name>("custom_id", &fields, "custom_id", ""));
        let groups = fields.array("groups").filter_map(|value| self.group(value)).collect();
        let credentials = fields.array("credentials").filter_map(|value| self.credential(value)).collect();
        let plugins = plugin_uses(&fields, Narrowing::RouteAndService, self.folder);
        fields.finish();
        let custom_id = custom_id.map(|id| id.value.to_string());
        Some(Consumer { username: username?, custom_id, groups, credentials, plugins })
    }

    /// Its name, or a table that has more to say.
    fn group(&self, value: &Value<'_>) -> Option<String> {
        let name = match value.get_ref() {
            DeValue::Table(_) => {
                let fields = Fields::of(value, "a group", self.faults)?;
                self.marks("group", &fields);
                let name = fields.require::<Name>("name", "what the plugin acl knows it by");
                fields.finish();
                name
            }
            _ => parse::<Name>(value, "each of `groups`", self.faults),
        };
        name.map(|name| name.value.to_string())
    }

    fn credential(&self, value: &Value<'_>) -> Option<Credential> {
        let fields = Fields::of(value, "a credential", self.faults)?;
        for name in FIELDS.iter().chain(&["key"]) {
            if let Some(secret) = fields.value(name) {
                self.faults.conceal(secret.span());
            }
        }
        self.marks("credential", &fields);
        let kind = fields.require::<Name>("kind", "the plugin that asks for it, by its name");
        // Whoever has a password has a name to go with it.
        let key = match (fields.parse::<Secret>("username"), fields.value("key")) {
            (Some(username), Some(_)) => {
                self.faults.at(&username.span, "a credential has a `key` or a `username`, not both");
                None
            }
            (Some(username), None) => Some(username),
            (None, _) => {
                let help = "the key itself, \"env:NAME\", \"file:PATH\" or \"sha256:HEX\"; or a `username`";
                fields.require::<Secret>("key", help)
            }
        };
        let kept = FIELDS.iter().filter_map(|name| Some((*name, self.field(&fields, name)?))).collect();
        fields.finish();
        let (kind, key) = (kind?, key?);
        self.watched.borrow_mut().extend(key.value.file(self.folder));
        match key.value.digest(self.folder) {
            Ok(digest) => Some(Credential { kind: kind.value, digest, fields: kept, span: key.span }),
            Err(error) => {
                self.faults.at(&key.span, error);
                None
            }
        }
    }

    fn field(&self, credential: &Fields<'_>, name: &'static str) -> Option<SecretValue> {
        credential.value(name)?;
        Some(SecretValue::new(self.secret(credential, name, "")?.value.as_bytes()))
    }
}

impl Reading<'_> {
    /// What consumers' plugin uses are narrowed to is there, or has been taken out by `enabled = false`.
    pub(super) fn check_scopes(&self, consumers: &[Consumer], services: &[Service]) {
        for only in consumers.iter().flat_map(|consumer| &consumer.plugins).map(|plugin_use| &plugin_use.only) {
            self.check_named("route", only.route.as_ref());
            self.check_named("service", only.service.as_ref());
            let (Some(route), Some(service)) = (&only.route, &only.service) else { continue };
            let has = |service: &Service| service.routes.iter().any(|known| known.name.value == route.value);
            if let Some(owner) = services.iter().find(|service| has(service)).map(|owner| &owner.name.value)
                && *owner != service.value
            {
                let message = format!("route \"{}\" belongs to service \"{owner}\"", route.value);
                self.faults.at_with_help(&service.span, message, "name that one, or leave `service` out");
            }
        }
    }

    fn check_named(&self, kind: &'static str, only: Option<&Located<Name>>) {
        let listed = self.listed.borrow();
        if let Some(only) = only.filter(|only| !listed.has(kind, only.value.as_str())) {
            let mut known: Vec<&str> = listed.names(kind).collect();
            // Of those that come equally near, always the same.
            known.sort_unstable();
            let help = suggest(only.value.as_str(), known).unwrap_or_else(|| format!("the name of a {kind}"));
            self.faults.at_with_help(&only.span, format!("there is no {kind} \"{}\"", only.value), help);
        }
    }
}

/// A key opens one door only.
pub(super) fn check_keys(consumers: &[Consumer], faults: &Faults) {
    let mut keys = HashMap::new();
    for consumer in consumers {
        for credential in &consumer.credentials {
            let owner = &consumer.username.value;
            if let Some(other) = keys.insert((credential.kind.as_str(), credential.digest), owner) {
                faults.at(&credential.span, format!("this {} key belongs to \"{other}\" already", credential.kind));
            }
        }
    }
}
