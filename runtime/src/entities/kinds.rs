//! The kinds of entities: what each has, and how a table of gateway.toml says it.

mod certificates;
mod consumers;
mod credentials;
mod plugins;
mod routes;
mod services;
mod texts;
mod upstreams;

use serde_json::{Map, Value as Json};
use toml_edit::TableLike;

use super::error::FieldErrors;
use super::schema::{Field, Type};
use super::tree::{Element, set};
use texts::{tag, uuid};

pub(super) use certificates::{complete, keep_list};
pub use credentials::hidden;
pub use services::split_url;

/// An entity, by Kong's names of fields.
pub type Entity = Map<String, Json>;

/// A kind of entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// What routes lead to.
    Service,
    /// What leads to a service.
    Route,
    /// A use of a plugin.
    Plugin,
    /// Who may come in.
    Consumer,
    /// What a consumer shows to the plugin key-auth.
    KeyAuth,
    /// … basic-auth.
    BasicAuth,
    /// … jwt.
    Jwt,
    /// … hmac-auth.
    HmacAuth,
    /// A group that a consumer belongs to.
    Acl,
    /// Several targets under one name.
    Upstream,
    /// Where requests go.
    Target,
    /// What TLS listeners show, and what is shown to services.
    Certificate,
    /// A name that a certificate is shown for.
    Sni,
    /// Who may have issued others' certificates.
    CaCertificate,
}

/// What is to be known of a kind.
pub struct Spec {
    /// Its list, as Kong calls it.
    pub collection: &'static str,
    /// The key of gateway.toml that has such tables.
    pub list: &'static str,
    /// The field that tells it from others besides its id: what it can be asked for by.
    pub label: Option<&'static str>,
    /// The key of gateway.toml that has the label.
    pub label_key: &'static str,
    /// What it belongs to: the field that says so, and the kind.
    pub owners: &'static [(&'static str, Kind)],
    /// Whether it belongs to something always.
    pub owned: bool,
    /// Whether its tables have lines of their own.
    pub as_tables: bool,
    /// Its own fields.
    pub fields: &'static [Field],
    /// What an element says.
    pub read: fn(Element<'_>, &mut Entity),
    /// Have a table say what is different.
    pub write: fn(&mut dyn TableLike, &Change<'_>) -> Result<(), FieldErrors>,
}

/// From one entity to another, or from nothing.
pub struct Change<'c> {
    /// What it was; empty if it is new.
    pub before: &'c Entity,
    /// What it is to be, all of its fields.
    pub after: &'c Entity,
}

impl Change<'_> {
    /// Whether any of these is different.
    pub fn concerns(&self, fields: &[&str]) -> bool {
        fields.iter().any(|field| self.before.get(*field) != self.after.get(*field))
    }

    /// What it is to be; null if nothing.
    pub fn after(&self, field: &str) -> &Json {
        self.after.get(field).unwrap_or(&Json::Null)
    }

    /// Have `key` say this field, if it is different, and nothing if it is what it would be anyhow.
    fn plain(&self, table: &mut dyn TableLike, field: &str, key: &str, otherwise: &Json) {
        if self.concerns(&[field]) {
            let value = self.after(field);
            set(table, key, if value == otherwise { &Json::Null } else { value });
        }
    }
}

/// What every entity has.
pub(super) const COMMON: &[Field] = &[
    Field::new("id", Type::Text(uuid), "Tells it from all others, whatever else changes: a UUID."),
    Field::new("created_at", Type::Integer(0, i64::MAX), "When it was made, in seconds since 1970."),
    Field::new("updated_at", Type::Integer(0, i64::MAX), "When it was last changed, in seconds since 1970."),
    Field::new("tags", Type::Array(&Type::Text(tag)), "What it is filed under."),
];

impl Kind {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Service,
        Self::Route,
        Self::Plugin,
        Self::Consumer,
        Self::KeyAuth,
        Self::BasicAuth,
        Self::Jwt,
        Self::HmacAuth,
        Self::Acl,
        Self::Upstream,
        Self::Target,
        Self::Certificate,
        Self::Sni,
        Self::CaCertificate,
    ];

    /// What is to be known of it.
    pub fn spec(self) -> &'static Spec {
        match self {
            Self::Service => &services::SPEC,
            Self::Route => &routes::SPEC,
            Self::Plugin => &plugins::SPEC,
            Self::Consumer => &consumers::SPEC,
            Self::KeyAuth => &credentials::KEY_AUTH,
            Self::BasicAuth => &credentials::BASIC_AUTH,
            Self::Jwt => &credentials::JWT,
            Self::HmacAuth => &credentials::HMAC_AUTH,
            Self::Acl => &consumers::ACL,
            Self::Upstream => &upstreams::SPEC,
            Self::Target => &upstreams::TARGET,
            Self::Certificate => &certificates::SPEC,
            Self::Sni => &certificates::SNI,
            Self::CaCertificate => &certificates::CA,
        }
    }

    /// All of its fields but those that say what it belongs to.
    pub fn fields(self) -> Vec<Field> {
        COMMON.iter().chain(self.spec().fields).copied().collect()
    }

    /// The plugin that asks for such a credential, as gateway.toml has it.
    pub fn credential(self) -> Option<&'static str> {
        credentials::PLUGINS.iter().find(|(kind, _)| *kind == self).map(|(_, plugin)| *plugin)
    }

    /// What `element`, one of this kind, says, all of its own fields.
    pub fn read(self, element: Element<'_>) -> Entity {
        let mut entity = super::schema::defaults(&self.fields());
        for field in COMMON {
            entity.insert(field.name.to_owned(), element.get(field.name));
        }
        (self.spec().read)(element, &mut entity);
        entity
    }

    /// Have `table` say what `change` is about.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn write(self, table: &mut dyn TableLike, change: &Change<'_>) -> Result<(), FieldErrors> {
        for field in COMMON {
            change.plain(table, field.name, field.name, &Json::Null);
        }
        (self.spec().write)(table, change)
    }
}

/// Notes which of these fields, that Kong has and gateway.toml has not, are said to be anything but what they are anyhow.
fn refuse_all_but_defaults(fields: &[Field], names: &[&str], change: &Change<'_>, wrong: &mut FieldErrors) {
    for field in fields.iter().filter(|field| names.contains(&field.name)) {
        if *change.after(field.name) != field.otherwise() {
            let otherwise = field.default.unwrap_or("null");
            wrong.insert(
                field.name.to_owned(),
                Json::from(format!("not to be had here: leave it out, or say {otherwise}")),
            );
        }
    }
}

/// A period as gateway.toml says it: `"60s"`, `"1500ms"`.
fn period(milliseconds: &Json) -> Json {
    match milliseconds.as_i64() {
        None => Json::Null,
        Some(milliseconds) if milliseconds % 1000 == 0 => Json::String(format!("{}s", milliseconds / 1000)),
        Some(milliseconds) => Json::String(format!("{milliseconds}ms")),
    }
}

/// The milliseconds of a period of gateway.toml.
fn milliseconds(said: &Json) -> Option<Json> {
    let period: crate::config::values::Period = said.as_str()?.parse().ok()?;
    i64::try_from(period.0.as_millis()).ok().map(Json::from)
}
