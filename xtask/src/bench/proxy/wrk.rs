//! wrk as the load, and what it says at the end.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};

use super::{
    super::{
        peers::Peer,
        process::{Cores, Process, command},
    },
    perf::{Counters, Counts},
};

/// What to load, and how long.
pub(super) struct Load<'a> {
    pub(super) peer: &'a Peer,
    /// For wrk's own output.
    pub(super) room: &'a Path,
    pub(super) core: u32,
    pub(super) time: Duration,
    pub(super) counters: Counters,
}

/// What wrk saw.
#[derive(Debug, PartialEq)]
pub(super) struct Report {
    pub(super) requests: u64,
    pub(super) elapsed: Duration,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    /// wrk's own lines on what went wrong.
    errors: Vec<String>,
}

/// Loads the peer; fails if any request did.
pub(super) fn run(load: &Load<'_>) -> Result<(Report, Option<Counts>)> {
    let mut command = match load.counters {
        Counters::None => command("wrk", Cores::One(load.core)),
        // perf waits on any core; only wrk is to run where the proxy does.
        Counters::Perf => {
            let mut command = command("perf", Cores::Any);
            command.args(load.counters.arguments(load.peer.worker, load.room));
            command.args(["taskset", "--cpu-list", &load.core.to_string(), "wrk"]);
            command
        }
    };
    let (connections, seconds) = (CONNECTIONS.to_string(), format!("{}s", load.time.as_secs()));
    command.args(["--threads", "1", "--connections", &connections, "--duration", &seconds, "--latency"]);
    command.arg(format!("http://127.0.0.1:{}/", load.peer.port));
    let output = Process::start("wrk", command, load.room)?.output(load.time + OVERTIME)?;
    let report = parse(&output).with_context(|| format!("wrk says something unknown:\n{output}"))?;
    ensure!(report.errors.is_empty(), "not every request was answered well: {}", report.errors.join("; "));
    ensure!(report.requests > 0, "no request was answered");
    Ok((report, load.counters.counts(load.room)?))
}

pub(super) const CONNECTIONS: u32 = 64;
const OVERTIME: Duration = Duration::from_secs(20);

fn parse(output: &str) -> Option<Report> {
    let line = |end: &str| output.lines().map(str::trim).find(|line| line.contains(end));
    // `35003 requests in 1.00s, 8.98MB read`
    let (requests, rest) = line(" requests in ")?.split_once(" requests in ")?;
    let percentile = |name: &str| {
        let value = output.lines().find_map(|line| line.trim().strip_prefix(name))?;
        duration(value.trim())
    };
    let wrong = ["Socket errors:", "Non-2xx or 3xx responses:"];
    let errors = wrong.iter().filter_map(|start| line(start)).map(str::to_owned).collect();
    Some(Report {
        requests: requests.parse().ok()?,
        elapsed: duration(rest.split(',').next()?)?,
        p50: percentile("50%")?,
        p99: percentile("99%")?,
        errors,
    })
}

/// `1.77ms` and the like.
fn duration(text: &str) -> Option<Duration> {
    let unit = text.find(|letter: char| letter.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit);
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Report, duration, parse};

    const GOOD: &str = "\
Running 1s test @ http://127.0.0.1:18080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.89ms    1.04ms  15.46ms   98.07%
    Req/Sec    35.14k     2.29k   37.07k    80.00%
  Latency Distribution
     50%    1.77ms
     75%    2.00ms
     90%    2.25ms
     99%    6.94ms
  35003 requests in 1.00s, 8.98MB read
Requests/sec:  34928.95
Transfer/sec:      8.96MB
";

    #[test]
    fn a_good_run() {
        let expected = Report {
            requests: 35_003,
            elapsed: Duration::from_secs(1),
            p50: Duration::from_micros(1_770),
            p99: Duration::from_micros(6_940),
            errors: Vec::new(),
        };
        assert_eq!(parse(GOOD), Some(expected));
    }

    #[test]
    fn errors_are_kept() {
        let bad = GOOD.replace(
            "Requests/sec",
            "  Socket errors: connect 0, read 3, write 0, timeout 1\n  Non-2xx or 3xx responses: 12\nRequests/sec",
        );
        let errors = parse(&bad).unwrap().errors;
        assert_eq!(errors, ["Socket errors: connect 0, read 3, write 0, timeout 1", "Non-2xx or 3xx responses: 12"]);
    }

    #[test]
    fn anything_else_is_no_report() {
        assert_eq!(parse(""), None);
        assert_eq!(parse("unable to connect to 127.0.0.1:1 Connection refused\n"), None);
        assert_eq!(parse(&GOOD.replace("99%", "98%")), None);
    }

    #[test]
    fn durations() {
        assert_eq!(duration("950.00us"), Some(Duration::from_micros(950)));
        assert_eq!(duration("1.20s"), Some(Duration::from_millis(1_200)));
        assert_eq!(duration("2.00m"), Some(Duration::from_secs(120)));
        for wrong in ["", "12", "ms", "1.0d", "-1.0s"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
