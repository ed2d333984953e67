//! `counters`: hits against limits. In memory they are decided at once, in Redis they are waited for; so which of the two
//! is linked depends on where this gateway keeps them.

use std::time::Duration;

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use crate::host::bindings::tidegate::plugin::counters::{Algorithm, Decision, Error, Limit, Standing};
use crate::host::services::Services;
use crate::host::state::State;
use crate::limits;
use crate::store::Timestamp;
use crate::store::counters::{self, HitError, Limits};

type Arguments = (String, u64, Vec<Limit>);
type Returned = (Result<Decision, Error>,);

/// Offer the interface.
pub(super) fn link(linker: &mut Linker<State>, services: &Services) -> wasmtime::Result<()> {
    let mut instance = linker.instance("tidegate:plugin/counters@0.1.0")?;
    instance.func_wrap("shared", |mut store: StoreContextMut<'_, State>, (): ()| {
        let state = store.data_mut();
        state.count()?;
        Ok((state.services.counters.local().is_none(),))
    })?;
    if services.counters.local().is_some() {
        return instance.func_wrap("hit", |mut store: StoreContextMut<'_, State>, arguments: Arguments| {
            let state = store.data_mut();
            state.count()?;
            Ok((here(state, arguments),))
        });
    }
    instance.func_wrap_async("hit", |mut store: StoreContextMut<'_, State>, arguments: Arguments| {
        Box::new(async move { wasmtime::Result::<Returned>::Ok((there(store.data_mut(), arguments).await?,)) })
    })
}

fn here(state: &State, (key, cost, listed): Arguments) -> Result<Decision, Error> {
    let limits = limits_of(&listed)?;
    let memory = state.services.counters.local();
    let memory = memory.ok_or_else(|| Error::Unavailable("counters are not kept here".to_owned()))?;
    decision(memory.hit(state.space(), &key, cost, &limits, Timestamp::now()))
}

async fn there(state: &mut State, (key, cost, listed): Arguments) -> wasmtime::Result<Result<Decision, Error>> {
    state.count()?;
    let limits = match limits_of(&listed) {
        Ok(limits) => limits,
        Err(error) => return Ok(Err(error)),
    };
    if !state.is_called() {
        return Err(wasmtime::format_err!("nothing is counted while a plugin is loaded"));
    }
    let (services, space) = (&state.services, state.space());
    let hit = services.counters.hit(services.place(state.thread()), space, &key, cost, &limits).await;
    Ok(decision(hit))
}

fn limits_of(listed: &[Limit]) -> Result<Limits, Error> {
    if listed.len() > limits::COUNTER_LIMITS {
        return Err(Error::Invalid(format!("a hit has up to {} limits", limits::COUNTER_LIMITS)));
    }
    let listed: Vec<_> = listed
        .iter()
        .map(|limit| counters::Limit {
            max: limit.max,
            window: Duration::from_millis(limit.window_ms),
            algorithm: match limit.algorithm {
                Algorithm::FixedWindow => counters::Algorithm::FixedWindow,
                Algorithm::SlidingWindow => counters::Algorithm::SlidingWindow,
                Algorithm::Gcra => counters::Algorithm::Gcra,
            },
        })
        .collect();
    Limits::new(&listed).map_err(|error| Error::Invalid(error.to_string()))
}

fn decision(hit: Result<counters::Decision, HitError>) -> Result<Decision, Error> {
    // Rounded up, so that whoever waits so long does not come too soon.
    let milliseconds = |time: Duration| u64::try_from(time.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
    let standing = |standing: &counters::Standing| Standing {
        remaining: standing.remaining,
        reset_ms: milliseconds(standing.reset),
    };
    match hit {
        Ok(decided) => Ok(Decision {
            allowed: decided.allowed,
            standings: decided.standings.iter().map(standing).collect(),
            retry_after_ms: decided.retry_after.map(milliseconds),
        }),
        Err(error @ HitError::KeyTooLong(_)) => Err(Error::Invalid(error.to_string())),
        Err(HitError::Unavailable(outage)) => Err(Error::Unavailable(outage.to_string())),
    }
}
