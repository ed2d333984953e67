//! `counters`: hits against limits. In memory they are decided at once, in Redis they are waited for; so which of the two
//! is linked depends on where this gateway keeps them.

mod subject;

use std::time::Duration;

use smallvec::SmallVec;
use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use crate::host::bindings::tidegate::plugin::counters::{
    Algorithm, Among, Decision, DecisionOne, Error, Limit, Standing, Subject,
};
use crate::host::services::Services;
use crate::host::state::State;
use crate::limits;
use crate::store::Timestamp;
use crate::store::counters::{self, HitError, Limits};

type Arguments = (Among, String, u64, Vec<Limit>);
type ArgumentsOne = (Among, String, u64, Limit);
type ArgumentsSubject = (Among, Subject, u64, Limit);

/// Offer the interface.
pub(super) fn link(linker: &mut Linker<State>, services: &Services) -> wasmtime::Result<()> {
    let mut instance = linker.instance("tidegate:plugin/counters@0.1.0")?;
    instance.func_wrap("shared", |mut store: StoreContextMut<'_, State>, (): ()| {
        let state = store.data_mut();
        state.count()?;
        Ok((state.services.counters.is_shared(),))
    })?;
    if !services.counters.is_shared() {
        instance.func_wrap("hit", |mut store: StoreContextMut<'_, State>, (_, key, cost, limits): Arguments| {
            Ok((here(store.data_mut(), &key, cost, &limits)?.map(Decision::from),))
        })?;
        instance.func_wrap(
            "hit-one",
            |mut store: StoreContextMut<'_, State>, (_, key, cost, limit): ArgumentsOne| {
                Ok((here(store.data_mut(), &key, cost, &[limit])?.map(DecisionOne::from),))
            },
        )?;
        return instance.func_wrap(
            "hit-subject",
            |mut store: StoreContextMut<'_, State>, (_, subject, cost, limit): ArgumentsSubject| {
                let state = store.data_mut();
                let key = subject::key(state.exchange_uncounted()?, subject);
                Ok((here(state, &key, cost, &[limit])?.map(DecisionOne::from),))
            },
        );
    }
    instance.func_wrap_async(
        "hit",
        |mut store: StoreContextMut<'_, State>, (among, key, cost, limits): Arguments| {
            Box::new(
                async move { Ok((there(store.data_mut(), among, &key, cost, &limits).await?.map(Decision::from),)) },
            )
        },
    )?;
    instance.func_wrap_async(
        "hit-one",
        |mut store: StoreContextMut<'_, State>, (among, key, cost, limit): ArgumentsOne| {
            Box::new(async move {
                Ok((there(store.data_mut(), among, &key, cost, &[limit]).await?.map(DecisionOne::from),))
            })
        },
    )?;
    instance.func_wrap_async(
        "hit-subject",
        |mut store: StoreContextMut<'_, State>, (among, subject, cost, limit): ArgumentsSubject| {
            Box::new(async move {
                let state = store.data_mut();
                let key = subject::key(state.exchange_uncounted()?, subject);
                Ok((there(state, among, &key, cost, &[limit]).await?.map(DecisionOne::from),))
            })
        },
    )
}

type Decided = wasmtime::Result<Result<counters::Decision, Error>>;

fn here(state: &mut State, key: &str, cost: u64, listed: &[Limit]) -> Decided {
    state.count()?;
    let memory = state.services.counters.memory();
    Ok(limits_of(listed).and_then(|limits| Ok(memory.hit(state.space(), key, cost, &limits, Timestamp::now())?)))
}

async fn there(state: &mut State, among: Among, key: &str, cost: u64, listed: &[Limit]) -> Decided {
    if among == Among::Here {
        return here(state, key, cost, listed);
    }
    state.count()?;
    let limits = match limits_of(listed) {
        Ok(limits) => limits,
        Err(error) => return Ok(Err(error)),
    };
    if !state.is_called() {
        return Err(wasmtime::format_err!("nothing is counted while a plugin is loaded"));
    }
    let (services, space) = (&state.services, state.space());
    let hit = services.counters.hit(services.place(state.thread()), space, key, cost, &limits).await;
    Ok(hit.map_err(Error::from))
}

fn limits_of(listed: &[Limit]) -> Result<Limits, Error> {
    if listed.len() > limits::COUNTER_LIMITS {
        return Err(Error::Invalid(format!("a hit has up to {} limits", limits::COUNTER_LIMITS)));
    }
    let listed: SmallVec<[_; limits::COUNTER_LIMITS]> = listed
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

impl From<counters::Decision> for Decision {
    fn from(decided: counters::Decision) -> Self {
        Self {
            allowed: decided.allowed,
            standings: decided.standings.into_iter().map(Standing::from).collect(),
            retry_after_ms: decided.retry_after.map(milliseconds),
        }
    }
}

impl From<counters::Decision> for DecisionOne {
    fn from(decided: counters::Decision) -> Self {
        let unheard = Standing { remaining: 0, reset_ms: 0 };
        Self {
            allowed: decided.allowed,
            // One limit has one standing.
            standing: decided.standings.into_iter().next().map_or(unheard, Standing::from),
            retry_after_ms: decided.retry_after.map(milliseconds),
        }
    }
}

impl From<counters::Standing> for Standing {
    fn from(standing: counters::Standing) -> Self {
        Self { remaining: standing.remaining, reset_ms: milliseconds(standing.reset) }
    }
}

impl From<HitError> for Error {
    fn from(error: HitError) -> Self {
        match error {
            HitError::KeyTooLong(_) => Self::Invalid(error.to_string()),
            HitError::Unavailable(outage) => Self::Unavailable(outage.to_string()),
        }
    }
}

/// Rounded up, so that whoever waits so long does not come too soon.
fn milliseconds(time: Duration) -> u64 {
    let part = time.subsec_micros() % 1_000;
    time.as_secs().saturating_mul(1_000) + u64::from(time.subsec_millis()) + u64::from(part > 0)
}
