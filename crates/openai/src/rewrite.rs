//! The edits that a relay makes to answers and chunks: its own id, perhaps the model name, and a pointer to the receipt.

use crate::edit::{Edit, Edited};
use crate::json::JsonText;
use crate::members::Members;

/// What to put into an answer or a chunk; everything that is not named here stays as it was.
#[derive(Debug, Clone, Default)]
pub struct Rewrite {
    /// The value of `id`.
    pub id: Option<JsonText>,
    /// The value of `model`.
    pub model: Option<JsonText>,
    /// The value of `proofmark`. Without one, a member of that name that the upstream sent is removed: nobody but
    /// the relay speaks under this name.
    pub proofmark: Option<JsonText>,
}

impl Rewrite {
    /// Applies it to the members of an answer or of a chunk.
    pub fn apply<'a>(&self, members: &Members<'a>) -> Edited<'a> {
        let mut edit = Edit::new(members);
        for (name, value) in [("id", &self.id), ("model", &self.model)] {
            if let Some(value) = value {
                edit.set(name, value.clone());
            }
        }
        match &self.proofmark {
            Some(value) => edit.set("proofmark", value.clone()),
            None => edit.remove("proofmark"),
        }
        edit.finish()
    }
}

#[cfg(test)]
mod tests;
