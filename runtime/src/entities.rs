//! The configuration as Kong's entities: what the admin API lists, makes, changes and removes is a table of gateway.toml.

pub mod declarative;
mod error;
mod faults;
mod index;
mod json;
mod kinds;
mod page;
mod schema;
mod settings;
mod told;
mod tree;
mod validate;
mod write;

pub use error::{Error, FieldErrors};
pub use faults::explain;
pub use index::{Entry, Index};
pub use kinds::{Entity, Kind, hidden, split_url};
pub use page::{Page, page};
pub use schema::{Field, Notation, Type};
pub use settings::{fill, settings, take_texts};
pub use told::{told, told_of_plugin};
pub use validate::validate;
pub use write::{Wish, create, find, put, remove, update};
