//! Disclosures from what is kept (specs/01-receipt.md §6): each is checked against the receipt before it leaves.

use proofmark_openai::{Attachment, AttachmentSource, Choice, Operation, Request};
use proofmark_receipt::{Claims, DisclosedValues, Disclosure, Execution, ParameterValue, Salts};

use super::{Contents, KeptAnswer, MAX_CONTENT_BYTES, StoreError};

/// What is to be disclosed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The scopes `output/<i>` and `answer`.
    pub answer: bool,
    /// The scopes `received` and `forwarded`.
    pub question: bool,
    /// The scope `attachments`.
    pub attachments: bool,
    /// The scope `caller`.
    pub caller: bool,
    /// The scope `executed`, and the token ids of the scopes `output/<i>`.
    pub execution: bool,
}

impl Wanted {
    /// Everything.
    pub const ALL: Self = Self {
        answer: true,
        question: true,
        attachments: true,
        caller: true,
        execution: true,
    };

    /// Reads `answer,question,attachments,caller,execution` in any order, or `all`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "all" {
            return Some(Self::ALL);
        }
        let mut wanted = Self::default();
        for name in text.split(',') {
            let part = match name {
                "answer" => &mut wanted.answer,
                "question" => &mut wanted.question,
                "attachments" => &mut wanted.attachments,
                "caller" => &mut wanted.caller,
                "execution" => &mut wanted.execution,
                _ => return None,
            };
            *part = true;
        }
        Some(wanted)
    }

    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// The operation that a receipt names; `None` for one of a later version.
#[must_use]
pub(crate) fn operation_of(claims: &Claims) -> Option<Operation> {
    Operation::ALL
        .into_iter()
        .find(|operation| operation.name() == claims.operation.name)
}

/// All that is needed to disclose a receipt.
#[derive(Debug, Clone, Copy)]
pub struct Disclosable<'a> {
    /// What the receipt says.
    pub claims: &'a Claims,
    /// What opens it.
    pub salts: &'a Salts,
    /// What was kept.
    pub contents: &'a Contents,
    /// Id of the API key.
    pub key_id: Option<&'a str>,
}

impl Disclosable<'_> {
    /// The disclosures of what is wanted, as far as the receipt has it. None of them fails to open the receipt.
    ///
    /// # Errors
    /// [`StoreError::Mismatch`] and [`StoreError::Answer`] if what was kept is not what the receipt commits to.
    pub fn disclosures(&self, wanted: Wanted) -> Result<Vec<Disclosure>, StoreError> {
        let mut scopes = Vec::new();
        if wanted.question {
            scopes.push((
                "received".to_owned(),
                DisclosedValues::Body(self.contents.received.clone()),
            ));
            if matches!(self.claims.execution, Execution::Relayed { .. }) {
                scopes.push((
                    "forwarded".to_owned(),
                    DisclosedValues::Body(self.contents.forwarded().to_vec()),
                ));
            }
        }
        if wanted.answer {
            scopes.extend(self.answer(wanted.execution)?);
        }
        if wanted.execution {
            scopes.extend(self.execution());
        }
        if wanted.attachments && !self.claims.attachments.is_empty() {
            scopes.push((
                "attachments".to_owned(),
                DisclosedValues::Attachments(self.attachments()),
            ));
        }
        if let (true, Some(_), Some(id)) = (wanted.caller, &self.claims.caller, self.key_id) {
            scopes.push((
                "caller".to_owned(),
                DisclosedValues::Caller(id.as_bytes().to_vec()),
            ));
        }
        scopes
            .into_iter()
            .map(|(scope, values)| self.disclosure(scope, values))
            .collect()
    }

    fn disclosure(&self, scope: String, values: DisclosedValues) -> Result<Disclosure, StoreError> {
        let key = self.salts.scope(&scope);
        let disclosure = Disclosure::Scope { scope, key, values };
        disclosure
            .check(self.claims)
            .map_err(|source| StoreError::Mismatch {
                scope: disclosure.scope().to_owned(),
                source,
            })?;
        Ok(disclosure)
    }

    /// Prompt, input ids and committed parameters of an execution.
    fn execution(&self) -> Option<(String, DisclosedValues)> {
        let (Execution::Executed(claim), Some(kept)) =
            (&self.claims.execution, &self.contents.executed)
        else {
            return None;
        };
        let committed = |name: &str| {
            claim.parameters.iter().any(|parameter| {
                parameter.name == name && matches!(parameter.value, ParameterValue::Committed(_))
            })
        };
        let parameters = kept
            .parameters
            .iter()
            .filter(|(name, _)| committed(name))
            .map(|(name, json)| (name.clone(), json.clone().into_bytes()))
            .collect();
        let values = DisclosedValues::Executed {
            prompt: kept.prompt.clone(),
            input_tokens: kept.input.clone(),
            parameters,
        };
        Some(("executed".to_owned(), values))
    }

    /// Output ids of a choice that has some.
    fn output_ids(&self, index: u64) -> Option<Vec<u32>> {
        let has_ids = |choice: &proofmark_receipt::Choice| {
            u64::from(choice.index) == index && choice.tokens.is_some()
        };
        self.claims.output.iter().find(|choice| has_ids(choice))?;
        let kept = self.contents.executed.as_ref()?;
        let (_, ids) = kept.output.iter().find(|(of, _)| *of == index)?;
        Some(ids.clone())
    }

    fn answer(&self, with_ids: bool) -> Result<Vec<(String, DisclosedValues)>, StoreError> {
        let mut scopes = Vec::new();
        if let (Execution::Relayed { relayed, .. }, KeptAnswer::Raw(body)) =
            (&self.claims.execution, &self.contents.answer)
            && relayed.answer.is_some()
        {
            scopes.push(("answer".to_owned(), DisclosedValues::Body(body.clone())));
        }
        if self.claims.output.is_empty() {
            return Ok(scopes);
        }
        let Some(operation) = operation_of(self.claims) else {
            return Ok(scopes);
        };
        for choice in self.contents.choices(operation)? {
            let Choice {
                index,
                text,
                fields,
                ..
            } = choice;
            let fields = fields
                .into_iter()
                .map(|field| (field.name, field.value))
                .collect();
            let values = DisclosedValues::Choice {
                text: text.into_bytes(),
                fields,
                tokens: self.output_ids(index).filter(|_| with_ids),
            };
            scopes.push((format!("output/{index}"), values));
        }
        Ok(scopes)
    }

    /// Path and bytes of every attachment that the receipt names: decoded bytes, or the reference.
    fn attachments(&self) -> Vec<(String, Vec<u8>)> {
        let request = operation_of(self.claims)
            .and_then(|operation| Request::open(operation, &self.contents.received).ok());
        let attachments = request.iter().flat_map(Request::attachments);
        let named = attachments.filter(|attachment| {
            self.claims
                .attachments
                .iter()
                .any(|claim| claim.path == attachment.path)
        });
        named
            .map(|attachment| (attachment.path.clone(), bytes_of(&attachment)))
            .collect()
    }
}

fn bytes_of(attachment: &Attachment<'_>) -> Vec<u8> {
    let decoded = attachment.decode(MAX_CONTENT_BYTES).ok().flatten();
    decoded.unwrap_or_else(|| match &attachment.source {
        AttachmentSource::Reference(text) | AttachmentSource::Inline { text, .. } => {
            text.as_bytes().to_vec()
        }
    })
}
