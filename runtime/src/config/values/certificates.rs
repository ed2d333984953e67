//! The names that certificates are shown for.

use std::fmt;
use std::str::FromStr;

use super::ends::HostName;
use super::ends::Sni;
use crate::tls::names::Pattern;

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let name: Result<Sni, String> = text.parse();
        match name.map(Sni::into_name) {
            Ok(HostName::Exact(name)) => Ok(Self::Exact(name)),
            Ok(HostName::Suffix(end)) => Ok(Self::Suffix(end)),
            Ok(HostName::Prefix(start)) => Ok(Self::Prefix(start)),
            Err(_) => {
                Err(format!("\"{text}\" is no server name: expected api.example.com, *.example.com, example.* or *"))
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(name) => f.write_str(name),
            Self::Suffix(end) => write!(f, "*{end}"),
            Self::Prefix(start) => write!(f, "{start}*"),
        }
    }
}
