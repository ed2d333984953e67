//! The gateway's own log: to stderr, at a level for everything and others for single modules, which can change while it
//! runs. Callsites remember whether they are wanted, so what is not costs a request one read.

use std::collections::BTreeMap;
use std::fmt;
use std::io::IsTerminal;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle as Runtime;
use tokio_util::task::AbortOnDropHandle;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt as lines, reload};

use crate::limits;

/// How much is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels {
    /// By everything,
    pub level: LevelFilter,
    /// but by these, and what is below them: `tidegate::host`.
    pub modules: BTreeMap<String, LevelFilter>,
}

/// The log of this process.
pub struct Log {
    filter: reload::Handle<Targets, Registry>,
    state: Mutex<State>,
}

struct State {
    /// What holds for good.
    lasting: Levels,
    /// What holds for now.
    passing: Option<Passing>,
}

struct Passing {
    levels: Levels,
    until: Instant,
    /// Ends it. Dropped with it, so that whoever comes later is not ended.
    _end: AbortOnDropHandle<()>,
}

/// What is said now, and what comes after it.
pub struct Now {
    /// Now.
    pub levels: Levels,
    /// For how long, and what is said then; `None`: for good.
    pub then: Option<(Duration, Levels)>,
}

static LOG: OnceLock<Log> = OnceLock::new();

/// Begin to log, as much as `TIDEGATE_LOG` says: readable on a terminal, JSON lines otherwise.
///
/// A thread of its own writes the lines: when nobody reads them, lines are dropped, and no request waits. The guard
/// writes what is left when it is dropped.
///
/// # Errors
/// The variable says something else than levels.
pub fn start() -> anyhow::Result<WorkerGuard> {
    let levels = match std::env::var("TIDEGATE_LOG") {
        Ok(said) => said.parse().map_err(|problem| anyhow::anyhow!("TIDEGATE_LOG is \"{said}\": {problem}"))?,
        Err(_) => Levels::of(LevelFilter::INFO),
    };
    let (writer, guard) =
        NonBlockingBuilder::default().buffered_lines_limit(limits::LOG_LINES).lossy(true).finish(std::io::stderr());
    let (filter, handle) = reload::Layer::new(levels.targets());
    let registry = tracing_subscriber::registry().with(filter);
    if std::io::stderr().is_terminal() {
        registry.with(lines::layer().with_writer(writer)).init();
    } else {
        registry.with(lines::layer().json().flatten_event(true).with_writer(writer)).init();
    }
    let state = Mutex::new(State { lasting: levels, passing: None });
    // Nobody starts twice: `init` would have minded.
    LOG.get_or_init(|| Log { filter: handle, state });
    Ok(guard)
}

/// The log, if this process has one.
pub fn log() -> Option<&'static Log> {
    LOG.get()
}

impl Log {
    /// What is said now.
    pub fn now(&self) -> Now {
        self.state().now()
    }

    /// Say as much as this: for good, or for so long and then what was said for good before.
    pub fn set(&'static self, levels: Levels, timeout: Option<Duration>) {
        let mut state = self.state();
        let live = levels.targets();
        match timeout {
            None => *state = State { lasting: levels, passing: None },
            Some(timeout) => {
                let until = Instant::now() + timeout;
                let end = async move {
                    tokio::time::sleep_until(until.into()).await;
                    self.end();
                };
                let end = AbortOnDropHandle::new(Runtime::current().spawn(end));
                state.passing = Some(Passing { levels, until, _end: end });
            }
        }
        self.apply(live);
    }

    fn end(&self) {
        let mut state = self.state();
        // Another one may have come while this waited for the lock.
        if state.passing.as_ref().is_none_or(|passing| passing.until > Instant::now()) {
            return;
        }
        state.passing = None;
        let lasting = state.lasting.clone();
        self.apply(lasting.targets());
        drop(state);
        tracing::info!(%lasting, "log level is back");
    }

    fn apply(&self, targets: Targets) {
        if let Err(error) = self.filter.reload(targets) {
            tracing::error!(%error, "the log level stays as it was");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn now(&self) -> Now {
        match &self.passing {
            None => Now { levels: self.lasting.clone(), then: None },
            Some(passing) => {
                let left = passing.until.saturating_duration_since(Instant::now());
                Now { levels: passing.levels.clone(), then: Some((left, self.lasting.clone())) }
            }
        }
    }
}

impl Levels {
    /// This one for everything.
    pub const fn of(level: LevelFilter) -> Self {
        Self { level, modules: BTreeMap::new() }
    }

    fn targets(&self) -> Targets {
        let modules = self.modules.iter().map(|(module, level)| (module.clone(), *level));
        Targets::new().with_default(self.level).with_targets(modules)
    }

    /// Have `module` say as much as `level`.
    ///
    /// # Errors
    /// It is no module's name, or there are too many.
    pub fn add(&mut self, module: &str, level: LevelFilter) -> Result<(), String> {
        let is_name = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        };
        if module.len() > limits::LOG_MODULE_BYTES || !module.split("::").all(is_name) {
            return Err(format!("\"{module}\" is no module like \"tidegate::host\" or \"plugin\""));
        }
        self.modules.insert(module.to_owned(), level);
        if self.modules.len() > limits::LOG_MODULES {
            return Err(format!("no more than {} modules have a level of their own", limits::LOG_MODULES));
        }
        Ok(())
    }
}

/// The level that is written like this.
///
/// # Errors
/// There is none, in words for whoever wrote it.
pub fn level(text: &str) -> Result<LevelFilter, String> {
    match text {
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        "off" => Ok(LevelFilter::OFF),
        _ => Err("expected error, warn, info, debug, trace or off".to_owned()),
    }
}

/// `info,tidegate::host=debug`; without a level of its own, everything else says `info`.
impl FromStr for Levels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut levels = Self::of(LevelFilter::INFO);
        let expected =
            |problem: String| format!("{problem}, and MODULE=LEVEL for others: \"info,tidegate::host=debug\"");
        for part in text.split(',').map(str::trim) {
            match part.split_once('=') {
                None => levels.level = level(&part.to_ascii_lowercase()).map_err(expected)?,
                Some((module, said)) => {
                    levels.add(module.trim(), level(&said.trim().to_ascii_lowercase()).map_err(expected)?)?;
                }
            }
        }
        Ok(levels)
    }
}

impl fmt::Display for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.level.fmt(f)?;
        self.modules.iter().try_for_each(|(module, level)| write!(f, ",{module}={level}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_and_written() {
        for (text, shown) in [
            ("warn", "warn"),
            ("DEBUG", "debug"),
            ("tidegate::host=debug", "info,tidegate::host=debug"),
            ("warn, tidegate::proxy::pool = trace ,plugin=off", "warn,plugin=off,tidegate::proxy::pool=trace"),
        ] {
            assert_eq!(text.parse::<Levels>().unwrap().to_string(), shown, "{text}");
        }
        for wrong in ["", "verbose", "info,", "info,=debug", "info,a b=debug", "a=b=c", "info,tidegate::=debug"] {
            wrong.parse::<Levels>().unwrap_err();
        }
        let many: String = (0..=limits::LOG_MODULES).map(|n| format!("m{n}=debug,")).collect();
        assert!(format!("{many}info").parse::<Levels>().unwrap_err().contains("no more than"));
    }

    #[test]
    fn a_module_says_what_its_level_lets_it() {
        let targets = "warn,tidegate::host=debug".parse::<Levels>().unwrap().targets();
        for (target, level, said) in [
            ("tidegate::host::plugin", tracing::Level::DEBUG, true),
            ("tidegate::host", tracing::Level::TRACE, false),
            ("tidegate::proxy", tracing::Level::INFO, false),
            ("tidegate::proxy", tracing::Level::WARN, true),
        ] {
            assert_eq!(targets.would_enable(target, &level), said, "{target} {level}");
        }
    }
}
