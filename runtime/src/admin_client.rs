//! The command line's own client of the admin API: one request after the other, each on a connection of its own, over
//! HTTP, HTTPS or a unix socket. What a gateway refuses comes back as an error in its words.

mod place;
mod upload;

use std::fmt::Write;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use clap::Args;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::config::secret::Secret;
use crate::limits;
use crate::tls::client::{Client, Roots, Verify};
use crate::tls::files::{self, Pem};
use place::{Place, Wire};

/// The environment variable that a token is in, unless the command line says otherwise.
const TOKEN: &str = "TIDEGATE_ADMIN_TOKEN";

/// As whom to ask, and whom to trust.
#[derive(Debug, Args)]
pub(crate) struct Access {
    /// Where the admin API's token is: env:NAME or file:PATH. Without it, in the environment variable
    /// TIDEGATE_ADMIN_TOKEN, if that is set.
    #[arg(long, value_name = "WHERE", global = true)]
    token: Option<String>,
    /// Certificates of the authorities to trust for https, in PEM, instead of this machine's.
    #[arg(long, value_name = "FILE", global = true)]
    ca: Option<PathBuf>,
}

/// A gateway's admin API.
pub(crate) struct AdminClient {
    place: Place,
    token: Option<HeaderValue>,
    runtime: Runtime,
}

/// What a gateway answers that does what it is asked to.
pub(crate) struct Reply {
    /// Which generation has it, if it was a change.
    pub(crate) generation: Option<u64>,
    /// Null if there is none.
    pub(crate) body: Json,
}

impl AdminClient {
    /// That at `url`: http://…, https://… or unix:/….
    ///
    /// # Errors
    /// It is no such URL, or the token or the authorities cannot be read.
    pub(crate) fn new(url: &str, access: &Access) -> anyhow::Result<Self> {
        let tls = || {
            let roots = match &access.ca {
                None => Roots::System,
                Some(file) => Roots::Given(files::authorities(&Pem::read(file)?)?.roots),
            };
            let alpn = vec![b"http/1.1".to_vec()];
            Client { roots, certificate: None, verify: Verify::Full, alpn }.into_config()
        };
        let place = Place::read(url, tls)?;
        let token = access.token()?;
        if token.is_some() && place.is_overheard() {
            eprintln!("warning: whoever is on the way to {place} can read the token: use https");
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self { place, token, runtime: runtime.context("no thread is to be had")? })
    }

    /// What is at `path`; `None` if there is no such thing.
    ///
    /// # Errors
    /// The gateway cannot be reached, or refuses.
    pub(crate) fn look(&self, path: &str) -> anyhow::Result<Option<Json>> {
        let (status, reply) = self.ask(Method::GET, path, Bytes::new())?;
        if status == StatusCode::NOT_FOUND { Ok(None) } else { Ok(Some(self.granted(status, reply)?.body)) }
    }

    /// Have something done.
    ///
    /// # Errors
    /// The gateway cannot be reached, or refuses.
    pub(crate) fn order(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Reply> {
        let (status, reply) = self.ask(method, path, body)?;
        self.granted(status, reply)
    }

    fn granted(&self, status: StatusCode, reply: Reply) -> anyhow::Result<Reply> {
        if status.is_success() {
            return Ok(reply);
        }
        let mut words = format!("{} says: {}", self.place, told(&reply.body, status));
        if status == StatusCode::UNAUTHORIZED && self.token.is_none() {
            let _ = write!(words, "\n  help: put a token into {TOKEN}, or say where it is: --token file:PATH");
        }
        Err(anyhow!(words))
    }

    fn ask(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<(StatusCode, Reply)> {
        let asked = async {
            let wire = self.place.connect().await?;
            let exchanged = timeout(limits::ADMIN_CLIENT_ANSWER, self.exchange(wire, method, path, body));
            let within = limits::ADMIN_CLIENT_ANSWER.as_secs();
            exchanged.await.with_context(|| format!("{} does not answer within {within} s", self.place))?
        };
        self.runtime.block_on(asked)
    }

    async fn exchange(
        &self,
        wire: Box<dyn Wire>,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<(StatusCode, Reply)> {
        let broken = || format!("{} does not answer as an admin API does", self.place);
        let mut request =
            Request::builder().method(method).uri(self.place.target(path)).header(HOST, self.place.host());
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token);
        }
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/octet-stream");
        }
        let request = upload::held(request.body(())?, body);
        let (mut sender, connection) = http1::handshake(TokioIo::new(wire)).await.with_context(broken)?;
        let answered = async {
            let answer = sender.send_request(request).await?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, limits::ADMIN_CLIENT_ANSWER_BYTES).collect().await;
            anyhow::Ok((head, body.map_err(|error| anyhow!(error))?.to_bytes()))
        };
        let mut answered = pin!(answered);
        // The connection is moved along as long as the answer needs it: neither needs a task of its own.
        let answered = tokio::select! {
            biased;
            answered = &mut answered => answered,
            // All that came is with the other one by now. What ended the connection, that one says, too.
            _ = connection => answered.await,
        };
        let (head, body) = answered.with_context(broken)?;
        let generation = head.headers.get("x-gateway-generation").and_then(|value| value.to_str().ok()?.parse().ok());
        let body = match serde_json::from_slice(&body) {
            Ok(body) => body,
            Err(_) if body.is_empty() => Json::Null,
            // A proxy before it, perhaps, or something else altogether.
            Err(_) => bail!("{}: {} without JSON in it", broken(), head.status),
        };
        Ok((head.status, Reply { generation, body }))
    }
}

impl Access {
    fn token(&self) -> anyhow::Result<Option<HeaderValue>> {
        let text = match &self.token {
            None => std::env::var(TOKEN).ok().filter(|token| !token.is_empty()),
            Some(from) => match from.parse() {
                Ok(Secret::Plain(_) | Secret::Digest(_)) => {
                    bail!(
                        "--token says where the token is, for all can see a command's arguments: env:NAME or file:PATH"
                    )
                }
                Ok(secret) => {
                    Some(secret.reveal(".".as_ref()).map_err(|problem| anyhow!("--token {from}: {problem}"))?)
                }
                Err(problem) => bail!("--token {from}: {problem}"),
            },
        };
        let Some(text) = text else { return Ok(None) };
        let value = HeaderValue::from_str(&format!("Bearer {}", text.trim()));
        let mut value = value.map_err(|_| anyhow!("the token has characters that no token has"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// A refusal in words.
fn told(body: &Json, status: StatusCode) -> String {
    let message = body.get("message").and_then(Json::as_str);
    let mut words = message.map_or_else(|| status.to_string(), printable);
    if let Some(detail) = body.get("detail").and_then(Json::as_str) {
        let _ = write!(words, ": {}", printable(detail));
    }
    for fault in body.get("faults").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
        let _ = write!(words, "\n  {}", printable(fault).replace('\n', "\n  "));
    }
    words
}

/// `text` from elsewhere, for a terminal: nothing in it may command that.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() && char != '\n' { '\u{fffd}' } else { char }).collect()
}

/// `text` as one segment of a path.
pub(crate) fn segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    segment
}

/// What a field says, however it is written.
pub(crate) fn field(object: &Json, name: &str) -> String {
    match object.get(name) {
        None | Some(Json::Null) => String::new(),
        Some(Json::String(text)) => printable(text),
        Some(other) => other.to_string(),
    }
}

/// What [`Place::read`] asks for once it knows that TLS is spoken.
type TlsConfig = Arc<rustls::ClientConfig>;

#[cfg(test)]
mod tests {
    use super::*;

    fn token(from: &str) -> Result<Option<HeaderValue>, String> {
        let access = Access { token: Some(from.to_owned()), ca: None };
        access.token().map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn tokens_are_never_arguments() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "s3cret-0123456789\n").unwrap();
        assert_eq!(token(&format!("file:{}", file.display())).unwrap().unwrap(), "Bearer s3cret-0123456789");
        for (from, expected) in [
            ("s3cret-0123456789", "says where the token is"),
            ("file:/nowhere", "/nowhere cannot be read"),
            ("env:NO_SUCH_VARIABLE_HERE", "is not set"),
            ("", "cannot be empty"),
        ] {
            let problem = token(from).unwrap_err();
            assert!(problem.contains(expected) && !problem.contains("s3cret"), "{from}: {problem}");
        }
    }

    #[test]
    fn words_from_elsewhere_do_not_command_a_terminal() {
        let body = serde_json::json!({ "message": "no\u{1b}[2J", "detail": "for\u{7} good", "faults": ["a\nb"] });
        assert_eq!(told(&body, StatusCode::BAD_REQUEST), "no\u{fffd}[2J: for\u{fffd} good\n  a\n  b");
        assert_eq!(told(&Json::Null, StatusCode::BAD_GATEWAY), "502 Bad Gateway");
    }
}
