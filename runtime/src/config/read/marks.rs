//! What the admin API has entities say of themselves besides what they do: which one it is, what it is filed under, since
//! when. A hand-written file may leave all of it out.

use uuid::Uuid;

use super::Reading;
use crate::config::reader::{Fields, Located};
use crate::config::values::{Id, Name, Tag};

impl Reading<'_> {
    /// The name of an entity that may have none, as logs show it: then its id stands in. Both are the entity's alone.
    pub(super) fn name_or_id(
        &self,
        kind: &'static str,
        fields: &Fields<'_>,
        key: &'static str,
        help: &str,
    ) -> Option<Located<Name>> {
        let id = self.marks(kind, fields);
        match id {
            Some(id) if fields.value(key).is_none() => {
                Some(Located { value: id.value.to_string().parse().ok()?, span: id.span })
            }
            _ => self.name(kind, fields, key, help),
        }
    }

    /// Reads the marks of an entity of this kind; the id, which no other may have, if it says one.
    pub(super) fn marks(&self, kind: &'static str, fields: &Fields<'_>) -> Option<Located<Uuid>> {
        let id = marks(fields)?;
        if !self.listed.borrow_mut().add(kind, &id.value.to_string()) {
            self.faults.at(&id.span, format!("there is another {kind} with the id {}", id.value));
        }
        Some(id)
    }
}

/// Reads the marks of any entity; its id, if it says one.
pub(in crate::config) fn marks(fields: &Fields<'_>) -> Option<Located<Uuid>> {
    let _tags = fields.parse_all::<Tag>("tags");
    for time in ["created_at", "updated_at"] {
        fields.integer(time, 0..=i64::MAX);
    }
    fields.parse::<Id>("id").map(|id| id.map(|id| id.0))
}
