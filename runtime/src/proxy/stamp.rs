//! What every answer says of its way, in milliseconds (Kong: X-Kong-Upstream-Latency, -Proxy-Latency and, on its own
//! answers, -Response-Latency).

use http::header::{HeaderMap, HeaderName, HeaderValue, VIA};

use super::http1::head::decimal;
use super::ongoing::Ongoing;
use super::{answer, forward};

/// See the module.
pub(super) struct Stamp {
    id: HeaderValue,
    latency: Latency,
}

/// How long it took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Latency {
    /// An upstream's answer: what it took, and what was before and behind.
    Upstream { upstream: u64, proxy: u64 },
    /// One of the gateway's own.
    Own(u64),
}

impl Stamp {
    pub(super) fn of(ongoing: &Ongoing) -> Self {
        let journal = &ongoing.journal;
        let milliseconds = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let total = journal.answered;
        let latency = match (journal.upstream, journal.upstream_status) {
            (Some(upstream), Some(_)) => Latency::Upstream {
                upstream: milliseconds(upstream),
                proxy: milliseconds(total.saturating_sub(upstream)),
            },
            _ => Latency::Own(milliseconds(total)),
        };
        Self { id: journal.id.clone(), latency }
    }

    /// One that takes an answer for the gateway's own, and nothing for long.
    #[cfg(test)]
    pub(super) fn own() -> Self {
        Self { id: HeaderValue::from_static("id"), latency: Latency::Own(0) }
    }

    /// Whether it says itself what a field of this name does.
    pub(super) fn replaces(&self, name: &HeaderName) -> bool {
        let name_length = name.as_str().len();
        // Every name of an answer comes by here, and hardly any is as long.
        if name_length < SHORTEST {
            return false;
        }
        *name == answer::REQUEST_ID
            || match self.latency {
                Latency::Upstream { .. } => *name == answer::UPSTREAM_LATENCY || *name == answer::PROXY_LATENCY,
                Latency::Own(_) => *name == answer::RESPONSE_LATENCY,
            }
    }

    /// Show every field to `visit`. What it does not replace, it comes behind.
    pub(super) fn each_field(&self, mut visit: impl FnMut(&HeaderName, &[u8])) {
        visit(&answer::REQUEST_ID, self.id.as_bytes());
        match self.latency {
            Latency::Upstream { upstream, proxy } => {
                decimal(upstream, |digits| visit(&answer::UPSTREAM_LATENCY, digits));
                decimal(proxy, |digits| visit(&answer::PROXY_LATENCY, digits));
                visit(&VIA, forward::VIA.as_bytes());
            }
            Latency::Own(total) => decimal(total, |digits| visit(&answer::RESPONSE_LATENCY, digits)),
        }
    }

    /// Put every field into `headers`.
    pub(super) fn put_into(self, headers: &mut HeaderMap) {
        headers.insert(&answer::REQUEST_ID, self.id);
        match self.latency {
            Latency::Upstream { upstream, proxy } => {
                headers.insert(&answer::UPSTREAM_LATENCY, HeaderValue::from(upstream));
                headers.insert(&answer::PROXY_LATENCY, HeaderValue::from(proxy));
                headers.append(VIA, forward::VIA);
            }
            Latency::Own(total) => _ = headers.insert(&answer::RESPONSE_LATENCY, HeaderValue::from(total)),
        }
    }
}

/// "x-gateway-request-id".
const SHORTEST: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_written_or_put_into_a_head() {
        for latency in [Latency::Upstream { upstream: 12, proxy: 0 }, Latency::Own(u64::MAX)] {
            let stamp = || Stamp { id: HeaderValue::from_static("id"), latency };
            let mut upstreams = HeaderMap::new();
            for name in [
                answer::REQUEST_ID.clone(),
                answer::UPSTREAM_LATENCY.clone(),
                answer::PROXY_LATENCY.clone(),
                answer::RESPONSE_LATENCY.clone(),
                VIA,
            ] {
                assert!(!stamp().replaces(&name) || name.as_str().len() >= SHORTEST);
                upstreams.append(name, HeaderValue::from_static("upstream's"));
            }
            let mut put = upstreams.clone();
            stamp().put_into(&mut put);
            let mut written = HeaderMap::new();
            for (name, value) in upstreams.iter().filter(|(name, _)| !stamp().replaces(name)) {
                written.append(name.clone(), value.clone());
            }
            stamp().each_field(|name, value| _ = written.append(name.clone(), HeaderValue::from_bytes(value).unwrap()));
            assert_eq!(put, written);
        }
    }
}
