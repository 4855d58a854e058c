//! Claims that must not contradict each other (specs/01-receipt.md §4.3).

use alloc::collections::BTreeSet;

use super::model::{Choice, Claims, Execution, Parameter, Provenance, SeedChooser};
use crate::{ReceiptError, Root, StreamChain};

/// No fields, pieces or tokens have the root of the empty tree, and nothing else has it.
fn is_root_of(count: u64, root: &Root) -> bool {
    (count == 0) == (*root == Root::EMPTY)
}

fn is_ascending(indexes: impl Iterator<Item = u32>) -> bool {
    let mut next_least = Some(0);
    for index in indexes {
        if next_least.is_none_or(|least| index < least) {
            return false;
        }
        next_least = index.checked_add(1);
    }
    true
}

fn are_distinct<'a>(mut names: impl Iterator<Item = &'a str>) -> bool {
    let mut seen = BTreeSet::new();
    names.all(|name| seen.insert(name))
}

impl Claims {
    pub(super) fn check_consistency(&self) -> Result<(), ReceiptError> {
        let rules = [
            (
                self.log_kind_is_that_of_the_execution(),
                "the log kind is not that of the execution",
            ),
            (
                self.stream.is_none() || self.operation.stream,
                "a stream chain without a stream",
            ),
            (
                self.has_the_speaker_of_its_execution(),
                "finish reasons or usage by somebody else than the provider of a relay, or the executing signer",
            ),
            (
                self.bills_the_ids_that_it_commits_to(),
                "usage of another number of tokens than the ids that were executed and given",
            ),
            (
                is_ascending(self.output.iter().map(|choice| choice.index)),
                "choices that are not in ascending order of their indexes",
            ),
            (
                self.finishes_choices_of_the_output(),
                "finish reasons that are not in ascending order of indexes of choices",
            ),
            (
                are_distinct(self.attachments.iter().map(|a| a.path.as_str())),
                "two attachments with one path",
            ),
            (
                self.has_distinct_parameters(),
                "two parameters with one name",
            ),
            (
                self.shows_no_words_of_the_caller(),
                "a value of a parameter in clear that is no number, Boolean or null",
            ),
            (
                self.draws_as_its_operation_does(),
                "a seed where nothing is drawn, or none where something is; or token ids of tensors",
            ),
            (
                self.has_roots_of_its_counts(),
                "a number of fields, bytes or tokens that is not that of the root",
            ),
            (
                self.stream
                    .as_ref()
                    .is_none_or(|s| s.events > 0 || s.head == StreamChain::first_head(&self.id)),
                "a stream without events whose chain has a step",
            ),
            (
                self.timing
                    .first_byte_us
                    .is_none_or(|first| first <= self.timing.done_us),
                "a first byte after the end",
            ),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            None => Ok(()),
            Some((_, what)) => Err(ReceiptError::Inconsistent { what }),
        }
    }

    fn log_kind_is_that_of_the_execution(&self) -> bool {
        let kind = match self.execution {
            Execution::Relayed { .. } => 1,
            Execution::Executed(_) => 2,
        };
        self.log.kind == kind
    }

    /// A relay observes neither finish reasons nor token counts; who executes has no provider.
    fn has_the_speaker_of_its_execution(&self) -> bool {
        let speaker = match self.execution {
            Execution::Relayed { .. } => Provenance::Provider,
            Execution::Executed(_) => Provenance::Observed,
        };
        self.finish.as_ref().is_none_or(|(by, _)| *by == speaker)
            && self.usage.as_ref().is_none_or(|(by, _)| *by == speaker)
    }

    /// Who executes counts its own ids, and has committed to them: every other number is a false bill. A choice without ids has none.
    fn bills_the_ids_that_it_commits_to(&self) -> bool {
        match (&self.execution, &self.usage) {
            (Execution::Executed(executed), Some((_, usage))) => {
                let ids = |choice: &Choice| choice.tokens.map_or(0, |tokens| tokens.count);
                let given = self
                    .output
                    .iter()
                    .try_fold(0_u64, |sum, choice| sum.checked_add(ids(choice)));
                usage.input_tokens == executed.input_tokens.count
                    && given == Some(usage.output_tokens)
            }
            _ => true,
        }
    }

    /// One walk over the choices, whose indexes ascend, meets the index of every finish reason in turn.
    fn finishes_choices_of_the_output(&self) -> bool {
        let mut choices = self.output.iter();
        self.finish.as_ref().is_none_or(|(_, finish)| {
            finish
                .iter()
                .all(|f| choices.any(|choice| choice.index == f.index))
        })
    }

    fn has_distinct_parameters(&self) -> bool {
        match &self.execution {
            Execution::Relayed { .. } => true,
            Execution::Executed(executed) => {
                are_distinct(executed.parameters.iter().map(|p| p.name.as_str()))
            }
        }
    }

    fn shows_no_words_of_the_caller(&self) -> bool {
        match &self.execution {
            Execution::Relayed { .. } => true,
            Execution::Executed(executed) => {
                executed.parameters.iter().all(Parameter::may_be_shown)
            }
        }
    }

    /// Tensors and embeddings are functions of their inputs; text is sampled. Tensors have no token ids.
    fn draws_as_its_operation_does(&self) -> bool {
        let Execution::Executed(executed) = &self.execution else {
            return true;
        };
        let draws = executed.seed_chosen_by != SeedChooser::Nobody;
        let has_ids = executed.input_tokens.count > 0
            || self.output.iter().any(|choice| choice.tokens.is_some());
        (draws || executed.seed == 0)
            && match self.operation.name.as_str() {
                "chat.completions" | "completions" => draws,
                "embeddings" => !draws,
                "infer" => !draws && !has_ids,
                _ => true,
            }
    }

    fn has_roots_of_its_counts(&self) -> bool {
        let handled = match &self.execution {
            Execution::Relayed { relayed, .. } => {
                is_root_of(relayed.forwarded.fields, &relayed.forwarded.fields_root)
            }
            Execution::Executed(executed) => {
                is_root_of(executed.input_tokens.count, &executed.input_tokens.root)
            }
        };
        handled
            && is_root_of(self.received.fields, &self.received.fields_root)
            && self.output.iter().all(|choice| {
                is_root_of(choice.text_bytes, &choice.text_root)
                    && is_root_of(choice.fields, &choice.fields_root)
                    && choice
                        .tokens
                        .is_none_or(|tokens| is_root_of(tokens.count, &tokens.root))
            })
    }
}
