//! Lets requests through by the certificate that the client has shown in its TLS handshake, and tells the
//! upstream whose it is. The listener has verified it; here it is matched with a consumer. Settings and
//! answers are those of Kong's plugin of this name, as far as they are not the listener's.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use tidegate_sdk::exchange::ClientCertificate;
use tidegate_sdk::prelude::*;

/// How a certificate is matched with a consumer, and what to do where there is none.
#[derive(Config)]
struct Settings {
    /// Username of the consumer that requests without a certificate of somebody's are taken for, instead of
    /// being refused. Requests that another plugin has let in already are not asked for one.
    anonymous: Option<String>,
    /// What a name in the certificate, an alternative one or the common name, may be of a consumer that has no
    /// credential for it.
    #[config(default = vec![Property::Username, Property::CustomId])]
    #[schemars(extend("default" = ["username", "custom_id"]))]
    consumer_by: Vec<Property>,
    /// Username of the consumer whom a verified certificate of nobody's is taken for.
    default_consumer: Option<String>,
    /// Let every verified certificate through, whosever it is, and tell the upstream its subject by
    /// X-Client-Cert-DN and its alternative names by X-Client-Cert-SAN.
    #[config(default = false)]
    skip_consumer_lookup: bool,
}

/// What consumers are found by.
#[derive(Config, Clone, Copy)]
enum Property {
    /// The consumer's username.
    #[serde(rename = "username")]
    Username,
    /// The operator's own id for it.
    #[serde(rename = "custom_id")]
    CustomId,
}

impl RequestHook<Result> for Settings {
    fn on_request(&self, request: &mut Request) -> Result {
        if self.skip_consumer_lookup {
            TOLD_OF_CERTIFICATE.iter().for_each(|header| request.remove_header(header));
        }
        if self.anonymous.is_some() && identity::settled() {
            return Ok(Flow::Next);
        }
        let Some(shown) = exchange::client_certificate() else {
            return self.refuse("No required TLS certificate was sent");
        };
        // The handshake may have been long ago, or have taken up an older one.
        if has_ended(&shown) {
            return self.refuse(FAILED);
        }
        if self.skip_consumer_lookup {
            tell(request, &shown);
            return Ok(Flow::Next);
        }
        if self.finds(&shown)? {
            return Ok(Flow::Next);
        }
        match &self.default_consumer {
            Some(username) => {
                identity::authenticate_as(username)?;
                Ok(Flow::Next)
            }
            None => self.refuse(FAILED),
        }
    }
}

export!(Settings: RequestHook, priority = 1600);

/// What this plugin's credentials are called.
const KIND: &str = "mtls-auth";

const FAILED: &str = "TLS certificate failed verification";

/// What the upstream is told where nobody is looked up.
const TOLD_OF_CERTIFICATE: [&str; 2] = ["x-client-cert-dn", "x-client-cert-san"];

impl Settings {
    /// Whether the certificate is somebody's, whom the request then comes from: by a credential, what says
    /// most about the certificate first, or by name.
    fn finds(&self, shown: &ClientCertificate) -> Result<bool> {
        let ClientCertificate { subject, fingerprint, uris, dns_names, emails, .. } = shown;
        let whole = [format!("fingerprint:{fingerprint}"), format!("subject:{subject}")];
        let uris = uris.iter().map(|uri| format!("uri:{uri}"));
        let dns_names = dns_names.iter().map(|name| format!("dns:{}", name.to_ascii_lowercase()));
        let emails = emails.iter().map(|email| format!("email:{email}"));
        let mut keys = whole.into_iter().chain(uris).chain(dns_names).chain(emails);
        if keys.any(|key| identity::authenticate_by_key(KIND, &key)) {
            return Ok(true);
        }
        for name in names(shown) {
            for property in &self.consumer_by {
                let consumer = match property {
                    Property::Username => identity::consumer(&name),
                    Property::CustomId => identity::consumer_by_custom_id(&name),
                };
                if let Some(consumer) = consumer {
                    identity::authenticate_as(&consumer.username)?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn refuse(&self, message: &str) -> Result {
        if let Some(anonymous) = &self.anonymous {
            identity::authenticate_anonymously(anonymous)?;
            return Ok(Flow::Next);
        }
        Ok(Flow::reply(401).json(&json!({ "message": message })))
    }
}

fn has_ended(shown: &ClientCertificate) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::MAX);
    Duration::from_secs(shown.not_after) < now
}

/// Whom the certificate names: the common name, which has no type, comes last. Case does not matter in DNS
/// names, so they are looked up in lower case.
fn names(shown: &ClientCertificate) -> impl Iterator<Item = Cow<'_, str>> {
    let dns_names = shown.dns_names.iter().map(|name| Cow::Owned(name.to_ascii_lowercase()));
    let others = shown.emails.iter().chain(&shown.uris).chain(&shown.common_name);
    dns_names.chain(others.map(|name| Cow::Borrowed(name.as_str()))).filter(|name| !name.is_empty())
}

fn tell(request: &mut Request, shown: &ClientCertificate) {
    let [subject, alternative] = TOLD_OF_CERTIFICATE;
    request.set_header(subject, shown.subject.as_str());
    let names = [("DNS", &shown.dns_names), ("email", &shown.emails), ("URI", &shown.uris)];
    let names = names.into_iter().flat_map(|(kind, names)| names.iter().map(move |name| typed(kind, name)));
    let names: Vec<String> = names.collect();
    if !names.is_empty() {
        request.set_header(alternative, names.join(", "));
    }
}

/// A name with its type; in quotes, as in JSON, if it could be taken for two.
fn typed(kind: &str, name: &str) -> String {
    if name.contains([',', '"']) { format!("{kind}:{}", json!(name)) } else { format!("{kind}:{name}") }
}

#[cfg(test)]
mod tests;
