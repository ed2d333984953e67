//! What certificates are known by: ids, and the names that they are shown for.

use std::fmt;
use std::str::FromStr;

use super::ends::HostName;
use super::ends::Sni;
use crate::tls::names::Pattern;

/// A UUID in lower case, as Kong's entities have them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Id(String);

impl Id {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let groups = [8, 4, 4, 4, 12];
        let parts = || text.split('-');
        let sizes = parts().map(str::len).eq(groups);
        if sizes && parts().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(format!("\"{text}\" is no UUID: expected one like \"4e3ad2e4-0bc4-4638-8e34-c84a417ba39b\""))
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

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
