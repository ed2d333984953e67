//! Where counters of rate limits are kept.

use super::Reading;
use super::listeners::period_into;
use crate::config::checked::{Counters, OnOutage};
use crate::config::reader::{Fields, Located};
use crate::config::values::{RedisUrl, Text};
use crate::limits;

/// What only Redis listens to.
const OF_REDIS: [&str; 3] = ["url", "timeout", "on_failure"];

impl Reading<'_> {
    pub(super) fn counters(&self, file: &Fields<'_>) -> Counters {
        let Some(value) = file.value("counters") else { return Counters::Memory };
        let Some(fields) = Fields::of(value, "`counters`", self.faults) else { return Counters::Memory };
        let kind = fields.parse::<Text>("kind");
        let counters = match kind.as_ref().map_or("memory", |kind| kind.value.0.as_str()) {
            "redis" => self.redis(&fields).unwrap_or(Counters::Memory),
            "memory" => {
                self.without_redis(&fields);
                Counters::Memory
            }
            other => {
                self.unknown(kind.as_ref(), &format!("`kind` is \"memory\" or \"redis\", not \"{other}\""));
                self.conceal_url(&fields);
                // The other keys may belong to what was meant.
                return Counters::Memory;
            }
        };
        fields.finish();
        counters
    }

    fn redis(&self, fields: &Fields<'_>) -> Option<Counters> {
        let help = "where Redis is: \"redis://HOST:6379\", \"env:NAME\" or \"file:PATH\"";
        let url = self.secret(fields, "url", help).and_then(|url| match url.value.parse::<RedisUrl>() {
            Ok(url) => Some(url),
            Err(error) => {
                self.faults.at(&url.span, error);
                None
            }
        });
        let mut timeout = limits::COUNTERS_TIMEOUT;
        period_into(fields, "timeout", &mut timeout);
        if timeout > limits::COUNTERS_TIMEOUT_MAX {
            let span = fields.value("timeout").map_or_else(|| fields.span().clone(), |value| value.span());
            let message = format!("`timeout` is at most {:?}", limits::COUNTERS_TIMEOUT_MAX);
            self.faults.at_with_help(&span, message, "requests wait for it while Redis does not answer");
        }
        let on_failure = fields.parse::<Text>("on_failure");
        let on_failure = match on_failure.as_ref().map_or("local", |word| word.value.0.as_str()) {
            "local" => OnOutage::Local,
            "open" => OnOutage::Open,
            "closed" => OnOutage::Closed,
            other => {
                let message = format!("`on_failure` is \"local\", \"open\" or \"closed\", not \"{other}\"");
                self.unknown(on_failure.as_ref(), &message);
                OnOutage::Local
            }
        };
        Some(Counters::Redis { url: url?, timeout, on_failure })
    }

    fn without_redis(&self, fields: &Fields<'_>) {
        self.conceal_url(fields);
        for key in OF_REDIS {
            if let Some(value) = fields.value(key) {
                let message = format!("`{key}` goes unheard without Redis");
                self.faults.at_with_help(&value.span(), message, "kind = \"redis\"");
            }
        }
    }

    fn conceal_url(&self, fields: &Fields<'_>) {
        fields.value("url").iter().for_each(|url| self.faults.conceal(url.span()));
    }

    fn unknown(&self, word: Option<&Located<Text>>, message: &str) {
        word.iter().for_each(|word| self.faults.at(&word.span, message));
    }
}
