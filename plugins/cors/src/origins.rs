//! The origins of a setting: parsed, and their regexes compiled, when the plugin is configured.

use std::borrow::Cow;

use regex_lite::{Regex, RegexBuilder};
use tidegate_sdk::HeaderValue;
use tidegate_sdk::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use tidegate_sdk::serde::de::{Deserialize, Deserializer, Error};

/// Whom a setting lets in.
pub(crate) enum Origins {
    Any,
    Listed(Listed),
}

/// What an origin is compared with, one after another.
pub(crate) struct Listed(Vec<Pattern>);

enum Pattern {
    /// `https://shop.example.com:8443`, as browsers write it.
    Origin(String),
    /// `shop.example.com`, with any scheme and port.
    Host(String),
    /// The whole origin.
    OriginLike(Regex),
    /// The whole host.
    HostLike(Regex),
}

/// Longer ones are nobody's: a host's name has 253 characters at most. So nothing that a client sends can keep the
/// regexes busy.
const LONGEST: usize = 300;

/// Bytes of a compiled regex.
const REGEX_BYTES: usize = 1 << 20;

impl Listed {
    /// Whether this is one of them: compared as it stands, as all browsers write an origin alike (RFC 6454,
    /// section 6.2).
    pub(crate) fn have(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        let host = host(origin);
        origin.len() <= LONGEST
            && self.0.iter().any(|pattern| match pattern {
                Pattern::Origin(known) => known == origin,
                Pattern::Host(known) => known == host,
                Pattern::OriginLike(regex) => regex.is_match(origin),
                Pattern::HostLike(regex) => regex.is_match(host),
            })
    }
}

/// Without scheme and port; "null", which has neither, is itself.
fn host(origin: &str) -> &str {
    let authority = origin.split_once("://").map_or(origin, |(_, authority)| authority);
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

impl Origins {
    fn parse(entries: &[String]) -> Result<Self, String> {
        if entries.iter().any(|entry| entry == "*") {
            return Ok(Self::Any);
        }
        let parse = |entry: &String| Pattern::parse(entry).map_err(|problem| format!("{entry:?} {problem}"));
        entries.iter().map(parse).collect::<Result<_, _>>().map(|patterns| Self::Listed(Listed(patterns)))
    }
}

impl Pattern {
    fn parse(entry: &str) -> Result<Self, String> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ".:/-".contains(c);
        if entry.chars().all(is_plain) { Self::plain(entry) } else { Self::regex(entry) }
    }

    fn plain(entry: &str) -> Result<Self, String> {
        const NEITHER: &str = "is no origin and no host: like https://shop.example.com or shop.example.com";
        let entry = entry.strip_suffix('/').unwrap_or(entry).to_ascii_lowercase();
        let Some((scheme, authority)) = entry.split_once("://") else {
            let is_host = !entry.is_empty() && !entry.contains([':', '/']);
            return if is_host { Ok(Self::Host(entry)) } else { Err(NEITHER.to_owned()) };
        };
        if scheme.is_empty() || authority.is_empty() || authority.contains('/') {
            return Err(NEITHER.to_owned());
        }
        // Browsers leave it out.
        let own_port = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => "",
        };
        Ok(Self::Origin(entry.strip_suffix(own_port).unwrap_or(&entry).to_owned()))
    }

    fn regex(entry: &str) -> Result<Self, String> {
        // As a regex it would let in whoever registers "xexample.com", and no subdomain.
        if entry.split("://").any(|part| part.starts_with("*.")) {
            return Err("means no subdomains, as regexes go: those of example.com are \
                        `https://[a-z0-9.-]+\\.example\\.com`"
                .to_owned());
        }
        let compile = |regex: &str| {
            RegexBuilder::new(regex).size_limit(REGEX_BYTES).build().map_err(|error| format!("is no regex: {error}"))
        };
        // All of it has to match, also where there are alternatives. By itself first: `a)|(b` is no regex.
        let regex = compile(entry).and_then(|_| compile(&format!("^(?:{entry})$")))?;
        // The colon of a group says nothing of a scheme.
        let names_scheme = entry.replace("(?:", "(").contains(':');
        Ok(if names_scheme { Self::OriginLike(regex) } else { Self::HostLike(regex) })
    }
}

impl<'de> Deserialize<'de> for Origins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&Vec::<String>::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl JsonSchema for Origins {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Origins".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": { "type": "string" }, "minItems": 1 })
    }
}

#[cfg(test)]
mod tests;
