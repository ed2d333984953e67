//! Asks other servers, or hands a record to the sink of `x-sink`, and tells what came of it: the client in headers, where the request says which URL by `x-fetch`,
//! the log where its timer does.

use std::cell::Cell;
use std::time::Duration;

use tidegate_sdk::prelude::*;

#[derive(Config)]
#[config(validate = Settings::check)]
struct Settings {
    /// What its timer asks for.
    url: Option<String>,
    /// Name of a secret to tell the upstream.
    secret: Option<String>,
    /// Name of a secret that it cannot do without.
    required: Option<String>,
}

impl Settings {
    fn check(&self) -> Result<(), String> {
        match &self.required {
            Some(name) if secrets::get(name).is_none() => Err(format!("the secret `{name}` is not granted")),
            _ => Ok(()),
        }
    }
}

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

impl RequestHook<Result> for Settings {
    fn on_request(&self, request: &mut Request) -> Result {
        CALLS.set(CALLS.get() + 1);
        if let Some(sink) = request.header("x-sink") {
            let (sink, record) = (sink.to_str()?, request.path());
            let told = sink::emit(sink, record).map_or_else(|error| error.to_string(), |()| "taken".to_owned());
            return Ok(Flow::reply(200).body(told));
        }
        if let Some(secret) = self.secret.as_ref().and_then(|name| secrets::get(name)) {
            request.set_header("x-secret", secret);
        }
        let Some(url) = request.header("x-fetch") else { return Ok(Flow::Next) };
        let method = request.method();
        let mut outbound = http::request(&method, url.to_str()?).header("x-from", request.path()).body("a body");
        if let Some(limit) = request.header("x-timeout") {
            outbound = outbound.timeout(Duration::from_millis(limit.to_str()?.parse()?));
        }
        let before = request.path();
        let (status, told) = match outbound.send() {
            Ok(answer) => (answer.status, answer.body),
            Err(error) => (599, error.to_string().into_bytes()),
        };
        if request.header("x-then").is_some() {
            // The time that was waited is not this call's.
            let mut turns = 0_u64;
            while std::hint::black_box(turns) < 1_000_000 {
                turns += 1;
            }
        }
        assert_eq!(before, request.path(), "nobody else's exchange has taken its place");
        Ok(Flow::reply(status).header("x-calls", CALLS.get().to_string()).body(told))
    }
}

impl TimerHook for Settings {
    fn on_timer(&self) -> Result<()> {
        let Some(url) = &self.url else { return Ok(()) };
        let answer = http::get(url).send()?;
        log::info!("the timer was answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        Ok(())
    }
}

export!(Settings: RequestHook, TimerHook);

#[cfg(test)]
mod tests {
    #[test]
    fn its_cases_come_out_as_expected() {
        tidegate_sdk::testing::cases::<super::Settings>("cases");
    }
}
