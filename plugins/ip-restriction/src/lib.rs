//! Lets requests through, or refuses them, by the address that they come from. Settings and answers are
//! those of Kong's plugin of this name.

use tidegate_sdk::prelude::*;

use self::ranges::Ranges;

mod ranges;

/// Who may come in.
#[derive(Config)]
#[config(validate = Settings::check)]
struct Settings {
    /// Addresses and ranges (CIDR) to let through, and no others.
    allow: Option<Ranges>,
    /// Addresses and ranges (CIDR) to refuse, even if `allow` has them.
    deny: Option<Ranges>,
    /// The status of refusals.
    #[config(default = 403)]
    #[schemars(range(min = 200, max = 599))]
    status: u16,
    /// What refusals say; "IP address not allowed: ADDRESS" if it is left out.
    message: Option<String>,
}

impl RequestHook for Settings {
    fn on_request(&self, _: &mut Request) -> Flow {
        let client = exchange::client_ip();
        let denied = self.deny.as_ref().is_some_and(|deny| deny.contains(client));
        if !denied && self.allow.as_ref().is_none_or(|allow| allow.contains(client)) {
            return Flow::Next;
        }
        let message = match &self.message {
            Some(message) => message.clone(),
            None => format!("IP address not allowed: {client}"),
        };
        Flow::reply(self.status).json(&json!({ "message": message }))
    }
}

export!(Settings: RequestHook, priority = 990);

impl Settings {
    fn check(&self) -> Result<(), &'static str> {
        match (&self.allow, &self.deny) {
            (None, None) => Err("one of allow and deny must be set"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
