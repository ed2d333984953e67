//! Uses what the gateway keeps and does for plugins, as the request says by `x-do`, and answers what came of it.

mod refusals;

use std::time::Duration;

use tidegate_sdk::counters::{self, Algorithm, Limit};
use tidegate_sdk::crypto::{self, Hash, Key, SigningKey};
use tidegate_sdk::places::{self, Wanted};
use tidegate_sdk::prelude::*;

#[derive(Config)]
struct Settings {
    /// Hits per minute.
    #[config(default = 1_000)]
    max: u64,
}

impl RequestHook<Result> for Settings {
    fn on_request(&self, request: &mut Request) -> Result {
        let told = match request.header("x-do").as_ref().map(|what| what.to_str()).transpose()? {
            None => return Ok(Flow::Next),
            Some("hit") => self.hit(request)?,
            Some("kv") => Self::keep(request)?,
            Some("crypto") => Self::sign(request)?,
            Some("secret") => Self::secret(request),
            Some("metrics") => Self::note(request)?,
            Some("password") => Self::password(request)?,
            Some("place") => return self.place(request),
            Some("what is refused") => refusals::told(),
            Some(other) => return Err(format!("there is no {other:?}").into()),
        };
        Ok(Flow::reply(200).json(&told))
    }
}

export!(Settings: RequestHook);

impl Settings {
    fn hit(&self, request: &Request) -> Result<serde_json::Value> {
        let key = header(request, "x-key");
        let minute = Duration::from_secs(60);
        let limits = match header(request, "x-limits").as_str() {
            "bad" => vec![],
            "two" => vec![
                Limit { max: self.max, window: minute, algorithm: Algorithm::FixedWindow },
                Limit { max: 1, window: 60 * minute, algorithm: Algorithm::Gcra },
            ],
            _ => vec![Limit { max: self.max, window: 1_000 * minute, algorithm: Algorithm::FixedWindow }],
        };
        Ok(match counters::hit(&key, 1, &limits) {
            Ok(hit) => json!({
                "allowed": hit.allowed,
                "remaining": hit.standings.iter().map(|standing| standing.remaining).collect::<Vec<_>>(),
                "waits": hit.retry_after.is_some(),
            }),
            Err(error) => json!({ "error": error.to_string() }),
        })
    }

    fn secret(request: &Request) -> serde_json::Value {
        let known = identity::find(&header(request, "x-kind"), &header(request, "x-key"));
        let secret = known.and_then(|credential| credential.field("secret"));
        json!(secret.map(|secret| String::from_utf8_lossy(&secret).into_owned()))
    }

    fn place(&self, request: &Request) -> Result {
        let max = u32::try_from(self.max)?;
        let wanted = Wanted { max, queue: 1, wait: Duration::from_millis(20) };
        let waits = places::wait(&header(request, "x-key"), wanted, Flow::reply(503).body("in vain"))?;
        Ok(if waits { Flow::Next } else { Flow::reply(503).body("full") })
    }

    fn keep(request: &Request) -> Result<serde_json::Value> {
        let key = header(request, "x-key");
        let before = kv::get(&key)?.map(|value| String::from_utf8_lossy(&value).into_owned());
        let set = kv::compare_and_set(&key, before.as_ref().map(String::as_bytes), header(request, "x-value"), None)?;
        let number = kv::increment("number", 2, Some(Duration::from_secs(60)))?;
        kv::set("short", "gone soon", Some(Duration::from_millis(50)))?;
        let deleted = kv::delete("never there")?;
        let too_large = kv::set(&key, vec![0; 100_000], None).is_err();
        Ok(json!({ "before": before, "set": set, "number": number, "deleted": deleted, "too_large": too_large }))
    }

    fn sign(request: &Request) -> Result<serde_json::Value> {
        use crypto::Algorithm::{EdDsa, Hs256, Rs256};
        let message = header(request, "x-value");
        let made = crypto::sign(Hs256, SigningKey::Secret(b"secret"), &message)?;
        let right = crypto::verify(Hs256, Key::Secret(b"secret"), &message, &made)?;
        let wrong = crypto::verify(Hs256, Key::Secret(b"other"), &message, &made)?;
        let confused = crypto::verify(Rs256, Key::Secret(b"secret"), &message, &made).is_err();
        // RFC 8037, appendix A.4.
        let key = Key::JwkOkp("Ed25519", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        let garbage = crypto::verify(EdDsa, key, &message, [0; 64])?;
        Ok(json!({
            "digest": hex(&crypto::digest(Hash::Sha256, &message)),
            "right": right, "wrong": wrong, "confused": confused, "garbage": garbage,
            "equal": crypto::equal("a", "a") && !crypto::equal("a", "b"),
        }))
    }

    fn note(request: &Request) -> Result<serde_json::Value> {
        metrics::counter_add("asked_total", &[("by", &header(request, "x-key"))], 1.5)?;
        metrics::gauge_set("level", &[], 7.0)?;
        metrics::histogram_record("seconds", &[], 0.02)?;
        Ok(json!({ "refused": metrics::counter_add("No Name", &[], 1.0).is_err() }))
    }

    fn password(request: &Request) -> Result<serde_json::Value> {
        Ok(match crypto::verify_password(&header(request, "x-hash"), header(request, "x-value")) {
            Ok(right) => json!({ "right": right }),
            Err(error) => json!({ "error": error.to_string() }),
        })
    }
}

fn header(request: &Request, name: &str) -> String {
    request.header(name).and_then(|value| value.to_str().ok().map(str::to_owned)).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use tidegate_sdk::testing::{self, Exchange};

    use super::*;

    #[test]
    fn its_cases_come_out_as_expected() {
        testing::cases::<Settings>("cases");
    }

    /// The same requests, and the same answers, as the gateway's own tests have.
    #[test]
    fn natively_it_answers_as_on_the_gateway() {
        let plugin: Settings = testing::configure(json!({ "max": 2 })).unwrap();
        let ask = |exchange: &mut Exchange| exchange.request(&plugin).reply().json();
        let mut hits = Exchange::get("/").header("x-do", "hit").header("x-key", "k");
        assert_eq!(ask(&mut hits), json!({ "allowed": true, "remaining": [1], "waits": false }));
        assert_eq!(ask(&mut hits), json!({ "allowed": true, "remaining": [0], "waits": false }));
        assert_eq!(ask(&mut hits), json!({ "allowed": false, "remaining": [0], "waits": true }));

        let told = ask(&mut Exchange::get("/").header("x-do", "crypto").header("x-value", "abc"));
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((&told["digest"], &told["right"], &told["wrong"]), (&json!(digest), &json!(true), &json!(false)));
        assert_eq!((&told["confused"], &told["garbage"], &told["equal"]), (&json!(true), &json!(false), &json!(true)));

        let mut password =
            Exchange::get("/").header("x-do", "password").header("x-hash", "plain:p").header("x-value", "p");
        assert_eq!(ask(&mut password), json!({ "right": true }));
    }
}
