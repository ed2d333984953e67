//! Lengths of time in a plugin's settings.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time as a setting: a number with `ms`, `s`, `m`, `h` or `d`, as in gateway.toml.
///
/// ```
/// use std::time::Duration;
/// use tidegate_sdk::prelude::*;
/// use tidegate_sdk::Period;
///
/// #[derive(Config)]
/// struct Settings {
///     /// How long to remember it.
///     #[config(default = Period::seconds(30))]
///     ttl: Period,
/// }
///
/// let settings: Settings = tidegate_sdk::testing::configure(json!({ "ttl": "5m" }))?;
/// assert_eq!(settings.ttl.duration(), Duration::from_secs(300));
/// assert_eq!(settings.ttl.to_string(), "5m", "it is shown as it was written");
/// let error = "5 minutes".parse::<Period>().unwrap_err();
/// assert_eq!(error, "\"5 minutes\" is no length of time: a number with ms, s, m, h or d makes one, like \"10s\"");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    written: Cow<'static, str>,
    length: Duration,
}

impl Period {
    /// So many seconds.
    ///
    /// ```
    /// assert_eq!(Ok(tidegate_sdk::Period::seconds(90)), "90s".parse());
    /// ```
    pub fn seconds(seconds: u64) -> Self {
        Self { written: format!("{seconds}s").into(), length: Duration::from_secs(seconds) }
    }

    /// How long it is.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let period: tidegate_sdk::Period = "250ms".parse()?;
    /// assert_eq!(period.duration(), Duration::from_millis(250));
    /// # Ok::<(), String>(())
    /// ```
    pub fn duration(&self) -> Duration {
        self.length
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let odd = || format!("{text:?} is no length of time: a number with ms, s, m, h or d makes one, like \"10s\"");
        let unit = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(odd)?;
        let (number, unit) = text.split_at_checked(unit).ok_or_else(odd)?;
        let milliseconds: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60 * 1_000,
            "h" => 60 * 60 * 1_000,
            "d" => 24 * 60 * 60 * 1_000,
            _ => return Err(odd()),
        };
        let number: u64 = number.parse().map_err(|_| odd())?;
        let length = number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(odd)?;
        Ok(Self { written: text.to_owned().into(), length })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

impl JsonSchema for Period {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_has_a_number_and_a_unit_and_fits_in_milliseconds() {
        let milliseconds = |text: &str| text.parse::<Period>().map(|period| period.duration().as_millis());
        assert_eq!(
            ["0s", "7ms", "2s", "3m", "4h", "5d"].map(milliseconds),
            [Ok(0), Ok(7), Ok(2_000), Ok(180_000), Ok(14_400_000), Ok(432_000_000)]
        );
        for bad in
            ["", "5", "s", "-1s", "1.5s", "5 s", "5S", "5w", "s5", "٣s", "99999999999999999999s", "999999999999999999d"]
        {
            assert!(bad.parse::<Period>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_setting_is_written_as_it_was_read() {
        let period: Period = serde_json::from_str("\"90s\"").unwrap();
        assert_eq!(serde_json::to_string(&period).unwrap(), "\"90s\"");
        assert!(serde_json::from_str::<Period>("90").is_err());
    }
}
