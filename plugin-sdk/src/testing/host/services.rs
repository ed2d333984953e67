//! What the gateway keeps and does for plugins, natively. The clock of counters and of keys and values stands still.

pub(crate) mod secrets {
    use super::super::current;

    pub(crate) fn get(name: &str) -> Option<Vec<u8>> {
        current(|state| state.secrets.get(name).cloned())
    }
}

pub(crate) mod http_client {
    use super::super::current;
    pub(crate) use crate::bindings::imports::tidegate::plugin::http_client::{Error, Incoming, Outgoing};

    /// What the test has said that the server answers.
    pub(crate) fn fetch(request: &Outgoing) -> Result<Incoming, Error> {
        current(|state| {
            let asked = format!("{} {}", request.method, request.url);
            let answer = state.servers.iter().find(|(known, ..)| *known == asked);
            let answer = answer.map(|(_, head, body)| Incoming {
                status: head.status,
                headers: head.headers.to_wire(),
                body: body.clone(),
            });
            state.asked.push((asked, request.body.clone()));
            answer.ok_or(Error::NotGranted)
        })
    }
}

pub(crate) mod counters {
    use super::super::current;
    pub(crate) use crate::bindings::imports::tidegate::plugin::counters::{
        Algorithm, Decision, Error, Limit, Standing,
    };

    pub(crate) fn hit(key: &str, cost: u64, limits: &[Limit]) -> Result<Decision, Error> {
        if !(1..=8).contains(&limits.len()) {
            return Err(Error::Invalid("a hit has 1 to 8 limits".to_owned()));
        }
        current(|state| {
            let id = |limit: &Limit| (key.to_owned(), limit.window_ms, format!("{:?}", limit.algorithm));
            let counted = |limit: &Limit| state.hits.get(&id(limit)).copied().unwrap_or(0);
            let needed = cost.max(1);
            let allowed = limits.iter().all(|limit| counted(limit).saturating_add(needed) <= limit.max);
            if allowed {
                for limit in limits {
                    *state.hits.entry(id(limit)).or_default() += cost;
                }
            }
            let left = |limit: &Limit| limit.max.saturating_sub(state.hits.get(&id(limit)).copied().unwrap_or(0));
            let standing = |limit: &Limit| Standing { remaining: left(limit), reset_ms: limit.window_ms };
            let helps = limits.iter().all(|limit| needed <= limit.max);
            let longest = limits.iter().map(|limit| limit.window_ms).max();
            Ok(Decision {
                allowed,
                standings: limits.iter().map(standing).collect(),
                retry_after_ms: longest.filter(|_| !allowed && helps),
            })
        })
    }
}

pub(crate) mod kv {
    use super::super::current;

    pub(crate) fn get(key: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(current(|state| state.kept.get(key).cloned()))
    }

    /// The largest value, as the gateway has it.
    const VALUE_BYTES: usize = 64 << 10;

    pub(crate) fn set(key: &str, value: &[u8], _: Option<u64>) -> Result<(), String> {
        if value.len() > VALUE_BYTES {
            return Err(format!("a value has up to {VALUE_BYTES} bytes, not {}", value.len()));
        }
        current(|state| state.kept.insert(key.to_owned(), value.to_vec()));
        Ok(())
    }

    pub(crate) fn compare_and_set(
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
        ttl: Option<u64>,
    ) -> Result<bool, String> {
        let is_expected = get(key)?.as_deref() == expected;
        if is_expected {
            set(key, value, ttl)?;
        }
        Ok(is_expected)
    }

    pub(crate) fn delete(key: &str) -> Result<bool, String> {
        Ok(current(|state| state.kept.remove(key)).is_some())
    }

    pub(crate) fn increment(key: &str, by: i64, ttl: Option<u64>) -> Result<i64, String> {
        let number = match get(key)? {
            None => 0,
            Some(digits) => {
                let number = String::from_utf8(digits).ok().and_then(|digits| digits.parse::<i64>().ok());
                number.ok_or("the value is no number")?
            }
        };
        let sum = number.checked_add(by).ok_or("the number would be out of bounds")?;
        set(key, sum.to_string().as_bytes(), ttl)?;
        Ok(sum)
    }
}

pub(crate) mod crypto {
    use hmac::{Hmac, KeyInit, Mac};
    use sha1::Sha1;
    use sha2::{Digest, Sha256, Sha384, Sha512};

    use super::super::current;
    pub(crate) use crate::bindings::imports::tidegate::plugin::crypto::{Algorithm, Hash, Key, SigningKey};

    pub(crate) fn digest(hash: Hash, data: &[u8]) -> Vec<u8> {
        match hash {
            Hash::Sha1 => Sha1::digest(data).to_vec(),
            Hash::Sha256 => Sha256::digest(data).to_vec(),
            Hash::Sha384 => Sha384::digest(data).to_vec(),
            Hash::Sha512 => Sha512::digest(data).to_vec(),
        }
    }

    pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
        a == b
    }

    pub(crate) fn verify(algorithm: Algorithm, key: &Key, message: &[u8], signature: &[u8]) -> Result<bool, String> {
        match (mac(algorithm), key) {
            (Some(mac), Key::Secret(secret)) => Ok(mac(secret, message)? == signature),
            (Some(_), _) | (None, Key::Secret(_)) => Err("the key is not of the algorithm's kind".to_owned()),
            (None, _) => Ok(current(|state| state.signatures).is_some_and(|judge| judge(message, signature))),
        }
    }

    pub(crate) fn sign(algorithm: Algorithm, key: &SigningKey, message: &[u8]) -> Result<Vec<u8>, String> {
        match (mac(algorithm), key) {
            (Some(mac), SigningKey::Secret(secret)) => mac(secret, message),
            (None, SigningKey::Pem(_)) => Err("natively, only HMAC is computed".to_owned()),
            _ => Err("the key is not of the algorithm's kind".to_owned()),
        }
    }

    type Code = fn(&[u8], &[u8]) -> Result<Vec<u8>, String>;

    fn mac(algorithm: Algorithm) -> Option<Code> {
        match algorithm {
            Algorithm::Hs1 => Some(code::<Hmac<Sha1>>),
            Algorithm::Hs256 => Some(code::<Hmac<Sha256>>),
            Algorithm::Hs384 => Some(code::<Hmac<Sha384>>),
            Algorithm::Hs512 => Some(code::<Hmac<Sha512>>),
            _ => None,
        }
    }

    fn code<M: Mac + KeyInit>(secret: &[u8], message: &[u8]) -> Result<Vec<u8>, String> {
        if secret.is_empty() {
            return Err("a secret cannot be empty".to_owned());
        }
        let mut mac = M::new_from_slice(secret).map_err(|error| error.to_string())?;
        mac.update(message);
        Ok(mac.finalize().into_bytes().to_vec())
    }
}

pub(crate) mod passwords {
    pub(crate) use crate::bindings::imports::tidegate::plugin::passwords::Error;

    pub(crate) fn verify(hash: &str, password: &[u8]) -> Result<bool, Error> {
        match hash.strip_prefix("plain:") {
            Some(plain) => Ok(plain.as_bytes() == password),
            None => Err(Error::Invalid("natively, a hash is `plain:` and the password".to_owned())),
        }
    }
}

pub(crate) mod sink {
    use super::super::current;
    pub(crate) use crate::bindings::imports::tidegate::plugin::sink::Error;

    pub(crate) fn emit(sink: &str, record: &[u8]) -> Result<(), Error> {
        current(|state| {
            let records = state.sinks.get_mut(sink).ok_or(Error::NotGranted)?;
            records.push(record.to_vec());
            Ok(())
        })
    }
}

pub(crate) mod metrics {
    use super::super::current;

    pub(crate) fn counter_add(name: &str, labels: &[(String, String)], more: f64) -> Result<(), String> {
        note(name, labels, |value| value + more)
    }

    pub(crate) fn gauge_set(name: &str, labels: &[(String, String)], value: f64) -> Result<(), String> {
        note(name, labels, |_| value)
    }

    /// The sum is what a test can ask for.
    pub(crate) fn histogram_record(name: &str, labels: &[(String, String)], value: f64) -> Result<(), String> {
        note(name, labels, |sum| sum + value)
    }

    fn note(name: &str, labels: &[(String, String)], change: impl FnOnce(f64) -> f64) -> Result<(), String> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) || labels.len() > 8 {
            return Err(format!("{name:?} is no metric's name, or it has more than 8 labels"));
        }
        let shown: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let series = if shown.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", shown.join(",")) };
        current(|state| {
            let value = state.metrics.entry(series).or_default();
            *value = change(*value);
        });
        Ok(())
    }
}
