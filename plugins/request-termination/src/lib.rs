//! Answers in place of the upstream: always, or when a request asks for it by a header or a query
//! parameter. Settings and answers are those of Kong's plugin of this name.

use tidegate_sdk::prelude::*;

mod echo;

/// When to answer, and what.
#[derive(Config)]
#[config(validate = Settings::check)]
struct Settings {
    /// The answer's status.
    #[config(default = 503)]
    #[schemars(range(min = 200, max = 599))]
    status_code: u16,
    /// What the answer says, as JSON: `{"message": …}`. Left out, it is what the status is called.
    message: Option<String>,
    /// The answer's body, instead of `message`.
    body: Option<String>,
    /// What `body` is; `application/json; charset=utf-8` if it is left out.
    content_type: Option<String>,
    /// Answer only requests that have a header of this name, in any case, or a query parameter, exactly.
    trigger: Option<String>,
    /// Answer what the gateway has made of the request, as JSON.
    #[config(default = false)]
    echo: bool,
}

impl RequestHook for Settings {
    fn on_request(&self, request: &mut Request) -> Flow {
        if let Some(name) = &self.trigger
            && request.header(name).is_none()
            && request.query_param(name).is_none()
        {
            return Flow::Next;
        }
        let reply = Flow::reply(self.status_code);
        if self.echo {
            return reply.json(&echo::of(request, self.message()));
        }
        match (&self.body, self.message()) {
            (Some(body), _) => reply.header("content-type", self.content_type()).body(body.as_str()),
            (None, Some(message)) => reply.json(&json!({ "message": message })),
            (None, None) => reply.empty(),
        }
    }

    /// What is answered anyway may have its body shown, too. With a trigger, most requests go on, and
    /// their bodies are not to be held up, or refused for their size, for those that do not.
    fn body_limit(&self) -> Option<u64> {
        (self.echo && self.trigger.is_none()).then_some(MOST_SHOWN)
    }
}

export!(Settings: RequestHook, priority = 2);

/// Bytes of a body that an answer shows.
const MOST_SHOWN: u64 = 1 << 20;

const CONTENT_TYPE: &str = "application/json; charset=utf-8";

impl Settings {
    fn check(&self) -> Result<(), String> {
        let Self { message, body, content_type, trigger, echo, .. } = self;
        if let Some(name) = trigger {
            name.parse::<HeaderName>().map_err(|error| format!("trigger: {error}"))?;
        }
        let sendable = |text: &String| text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        match (message, body, content_type) {
            _ if *echo && (body.is_some() || content_type.is_some()) => {
                Err("echo cannot be used with content_type or body".to_owned())
            }
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
                Err("message cannot be used with content_type or body".to_owned())
            }
            (_, None, Some(_)) => Err("content_type requires a body".to_owned()),
            (_, _, Some(kind)) if !sendable(kind) => {
                Err(format!("content_type: {kind:?} has characters that no header can carry"))
            }
            _ => Ok(()),
        }
    }

    fn message(&self) -> Option<&str> {
        let of_status = match self.status_code {
            401 => Some("Unauthorized"),
            404 => Some("Not found"),
            405 => Some("Method not allowed"),
            500 => Some("An unexpected error occurred"),
            502 => Some("Bad Gateway"),
            503 => Some("Service unavailable"),
            _ => None,
        };
        self.message.as_deref().or(of_status)
    }

    fn content_type(&self) -> &str {
        self.content_type.as_deref().unwrap_or(CONTENT_TYPE)
    }
}

#[cfg(test)]
mod tests;
