//! Refuses bots that say what they are: by a list of well-known ones, and by regexes of the operator's
//! own. Settings and answers are those of Kong's plugin of this name.

use tidegate_sdk::prelude::*;

use self::patterns::Patterns;
use self::verdicts::{Verdict, Verdicts};

mod known;
mod patterns;
mod verdicts;

/// Whom to let through, and whom not.
#[derive(Config)]
struct Settings {
    /// Regexes for parts of User-Agents to let through, whatever else they are.
    #[config(default = Patterns::default())]
    #[schemars(extend("default" = []))]
    allow: Patterns,
    /// Regexes for parts of User-Agents to refuse, besides well-known bots.
    #[config(default = Patterns::default())]
    #[schemars(extend("default" = []))]
    deny: Patterns,
    /// What was found out about User-Agents of late.
    #[serde(skip)]
    verdicts: Verdicts,
}

impl RequestHook for Settings {
    fn on_request(&self, request: &mut Request) -> Flow {
        match request.header_all("user-agent").as_slice() {
            [] => Flow::Next,
            [agent] => match self.verdicts.of(significant(agent.as_bytes()), |agent| self.judge(agent)) {
                Verdict::Welcome => Flow::Next,
                Verdict::Bot => refuse(403, "Forbidden"),
            },
            _ => refuse(400, "Only one User-Agent header allowed"),
        }
    }
}

export!(Settings: RequestHook, priority = 2500);

/// More of a User-Agent is not looked at, so that nothing that a client sends can keep the regexes busy.
const SIGNIFICANT_BYTES: usize = 1024;

fn significant(agent: &[u8]) -> &[u8] {
    agent.get(..SIGNIFICANT_BYTES).unwrap_or(agent).trim_ascii()
}

fn refuse(status: u16, message: &str) -> Flow {
    Flow::reply(status).json(&json!({ "message": message }))
}

impl Settings {
    fn judge(&self, agent: &[u8]) -> Verdict {
        let agent = String::from_utf8_lossy(agent);
        if !self.allow.match_part_of(&agent) && (self.deny.match_part_of(&agent) || known::is_bot(&agent)) {
            Verdict::Bot
        } else {
            Verdict::Welcome
        }
    }
}

#[cfg(test)]
mod tests;
