//! `kv`: keys and values, none of which expires or has to make room.

use super::{gateway, limits};
use crate::testing::state::State;

pub(crate) fn get(key: &str) -> Result<Option<Vec<u8>>, String> {
    gateway(|state| {
        check_key(key)?;
        Ok(state.kept.get(key).cloned())
    })
}

pub(crate) fn set(key: &str, value: &[u8], ttl: Option<u64>) -> Result<(), String> {
    gateway(|state| {
        check_value(value)?;
        check_key(key)?;
        keep(state, key, value, ttl);
        Ok(())
    })
}

pub(crate) fn compare_and_set(
    key: &str,
    expected: Option<&[u8]>,
    value: &[u8],
    ttl: Option<u64>,
) -> Result<bool, String> {
    gateway(|state| {
        check_value(value)?;
        check_key(key)?;
        let is_expected = state.kept.get(key).map(Vec::as_slice) == expected;
        if is_expected {
            keep(state, key, value, ttl);
        }
        Ok(is_expected)
    })
}

pub(crate) fn delete(key: &str) -> Result<bool, String> {
    gateway(|state| {
        check_key(key)?;
        Ok(state.kept.remove(key).is_some())
    })
}

pub(crate) fn increment(key: &str, by: i64, ttl: Option<u64>) -> Result<i64, String> {
    gateway(|state| {
        check_key(key)?;
        let current = state.kept.get(key);
        let number = current.map_or(Some(0), |current| str::from_utf8(current).ok()?.parse::<i64>().ok());
        let sum = number.ok_or("the value is no number")?.checked_add(by).ok_or("the number would be too large")?;
        // Only a number that begins here gets the time to live.
        let ttl = ttl.filter(|_| current.is_none());
        keep(state, key, sum.to_string().as_bytes(), ttl);
        Ok(sum)
    })
}

/// The clock stands still, so there is no other end than that which has come already.
fn keep(state: &mut State, key: &str, value: &[u8], ttl: Option<u64>) {
    match ttl {
        Some(0) => drop(state.kept.remove(key)),
        _ => drop(state.kept.insert(key.to_owned(), value.to_vec())),
    }
}

fn check_key(key: &str) -> Result<(), String> {
    if key.len() > limits::KV_KEY_BYTES {
        return Err(format!("a key has up to {} bytes, not {}", limits::KV_KEY_BYTES, key.len()));
    }
    Ok(())
}

fn check_value(value: &[u8]) -> Result<(), String> {
    if value.len() > limits::KV_VALUE_BYTES {
        return Err(format!("a value has up to {} bytes, not {}", limits::KV_VALUE_BYTES, value.len()));
    }
    Ok(())
}
