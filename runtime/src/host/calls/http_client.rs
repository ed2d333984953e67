//! `http-client`: requests to the origins that the use is granted.

use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Method, Request, Uri};
use wasmtime::StoreContextMut;
use wasmtime::component::{HasSelf, Linker};

use super::all;
use crate::config::values::Origin;
use crate::host::bindings::tidegate::plugin::http_client::{self, Error, Host, Incoming, Outgoing};
use crate::host::edits::field;
use crate::host::fetch::{FetchError, Fetcher, Outcome};
use crate::host::grants::Grants;
use crate::host::state::State;
use crate::limits;

type Told = Result<Incoming, Error>;

/// Offer the interface. To who is granted no server it says just that, at once, so that its calls have nothing to wait
/// for.
pub(super) fn link(linker: &mut Linker<State>, grants: &Grants) -> wasmtime::Result<()> {
    if grants.has_origins() {
        return http_client::add_to_linker::<_, HasSelf<State>>(linker, |state| state);
    }
    type Ctx<'s> = StoreContextMut<'s, State>;
    let mut instance = linker.instance("tidegate:plugin/http-client@0.1.0")?;
    instance
        .func_wrap("fetch", |mut store: Ctx<'_>, (request,): (Outgoing,)| Ok((store.data_mut().refuse(request)?,)))?;
    instance.func_wrap("fetch-shared", |mut store: Ctx<'_>, (request, _): (Outgoing, u32)| {
        Ok((store.data_mut().refuse(request)?,))
    })
}

impl Host for State {
    async fn fetch(&mut self, request: Outgoing) -> wasmtime::Result<Told> {
        self.ask()?;
        let (fetcher, origin, request, limit) = match self.asked(request) {
            Ok(asked) => asked,
            Err(error) => return Ok(Err(error)),
        };
        Ok(told(fetcher.fetch(&origin, request, limit).await))
    }

    async fn fetch_shared(&mut self, request: Outgoing, within_ms: u32) -> wasmtime::Result<Told> {
        self.ask()?;
        let (fetcher, origin, request, limit) = match self.asked(request) {
            Ok(asked) => asked,
            Err(error) => return Ok(Err(error)),
        };
        let whose = (self.kv_space, Duration::from_millis(within_ms.into()));
        Ok(told(self.services.shared.fetch(whose, fetcher, &origin, request, limit).await))
    }
}

impl State {
    fn ask(&mut self) -> wasmtime::Result<()> {
        self.count()?;
        if !self.is_called() {
            return Err(wasmtime::format_err!("no server can be asked while a plugin is loaded"));
        }
        Ok(())
    }

    /// Who sends which request where, and for how long at most.
    fn asked(&self, request: Outgoing) -> Result<(&Fetcher, Origin, Request<Bytes>, Duration), Error> {
        let limit = request.timeout_ms.map_or(limits::FETCH_TIME, |ms| Duration::from_millis(ms.into()));
        let (origin, request) = prepare(request).map_err(Error::Invalid)?;
        let fetcher = self.grants.fetcher(&origin).ok_or(Error::NotGranted)?;
        Ok((fetcher, origin, request, limit.min(limits::FETCH_TIME_MAX)))
    }

    fn refuse(&mut self, request: Outgoing) -> wasmtime::Result<Told> {
        self.ask()?;
        Ok(Err(self.asked(request).err().unwrap_or(Error::NotGranted)))
    }
}

fn told(fetched: Outcome) -> Told {
    let (head, body) = fetched?;
    Ok(Incoming { status: head.status.as_u16(), headers: all(&head.headers), body: body.into() })
}

impl From<FetchError> for Error {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::TimedOut => Self::TimedOut,
            FetchError::TooLarge => Self::TooLarge,
            FetchError::Failed(story) => Self::Failed(story),
        }
    }
}

/// Where it goes, and the request as it goes there.
fn prepare(outgoing: Outgoing) -> Result<(Origin, Request<Bytes>), String> {
    let url: Uri = outgoing.url.parse().map_err(|error| format!("{:?} is no URL: {error}", outgoing.url))?;
    let (scheme, authority) = (url.scheme(), url.authority());
    let origin = match (scheme, authority) {
        (Some(scheme), Some(authority)) if [&Scheme::HTTP, &Scheme::HTTPS].contains(&scheme) => {
            let default = if *scheme == Scheme::HTTPS { 443 } else { 80 };
            if authority.as_str().contains('@') {
                return Err("a URL has no user in it".to_owned());
            }
            Origin {
                tls: *scheme == Scheme::HTTPS,
                host: authority.host().to_ascii_lowercase(),
                port: authority.port_u16().unwrap_or(default),
            }
        }
        _ => return Err(format!("{:?} is no absolute http or https URL", outgoing.url)),
    };
    if outgoing.headers.len() > limits::HEADER_FIELDS {
        return Err(format!("{} header fields are more than {}", outgoing.headers.len(), limits::HEADER_FIELDS));
    }
    let method = Method::from_bytes(outgoing.method.as_bytes())
        .ok()
        .filter(|method| *method != Method::CONNECT)
        .ok_or_else(|| format!("{:?} is no method that can be sent", outgoing.method))?;
    let mut headers = HeaderMap::with_capacity(outgoing.headers.len() + 1);
    for header in outgoing.headers {
        let (name, value) = field(header)?;
        if name == HOST {
            return Err("the host is what the URL says".to_owned());
        }
        headers.append(name, value);
    }
    let host = authority.map(Authority::as_str).unwrap_or_default();
    headers.insert(HOST, host.parse().map_err(|_| format!("{host:?} is no host"))?);
    let mut request = Request::new(Bytes::from(outgoing.body));
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().map_err(|error| format!("{path:?} is no path: {error}"))?;
    Ok((origin, request))
}
