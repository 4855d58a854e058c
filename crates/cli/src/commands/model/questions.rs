//! The questions of `proofmark model eval`: how many does a model answer as expected.

use std::collections::BTreeMap;
use std::sync::Arc;

use proofmark_engine::{Chat, Engine, EngineOptions, GenerateRequest, Model, Prompt};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::CommandError;

/// Most tokens of an answer.
const ANSWER_TOKENS: u32 = 48;
/// Questions that are on their way at once.
const AT_ONCE: usize = 16;

/// A question: a conversation whose last turn is to be answered.
#[derive(Debug, Deserialize)]
pub(super) struct Question {
    kind: String,
    messages: Value,
    answer: String,
}

/// Right answers and questions by kind.
#[derive(Debug, Default)]
pub(super) struct Score {
    kinds: BTreeMap<String, (u64, u64)>,
}

/// The form in which answers are compared: lower case, letters, digits and single spaces.
fn normalized(answer: &str) -> String {
    let kept: String = answer
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == ' ')
        .collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Asks each question, always with the most probable token.
pub(super) fn ask(
    model: Model,
    threads: usize,
    questions: &[Question],
) -> Result<Score, CommandError> {
    let failed = |what: &str, error| CommandError::rejected(what.to_owned()).because(error);
    let options = EngineOptions {
        threads,
        ..EngineOptions::default()
    };
    let engine = Engine::start(Arc::new(model), options)
        .map_err(|error| CommandError::rejected("the model cannot be executed").because(error))?;
    let mut score = Score::default();
    for batch in questions.chunks(AT_ONCE) {
        let mut running = Vec::new();
        for question in batch {
            let chat = Chat::new(question.messages.to_string());
            let mut request = GenerateRequest::new(Prompt::Chat(chat));
            request.sampling.temperature = 0;
            request.max_tokens = Some(ANSWER_TOKENS);
            let generation = engine
                .generate(request)
                .map_err(|error| failed("a question cannot be asked", error))?;
            running.push((question, generation));
        }
        for (question, generation) in running {
            let choices = generation
                .collect_blocking()
                .map_err(|error| failed("an answer did not come to its end", error))?;
            let given = choices.first().map_or("", |choice| choice.text.as_str());
            let right = normalized(given) == normalized(&question.answer);
            let (count, asked) = score.kinds.entry(question.kind.clone()).or_default();
            *count += u64::from(right);
            *asked += 1;
        }
    }
    Ok(score)
}

impl Score {
    /// Right answers, and questions.
    pub(super) fn total(&self) -> (u64, u64) {
        let add = |(right, asked): (u64, u64), kind: &(u64, u64)| (right + kind.0, asked + kind.1);
        self.kinds.values().fold((0, 0), add)
    }

    /// Right answers and questions of each kind.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        self.kinds
            .iter()
            .map(|(kind, &(right, asked))| (kind.as_str(), right, asked))
    }

    pub(super) fn to_json(&self) -> Value {
        let (right, asked) = self.total();
        let kinds: serde_json::Map<String, Value> = self
            .kinds()
            .map(|(kind, right, asked)| (kind.to_owned(), json!({"right": right, "asked": asked})))
            .collect();
        json!({ "right": right, "asked": asked, "kinds": kinds })
    }
}

#[cfg(test)]
mod tests {
    use super::normalized;

    #[test]
    fn answers_are_compared_without_case_marks_and_spaces() {
        assert_eq!(
            normalized(" Clara, lost  the ring. "),
            "clara lost the ring"
        );
        assert_ne!(normalized("12"), normalized("21"));
    }
}
