//! What request-transformer and response-transformer have in common: rules as Kong writes them, `name:value`, parsed
//! once, and what they do to headers, parameters and JSON. On the SDK alone, like the plugins themselves.

mod body;
mod json;
mod lines;
mod rules;

pub use body::{Kind, kind_of};
pub use json::{Document, NotJson};
pub use rules::{Dots, JsonType, Operation, Rules, Written, header_edits};
