//! Masks sensitive values, for plugins of the [Tidegate](https://github.com/tidegate/tidegate) API gateway: what
//! a [`Rule`] names, by name, JSON path or looks, is redacted, cut down, hashed or removed.
//!
//! [`Mask`] is what rules come to. It masks single values, records of requests, and bodies of any size, in whatever pieces
//! they come, by a [`Stream`].

mod action;
mod bytes;
mod detect;
mod escape;
mod json;
mod mask;
mod names;
mod output;
mod path;
mod record;
mod rule;
mod stream;
mod target;
mod text;

pub use mask::Mask;
pub use rule::{Action, Pattern, Rule};
pub use stream::{Format, Masked, Stream, Unparsable, WhenUnparsable};
