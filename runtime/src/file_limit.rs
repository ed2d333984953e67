//! How many files, sockets included, the process may have open. A gateway that runs out of them cannot connect to
//! upstreams, so the limit is raised as far as it goes, and compared with what the configuration may take.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits;

/// Raise the soft limit to what `workers` of `connections` each may take, or as near to it as the hard limit lets us.
/// Says what is missing, if anything is.
pub(crate) fn raise(workers: usize, connections: usize) -> Result<(), String> {
    let wanted = wanted(workers, connections);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // `None` is no limit at all.
    let Some(current) = current.filter(|current| *current < wanted) else { return Ok(()) };
    let raised = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let allowed = match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }) {
        Ok(()) => raised,
        Err(_) => current,
    };
    if allowed >= wanted {
        return Ok(());
    }
    Err(format!(
        "{allowed} files may be open, and {workers} workers with {connections} clients each may need {wanted}: beyond \
         that, requests are answered with gateway_overloaded. Raise the limit (ulimit -Hn, LimitNOFILE= of systemd) or \
         lower `limits.connections_per_worker`"
    ))
}

/// A client's connection comes with one to an upstream, and the gateway has a few files of its own.
fn wanted(workers: usize, connections: usize) -> u64 {
    (connections as u64).saturating_mul(2).saturating_mul(workers as u64).saturating_add(limits::OWN_FILES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_may_need_an_upstream() {
        assert_eq!(wanted(2, 1000), 4000 + limits::OWN_FILES);
        assert_eq!(wanted(usize::MAX, usize::MAX), u64::MAX);
    }

    #[test]
    fn what_cannot_be_had_is_said() {
        // As many as a test process may have are enough for one client.
        assert_eq!(raise(1, 1), Ok(()));
        let missing = raise(1 << 20, 1 << 30).unwrap_err();
        assert!(missing.contains("files may be open") && missing.contains("connections_per_worker"), "{missing}");
    }
}
