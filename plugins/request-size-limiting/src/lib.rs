//! Refuses requests whose bodies are too large: at once where their length is announced, and otherwise
//! as soon as too much has come. Settings and answers are those of Kong's plugin of this name.

use tidegate_sdk::prelude::*;

/// How large bodies may be.
#[derive(Config)]
struct Settings {
    /// The most that a body may have, in `size_unit`s.
    #[config(default = 128)]
    allowed_payload_size: u64,
    /// What `allowed_payload_size` counts.
    #[config(default = Unit::Megabytes)]
    #[schemars(extend("default" = "megabytes"))]
    size_unit: Unit,
    /// Refuse bodies whose length is not announced.
    #[config(default = false)]
    require_content_length: bool,
}

#[derive(Config)]
#[serde(rename_all = "lowercase")]
enum Unit {
    /// Of 1,048,576 bytes.
    Megabytes,
    /// Of 1,024 bytes.
    Kilobytes,
    Bytes,
}

impl RequestHook for Settings {
    fn on_request(&self, request: &mut Request) -> Flow {
        match request.body_length() {
            Some(length) if length > self.most_bytes() => refuse(413, "Request size limit exceeded"),
            Some(_) => Flow::Next,
            None if self.require_content_length => refuse(411, "A valid Content-Length header is required"),
            None => {
                request.limit_body(self.most_bytes());
                Flow::Next
            }
        }
    }
}

export!(Settings: RequestHook, priority = 951);

impl Settings {
    fn most_bytes(&self) -> u64 {
        let unit = match self.size_unit {
            Unit::Megabytes => 1 << 20,
            Unit::Kilobytes => 1 << 10,
            Unit::Bytes => 1,
        };
        self.allowed_payload_size.saturating_mul(unit)
    }
}

fn refuse(status: u16, message: &str) -> Flow {
    Flow::reply(status).json(&json!({ "message": message }))
}

#[cfg(test)]
mod tests;
