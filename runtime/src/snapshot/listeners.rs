//! What connections of each listener begin with: their certificates, those that all listeners share, and what is asked
//! of clients.

use std::collections::HashMap;
use std::sync::Arc;

use super::ListenerSettings;
use crate::certificates::{self, Certificates};
use crate::config::Config;
use crate::config::checked::{ClientAuth, ServerTls};
use crate::config::faults::Faults;
use crate::config::reader::Located;
use crate::proxy::worker::ListenerId;
use crate::tls::acceptor::Acceptor;
use crate::tls::names::{Names, Offer};
use crate::tls::server::{self, Server};

/// Those of all listeners, which have these ids. What is wrong is noted.
pub(super) fn settings(
    config: &Config,
    ids: &[ListenerId],
    certificates: &mut Certificates,
    faults: &Faults,
) -> HashMap<ListenerId, Arc<ListenerSettings>> {
    let shared = Arc::new(certificates.shared(&config.certificates, faults));
    let mut settings = HashMap::new();
    for (listed, id) in config.listeners.iter().zip(ids) {
        let listener = &listed.value;
        let tls = match &listener.tls {
            None => None,
            Some(tls) => match acceptor(tls, listener.http2, &shared, certificates, faults) {
                Some(Ok(acceptor)) => Some(acceptor),
                Some(Err(error)) => {
                    faults.at(&listed.span, error.to_string());
                    continue;
                }
                // Must not be served in the clear; the faults that were noted refuse it all anyway.
                None => continue,
            },
        };
        let (http2, proxy_protocol) = (listener.http2, listener.proxy_protocol);
        settings.insert(*id, Arc::new(ListenerSettings { tls, http2, proxy_protocol }));
    }
    settings
}

/// What connections of a server that shares nothing with the listeners are accepted with: the admin API's.
pub(crate) fn acceptor_of_its_own(tls: &ServerTls, faults: &Faults) -> Option<Acceptor> {
    let mut certificates = Certificates::default();
    match acceptor(tls, false, &Arc::default(), &mut certificates, faults)? {
        Ok(acceptor) => Some(acceptor),
        Err(error) => {
            faults.whole(format!("`admin.tls`: {error}"), "check its certificates");
            None
        }
    }
}

fn acceptor(
    tls: &ServerTls,
    http2: bool,
    shared: &Arc<Names>,
    certificates: &mut Certificates,
    faults: &Faults,
) -> Option<Result<Acceptor, crate::tls::Error>> {
    // All of them are looked at before any fault ends it.
    let own: Vec<_> = tls.certificates.iter().map(|pair| certificates.pair(pair, faults)).collect();
    let authorities = |ca: &[Located<_>]| certificates::authorities(ca, faults);
    let client_auth = match &tls.client_auth {
        ClientAuth::None => server::ClientAuth::None,
        ClientAuth::Optional(ca) => server::ClientAuth::Optional(authorities(ca)?),
        ClientAuth::Required(ca) => server::ClientAuth::Required(authorities(ca)?),
    };
    let own = own.into_iter().collect::<Option<Vec<_>>>()?;
    let offer = Arc::new(Offer::new(Names::of_listener(&own), Arc::clone(shared)));
    let min = if tls.only_tls13 { server::Version::Tls13 } else { server::Version::Tls12 };
    Some(Acceptor::new(Server { offer, client_auth, min, http2 }))
}
