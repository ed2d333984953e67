//! Queries of the admin API.

use super::request::Query;
use crate::limits;
use crate::observe::failures::Query as FailuresQuery;

/// Items of a list, unless the query says otherwise (Kong's default).
const SIZE: usize = 100;

/// `code=…&service=…&size=…`, each of them optional; what else there is does not count.
///
/// # Errors
/// What is wrong with it, in words for the client.
pub(super) fn failures(query: &Query) -> Result<FailuresQuery, String> {
    let text = |name| query.value(name).map(str::to_owned);
    let size = query.value("size").map_or(Ok(SIZE), size)?;
    Ok(FailuresQuery { code: text("code"), service: text("service"), size })
}

fn size(value: &str) -> Result<usize, String> {
    let size = value.parse().ok().filter(|size| (1..=limits::FAILURES_KEPT).contains(size));
    size.ok_or_else(|| format!("size must be an integer between 1 and {}", limits::FAILURES_KEPT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<FailuresQuery, String> {
        failures(&Query::read(query).unwrap())
    }

    #[test]
    fn queries_are_read_or_refused() {
        assert_eq!(read("").unwrap(), FailuresQuery { size: 100, ..FailuresQuery::default() });
        let asked = read("size=7&code=upstream_dns_failed&service=a%26b+c%C3%A9&x=y").unwrap();
        assert_eq!((asked.size, asked.code.as_deref()), (7, Some("upstream_dns_failed")));
        assert_eq!(asked.service.as_deref(), Some("a&b cé"));
        for wrong in ["size=0", "size=1001", "size=", "size=-1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
