//! `http-client`: requests to the origins that the use is granted.

use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Method, Request, Uri};

use super::{all, field};
use crate::config::values::Origin;
use crate::host::bindings::tidegate::plugin::http_client::{Error, Host, Incoming, Outgoing};
use crate::host::fetch::FetchError;
use crate::host::state::State;
use crate::limits;

impl Host for State {
    async fn fetch(&mut self, request: Outgoing) -> wasmtime::Result<Result<Incoming, Error>> {
        self.count()?;
        if !self.is_called() {
            return Err(wasmtime::format_err!("no server can be asked while a plugin is loaded"));
        }
        let timeout = request.timeout_ms.map_or(limits::FETCH_TIME, |ms| Duration::from_millis(ms.into()));
        let fetched = match prepare(request) {
            Err(problem) => Err(Error::Invalid(problem)),
            Ok((origin, request)) => match self.grants.fetcher(&origin) {
                None => Err(Error::NotGranted),
                Some(fetcher) => {
                    fetcher.fetch(&origin, request, timeout.min(limits::FETCH_TIME_MAX)).await.map_err(Error::from)
                }
            },
        };
        Ok(fetched.map(|(head, body)| Incoming {
            status: head.status.as_u16(),
            headers: all(&head.headers),
            body: body.into(),
        }))
    }
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
