//! A request hook that does nothing: what calling one costs by itself. Its config may be of any size.

use tidegate_sdk::prelude::*;

#[derive(Config)]
struct Settings {
    /// Is there.
    #[config(default = Vec::new())]
    words: Vec<String>,
}

impl RequestHook for Settings {
    fn on_request(&self, _: &mut Request) -> Flow {
        std::hint::black_box(&self.words);
        Flow::Next
    }
}

export!(Settings: RequestHook);
