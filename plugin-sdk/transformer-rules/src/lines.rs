//! Lines of a config as Kong writes them: `name`, `name:value`, `old:new`. A fault names its line: `add.headers[0]`.

use std::fmt::Display;

use tidegate_sdk::template::Template;

/// Which line of the config it is.
#[derive(Clone, Copy)]
pub(crate) struct Place<'p> {
    pub(crate) operation: &'p str,
    pub(crate) of: &'p str,
    pub(crate) number: usize,
}

impl Place<'_> {
    pub(crate) fn fault(self, problem: impl Display) -> String {
        let Self { operation, of, number } = self;
        format!("{operation}.{of}[{number}]: {problem}")
    }
}

/// Both sides of the first colon. A name is not empty, and nor is what it comes with, as in Kong.
pub(crate) fn halves<'l>(line: &'l str, place: Place<'_>) -> Result<(&'l str, &'l str), String> {
    match line.split_once(':').unwrap_or((line, "")) {
        ("", _) => Err(place.fault(format!("{line:?} has no name before its colon"))),
        (name, "") => Err(place.fault(format!("key '{name}' has no value"))),
        halves => Ok(halves),
    }
}

pub(crate) fn value(text: &str, place: Place<'_>) -> Result<Template, String> {
    text.parse().map_err(|error| place.fault(error))
}
