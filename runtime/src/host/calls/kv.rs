//! `kv`: keys and values, shared by all uses of a plugin.

use std::time::{Duration, Instant};

use crate::host::bindings::tidegate::plugin::kv::Host;
use crate::host::state::State;
use crate::store::kv::KvError;

type Told<T> = wasmtime::Result<Result<T, String>>;

impl Host for State {
    fn get(&mut self, key: String) -> Told<Option<Vec<u8>>> {
        self.count()?;
        let value = self.services.kv.get(self.kv_space, &key, Instant::now());
        Ok(told(value.map(|value| value.map(|value| value.to_vec()))))
    }

    fn set(&mut self, key: String, value: Vec<u8>, ttl_ms: Option<u64>) -> Told<()> {
        self.count()?;
        Ok(told(self.services.kv.set(self.kv_space, &key, &value, ttl(ttl_ms), Instant::now())))
    }

    fn compare_and_set(
        &mut self,
        key: String,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
        ttl_ms: Option<u64>,
    ) -> Told<bool> {
        self.count()?;
        let (kv, now) = (&self.services.kv, Instant::now());
        Ok(told(kv.compare_and_set(self.kv_space, &key, expected.as_deref(), &value, ttl(ttl_ms), now)))
    }

    fn delete(&mut self, key: String) -> Told<bool> {
        self.count()?;
        Ok(told(self.services.kv.delete(self.kv_space, &key, Instant::now())))
    }

    fn increment(&mut self, key: String, by: i64, ttl_ms: Option<u64>) -> Told<i64> {
        self.count()?;
        Ok(told(self.services.kv.increment(self.kv_space, &key, by, ttl(ttl_ms), Instant::now())))
    }
}

fn told<T>(outcome: Result<T, KvError>) -> Result<T, String> {
    outcome.map_err(|error| error.to_string())
}

fn ttl(milliseconds: Option<u64>) -> Option<Duration> {
    milliseconds.map(Duration::from_millis)
}
