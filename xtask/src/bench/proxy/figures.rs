//! From rounds to figures per request, a table, ratios and JSON.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    super::{peers::Peer, spread::Spread, table::Table},
    perf::Counts,
    wrk::Report,
};

/// A proxy and its rounds so far.
pub(super) struct Contender {
    pub(super) name: &'static str,
    pub(super) peer: Peer,
    pub(super) rounds: Vec<Round>,
}

/// One turn of one proxy.
pub(super) struct Round {
    pub(super) report: Report,
    /// CPU time of the proxy's worker, all threads.
    pub(super) cpu: Duration,
    pub(super) counts: Option<Counts>,
    /// Lines that came into the access log, if there is one.
    pub(super) log_lines: Option<u64>,
    /// Resident memory of the worker at the end, in KiB.
    pub(super) resident: u64,
}

impl Round {
    /// Per request.
    pub(super) fn cpu_microseconds(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.report.requests as f64
    }

    fn per_second(&self) -> f64 {
        self.report.requests as f64 / self.report.elapsed.as_secs_f64()
    }

    /// Requests that left no line, in percent. wrk does not count those that its end cut off.
    fn lines_lost(&self) -> Option<f64> {
        Some(100.0 * (1.0 - (self.log_lines? as f64 / self.report.requests as f64).min(1.0)))
    }
}

/// What a request costs, in one of three ways.
#[derive(Clone, Copy)]
enum Cost {
    Cpu,
    Instructions,
    Cycles,
}

impl Cost {
    const ALL: [Self; 3] = [Self::Cpu, Self::Instructions, Self::Cycles];

    fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU time",
            Self::Instructions => "instructions",
            Self::Cycles => "cycles",
        }
    }

    fn head(self) -> &'static str {
        match self {
            Self::Cpu => "CPU µs/request",
            Self::Instructions => "k instructions",
            Self::Cycles => "k cycles",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Cpu => "cpu_microseconds",
            Self::Instructions => "kilo_instructions",
            Self::Cycles => "kilo_cycles",
        }
    }

    /// Per request; `None` if it was not counted.
    fn of(self, round: &Round) -> Option<f64> {
        let per_request = |count: u64| count as f64 / 1e3 / round.report.requests as f64;
        match self {
            Self::Cpu => Some(round.cpu_microseconds()),
            Self::Instructions => round.counts.map(|counts| per_request(counts.instructions)),
            Self::Cycles => round.counts.map(|counts| per_request(counts.cycles)),
        }
    }

    fn spread(self, contender: &Contender) -> Option<Spread> {
        Spread::of(contender.rounds.iter().filter_map(|round| self.of(round)))
    }

    /// Of two turns in the same round, over all rounds.
    fn ratio(self, of: &Contender, to: &Contender) -> Option<Spread> {
        let rounds = of.rounds.iter().zip(&to.rounds);
        Spread::of(rounds.filter_map(|(of, to)| Some(self.of(of)? / self.of(to)?)))
    }
}

/// The costs and the rest, a row for each proxy.
pub(super) fn table(contenders: &[Contender]) -> Table {
    let costs: Vec<Cost> = Cost::ALL.into_iter().filter(|cost| has(contenders, *cost)).collect();
    let has_log = contenders.iter().any(|contender| contender.peer.log.is_some());
    let mut heads = vec!["proxy"];
    heads.extend(costs.iter().map(|cost| cost.head()));
    heads.extend(["requests/s", "p50 ms", "p99 ms", "RSS MiB"]);
    heads.extend(has_log.then_some("log lines lost"));
    let mut table = Table::new(heads.into_iter().map(str::to_owned).collect());
    for contender in contenders {
        let median = |of: fn(&Round) -> f64| Spread::of(contender.rounds.iter().map(of)).map(|spread| spread.median);
        let shown = |value: Option<f64>, decimals: usize| value.map_or(String::new(), |it| format!("{it:.decimals$}"));
        let mut cells = vec![contender.name.to_owned()];
        cells.extend(costs.iter().map(|cost| cost.spread(contender).map_or(String::new(), |it| it.shown(2))));
        cells.push(shown(median(Round::per_second), 0));
        cells.push(shown(median(|round| milliseconds(round.report.p50)), 2));
        cells.push(shown(median(|round| milliseconds(round.report.p99)), 2));
        cells.push(shown(median(|round| round.resident as f64 / 1024.0), 1));
        let lost = Spread::of(contender.rounds.iter().filter_map(Round::lines_lost));
        cells.extend(lost.map(|lost| format!("{:.1} %", lost.max)));
        table.row(cells);
    }
    table
}

/// The first proxy's costs as multiples of the others', in lines.
pub(super) fn ratios(contenders: &[Contender]) -> String {
    let [first, others @ ..] = contenders else { return String::new() };
    let line = |other: &Contender| {
        let costs = Cost::ALL.into_iter();
        let costs = costs.filter_map(|cost| Some(format!("{} x {}", cost.name(), cost.ratio(first, other)?.shown(2))));
        format!("{} to {}: {}\n", first.name, other.name, costs.collect::<Vec<_>>().join(", "))
    };
    others.iter().map(line).collect()
}

/// Everything, with each round.
pub(super) fn json(contenders: &[Contender]) -> Value {
    let proxies = contenders.iter().enumerate().map(|(place, contender)| {
        let costs = Cost::ALL.into_iter().filter_map(|cost| Some((cost.key(), cost.spread(contender)?.json())));
        let others = if place == 0 { &contenders[1..] } else { &[] };
        let ratios = others.iter().map(|other| {
            let ratios = Cost::ALL.into_iter();
            let ratios = ratios.filter_map(|cost| Some((cost.key(), cost.ratio(contender, other)?.json())));
            (other.name, ratios.collect::<Value>())
        });
        json!({
            "name": contender.name,
            "per_request": costs.collect::<Value>(),
            "ratio_to": ratios.collect::<Value>(),
            "rounds": contender.rounds.iter().map(round).collect::<Value>(),
        })
    });
    proxies.collect()
}

fn round(round: &Round) -> Value {
    json!({
        "requests": round.report.requests,
        "seconds": round.report.elapsed.as_secs_f64(),
        "requests_per_second": round.per_second(),
        "cpu_microseconds_per_request": round.cpu_microseconds(),
        "instructions": round.counts.map(|counts| counts.instructions),
        "cycles": round.counts.map(|counts| counts.cycles),
        "p50_milliseconds": milliseconds(round.report.p50),
        "p99_milliseconds": milliseconds(round.report.p99),
        "resident_kib": round.resident,
        "log_lines": round.log_lines,
    })
}

fn has(contenders: &[Contender], cost: Cost) -> bool {
    contenders.iter().any(|contender| cost.spread(contender).is_some())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
