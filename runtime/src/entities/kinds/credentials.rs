//! What consumers show. Secrets are never shown again: `***` stands for one, and written back it changes nothing.

use serde_json::{Value as Json, json};
use toml_edit::TableLike;

use super::texts::any;
use super::{Change, Entity, Kind, Spec, refuse_all_but_defaults};
use crate::crypto::password;
use crate::entities::error::FieldErrors;
use crate::entities::schema::{Field, Type};
use crate::entities::tree::{Element, set};

const fn spec(collection: &'static str, label: &'static str, fields: &'static [Field]) -> Spec {
    Spec {
        collection,
        list: "credentials",
        label: Some(label),
        label_key: label,
        owners: &[("consumer", Kind::Consumer)],
        owned: true,
        as_tables: false,
        fields,
        read,
        write,
    }
}

pub(super) const KEY_AUTH: Spec = spec("key-auths", "key", KEY_FIELDS);

const KEY_FIELDS: &[Field] = &[
    Field::new("key", Type::Text(any), "The key; made up if it is left out. \"sha256:…\" keeps only what it takes."),
    Field::new("ttl", Type::Integer(0, 100_000_000), "Not to be had here: a key is taken until it is removed."),
];

pub(super) const BASIC_AUTH: Spec = spec(
    "basic-auths",
    "username",
    &[
        Field::new("username", Type::Text(any), "Who says so.").required(),
        Field::new("password", Type::Text(any), "The password, of which only a hash is kept; or such a hash.")
            .required(),
    ],
);

pub(super) const JWT: Spec = spec(
    "jwts",
    "key",
    &[
        Field::new("key", Type::Text(any), "What the claim says that names the consumer; made up if it is left out."),
        Field::new("secret", Type::Text(any), "For HS256, HS384 and HS512; made up if it is left out."),
        Field::new("algorithm", Type::OneOf(ALGORITHMS), "How tokens are signed.").or("\"HS256\""),
        Field::new("rsa_public_key", Type::Text(any), "For the others: a public key or a certificate, in PEM."),
    ],
);

pub(super) const HMAC_AUTH: Spec = spec(
    "hmac-auths",
    "username",
    &[
        Field::new("username", Type::Text(any), "Who says so.").required(),
        Field::new("secret", Type::Text(any), "What requests are signed with; made up if it is left out."),
    ],
);

const ALGORITHMS: &[&str] = &[
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
];

/// Which plugin asks for which, as gateway.toml and Kong's paths say it.
pub(super) const PLUGINS: [(Kind, &str); 4] =
    [(Kind::KeyAuth, "key-auth"), (Kind::BasicAuth, "basic-auth"), (Kind::Jwt, "jwt"), (Kind::HmacAuth, "hmac-auth")];

/// Fields as gateway.toml has them.
const KEYS: [(&str, &str); 6] = [
    ("key", "key"),
    ("username", "username"),
    ("password", "password"),
    ("secret", "secret"),
    ("algorithm", "algorithm"),
    ("rsa_public_key", "public_key"),
];

/// What stands for a secret.
pub(super) const HIDDEN: &str = "***";

/// `entity`, one of this kind, without its secrets; references to where they are may be seen.
pub fn hidden(kind: Kind, mut entity: Entity) -> Entity {
    let secrets: &[&str] = match kind {
        Kind::KeyAuth => &["key"],
        Kind::BasicAuth => &["password"],
        Kind::Jwt | Kind::HmacAuth => &["secret"],
        Kind::Certificate => &["key", "key_alt"],
        _ => &[],
    };
    for secret in secrets {
        if let Some(Json::String(text)) = entity.get_mut(*secret)
            && !text.starts_with("env:")
            && !text.starts_with("file:")
        {
            HIDDEN.clone_into(text);
        }
    }
    entity
}

fn read(credential: Element<'_>, entity: &mut Entity) {
    for (field, key) in KEYS {
        let said = credential.get(key);
        if let (false, Some(value)) = (said.is_null(), entity.get_mut(field)) {
            *value = said;
        }
    }
}

fn write(table: &mut dyn TableLike, change: &Change<'_>) -> Result<(), FieldErrors> {
    let mut wrong = FieldErrors::new();
    refuse_all_but_defaults(KEY_FIELDS, &["ttl"], change, &mut wrong);
    if !wrong.is_empty() {
        return Err(wrong);
    }
    for (field, key) in KEYS {
        let after = change.after(field);
        if !change.concerns(&[field]) || after == HIDDEN {
            continue;
        }
        match after.as_str() {
            Some(text) if field == "password" && !is_kept(text) => {
                let hash = password::hash(text.as_bytes());
                let hash =
                    hash.map_err(|error| FieldErrors::from_iter([(field.to_owned(), json!(error.to_string()))]))?;
                set(table, key, &Json::String(hash));
            }
            _ if field == "algorithm" && after == "HS256" => set(table, key, &Json::Null),
            _ => set(table, key, after),
        }
    }
    Ok(())
}

/// Whether this is a password's hash already, or says where one is.
fn is_kept(text: &str) -> bool {
    text.starts_with("env:") || text.starts_with("file:") || password::is_hash(text)
}
