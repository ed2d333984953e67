//! Whether a body is the one whose digest was signed: Content-Digest (RFC 9530), or Digest (RFC 3230) as
//! Kong's clients send it.

use base64::Engine;
use tidegate_sdk::crypto::{self, Hash};
use tidegate_sdk::prelude::*;

use super::BASE64;
use super::signed::Covered;
use super::structured::Dictionary;

/// Whether `body` has the digest that was signed. Only an empty one needs none.
pub(crate) fn matches(request: &Request, body: &[u8], covered: &Covered) -> bool {
    let field = |name| covered.has_header(name).then(|| super::field(request, name)).flatten();
    if let Some(value) = field("content-digest") {
        return all_match(content_digests(&value), body);
    }
    match field("digest") {
        Some(value) => all_match(digests(&value), body),
        None => body.is_empty(),
    }
}

/// Each digest that is known here has to be right, and there has to be one.
fn all_match(digests: Option<Vec<(Hash, Vec<u8>)>>, body: &[u8]) -> bool {
    let digests = digests.unwrap_or_default();
    !digests.is_empty() && digests.into_iter().all(|(hash, digest)| crypto::digest(hash, body) == digest)
}

/// `sha-256=:…:, sha-512=:…:`
fn content_digests(value: &[u8]) -> Option<Vec<(Hash, Vec<u8>)>> {
    let members = Dictionary::parse(value)?;
    let known = members.names().filter_map(|name| Some((hash(name)?, name)));
    known.map(|(hash, name)| Some((hash, members.bytes(name)?.to_vec()))).collect()
}

/// `SHA-256=…,SHA-512=…`
fn digests(value: &[u8]) -> Option<Vec<(Hash, Vec<u8>)>> {
    let mut known = Vec::new();
    for digest in str::from_utf8(value).ok()?.split(',') {
        let (name, encoded) = digest.split_once('=')?;
        if let Some(hash) = hash(&name.trim_ascii().to_ascii_lowercase()) {
            known.push((hash, BASE64.decode(encoded.trim_ascii()).ok()?));
        }
    }
    Some(known)
}

/// Those that nobody can find another body for.
fn hash(name: &str) -> Option<Hash> {
    match name {
        "sha-256" => Some(Hash::Sha256),
        "sha-512" => Some(Hash::Sha512),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tidegate_sdk::testing::{Exchange, Hook};

    use super::*;

    /// Whether the body goes with these fields, all of which were signed unless it says otherwise.
    fn goes(body: &str, fields: &[(&str, &str)], signed: &[&str]) -> bool {
        let covered = Covered::Rfc9421(signed.iter().map(|name| (*name).to_owned()).collect());
        let told = Hook(|request: &mut Request| {
            Flow::reply(if matches(request, body.as_bytes(), &covered) { 200 } else { 401 }).empty()
        });
        let mut exchange = Exchange::new("POST", "/");
        for (name, value) in fields {
            exchange = exchange.header(name, value);
        }
        exchange.request(&told).reply().status == 200
    }

    /// Of RFC 9530, appendix A and B, and of RFC 9421, appendix B.2: with and without a newline at its end.
    #[test]
    fn published_digests_are_right() {
        for (body, value) in [
            ("{\"hello\": \"world\"}\n", "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"),
            (
                "{\"hello\": \"world\"}\n",
                "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:",
            ),
            (
                "{\"hello\": \"world\"}",
                "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
            ),
            ("{\"hello\": \"world\"}", "md5=:AAAA:, sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"),
        ] {
            assert!(goes(body, &[("content-digest", value)], &["content-digest"]), "{value}");
            assert!(!goes("{}", &[("content-digest", value)], &["content-digest"]), "{value}");
        }
        // Kong's own example.
        let value = "SHA-256=SBH7QEtqnYUpEcIhDbmStNd1MxtHg2+feBfWc1105MA=";
        for value in [value.to_owned(), format!("md5=AAAA, {}", value.replace("SHA", "sha"))] {
            assert!(goes("A small body", &[("digest", &value)], &["digest"]), "{value}");
            assert!(!goes("A small bodY", &[("digest", &value)], &["digest"]), "{value}");
        }
    }

    #[test]
    fn a_digest_counts_only_if_it_was_signed_and_says_something() {
        let right = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
        let body = "{\"hello\": \"world\"}";
        assert!(!goes(body, &[("content-digest", right)], &["digest"]));
        assert!(!goes(body, &[], &[]));
        for value in
            ["", "md5=:AAAA:", "sha-256", "sha-256=AAAA", "sha-256=:A", "=", &format!("{right}, sha-512=:AAAA:")]
        {
            assert!(!goes(body, &[("content-digest", value)], &["content-digest"]), "{value:?}");
            assert!(!goes(body, &[("digest", value)], &["digest"]), "{value:?}");
        }
    }

    #[test]
    fn an_empty_body_needs_no_digest_but_one_that_was_signed_has_to_be_its() {
        assert!(goes("", &[], &[]));
        assert!(goes("", &[("digest", "SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")], &["digest"]));
        assert!(!goes("", &[("digest", "SHA-256=SBH7QEtqnYUpEcIhDbmStNd1MxtHg2+feBfWc1105MA=")], &["digest"]));
    }
}
