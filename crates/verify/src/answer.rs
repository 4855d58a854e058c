//! Comparing an answer that somebody holds with what a receipt committed to.

use proofmark_openai::{Answer, Assembler, Chunk, DONE, Members, Operation, SseParser};
use proofmark_receipt::{Claims, DisclosedValues, Disclosure, Salts};
use proofmark_tensors::{output_fields, read_answer};

use crate::words::{check_events, check_words};

/// Text and other fields of one choice, as they are committed to (specs/01-receipt.md §4.8).
pub type ChoiceValues = (u32, Vec<u8>, Vec<(String, Vec<u8>)>);

/// Why an answer is not the one that the receipt is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerMismatch {
    /// It is neither a JSON answer nor a stream of one.
    #[error("this is not an answer to {operation}: {why}")]
    Unreadable {
        /// The operation of the receipt.
        operation: String,
        /// What is wrong with it.
        why: String,
    },
    /// It has other choices.
    #[error("the receipt has {expected} choices, this answer has {got}")]
    Choices {
        /// In the receipt.
        expected: usize,
        /// In the answer.
        got: usize,
    },
    /// A choice differs.
    #[error("choice {index} is not what was answered")]
    Choice {
        /// Its index.
        index: u32,
    },
    /// Something that it says beside its choices differs.
    #[error("the {what} of the answer is not what the receipt says")]
    Words {
        /// Such as `model`.
        what: &'static str,
    },
    /// It is a stream of other events.
    #[error("the events are not those that the receipt is about")]
    Events,
}

/// How an answer is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One JSON object.
    Json,
    /// Server-sent events.
    Events,
}

/// The operation whose answers are tensors.
pub(crate) const INFER: &str = "infer";

/// The choices of an answer: a JSON body, a stream of server-sent events as it was received, or for tensors a safetensors file.
pub fn choices_of_answer(
    operation: &str,
    answer: &[u8],
) -> Result<Vec<ChoiceValues>, AnswerMismatch> {
    Ok(read(operation, answer)?.into_choices())
}

/// An answer, read.
enum Read {
    /// Choices, and what is said beside them.
    Words(Answer, Form),
    /// The outputs of a tensor program, and nothing beside them.
    Tensors(ChoiceValues),
}

impl Read {
    fn check_words(&self, claims: &Claims) -> Result<(), AnswerMismatch> {
        match self {
            Self::Words(answer, form) => check_words(claims, answer, *form),
            Self::Tensors(_) => Ok(()),
        }
    }

    fn is_stream(&self) -> bool {
        matches!(self, Self::Words(_, Form::Events))
    }

    fn into_choices(self) -> Vec<ChoiceValues> {
        match self {
            Self::Words(answer, _) => choices_of(answer),
            Self::Tensors(outputs) => Vec::from([outputs]),
        }
    }
}

fn read(operation: &str, answer: &[u8]) -> Result<Read, AnswerMismatch> {
    let unreadable = |why: String| AnswerMismatch::Unreadable {
        operation: operation.into(),
        why,
    };
    if operation == INFER {
        let outputs = read_answer(answer).map_err(|error| unreadable(error.to_string()))?;
        return Ok(Read::Tensors((0, Vec::new(), output_fields(&outputs))));
    }
    let op = Operation::ALL
        .into_iter()
        .find(|op| op.name() == operation)
        .ok_or_else(|| unreadable("unknown operation".into()))?;
    let is_json = answer.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    if is_json {
        let members =
            Members::parse_answer(answer).map_err(|error| unreadable(error.to_string()))?;
        let answer = Answer::of(op, &members).map_err(|error| unreadable(error.to_string()))?;
        Ok(Read::Words(answer, Form::Json))
    } else {
        let answer = assemble(op, answer).map_err(unreadable)?;
        Ok(Read::Words(answer, Form::Events))
    }
}

fn choices_of(answer: Answer) -> Vec<ChoiceValues> {
    answer
        .choices
        .into_iter()
        .filter_map(choice_values)
        .collect()
}

fn choice_values(choice: proofmark_openai::Choice) -> Option<ChoiceValues> {
    let fields = choice
        .fields
        .into_iter()
        .map(|field| (field.name, field.value))
        .collect();
    Some((
        u32::try_from(choice.index).ok()?,
        choice.text.into_bytes(),
        fields,
    ))
}

fn assemble(operation: Operation, stream: &[u8]) -> Result<Answer, String> {
    let mut parser = SseParser::new(stream.len().max(1));
    let mut assembler = Assembler::new(
        operation,
        stream.len().saturating_mul(4).saturating_add(4_096),
    );
    let mut input = stream;
    loop {
        let event = match parser.next_event(&mut input) {
            Ok(Some(event)) => event,
            Ok(None) => break,
            Err(error) => return Err(error.to_string()),
        };
        push_event(&mut assembler, event.data)?;
    }
    if let Some(event) = parser.finish().map_err(|error| error.to_string())? {
        push_event(&mut assembler, event.data)?;
    }
    Ok(assembler.finish())
}

fn push_event(assembler: &mut Assembler, data: &str) -> Result<(), String> {
    if data == DONE {
        return Ok(());
    }
    let chunk = Chunk::parse(data.as_bytes()).map_err(|error| error.to_string())?;
    if chunk.error().is_some() {
        // The object that ends a broken stream is no part of the answer.
        return Ok(());
    }
    assembler.push(&chunk).map_err(|error| error.to_string())
}

/// Compares an answer with the commitments, which the salts of the receipt open.
pub(crate) fn compare_with_salts(
    claims: &Claims,
    salts: &Salts,
    answer: &[u8],
) -> Result<(), AnswerMismatch> {
    let read = read(&claims.operation.name, answer)?;
    let words = read.check_words(claims);
    let is_stream = read.is_stream();
    let choices = read.into_choices();
    check_count(claims, &choices)?;
    for claim in &claims.output {
        let scope = salts.scope(&format!("output/{}", claim.index));
        let opens = choices
            .iter()
            .find(|(index, ..)| *index == claim.index)
            .is_some_and(|(_, text, fields)| claim.opens(&scope, text, fields));
        if !opens {
            return Err(AnswerMismatch::Choice { index: claim.index });
        }
    }
    words?;
    if is_stream {
        check_events(claims, salts, answer)?;
    }
    Ok(())
}

/// Compares an answer with disclosed choices, which were checked against the commitments before. `None` if not every
/// choice is disclosed.
pub(crate) fn compare_with_disclosures(
    claims: &Claims,
    disclosures: &[Disclosure],
    answer: &[u8],
) -> Option<Result<(), AnswerMismatch>> {
    let disclosed = disclosed_choices(claims, disclosures)?;
    let compare = || {
        let read = read(&claims.operation.name, answer)?;
        let words = read.check_words(claims);
        let choices = read.into_choices();
        check_count(claims, &choices)?;
        for (index, text, fields) in disclosed {
            let same = choices
                .iter()
                .any(|(i, t, f)| *i == index && t == text && f == fields);
            if !same {
                return Err(AnswerMismatch::Choice { index });
            }
        }
        words
    };
    Some(compare())
}

type DisclosedChoice<'d> = (u32, &'d Vec<u8>, &'d Vec<(String, Vec<u8>)>);

/// The disclosed values of every choice of the receipt, or `None` if one is missing.
pub(crate) fn disclosed_choices<'d>(
    claims: &Claims,
    disclosures: &'d [Disclosure],
) -> Option<Vec<DisclosedChoice<'d>>> {
    claims
        .output
        .iter()
        .map(|claim| {
            disclosures.iter().find_map(|disclosure| match disclosure {
                Disclosure::Scope {
                    scope,
                    values: DisclosedValues::Choice { text, fields, .. },
                    ..
                } if *scope == format!("output/{}", claim.index) => {
                    Some((claim.index, text, fields))
                }
                _ => None,
            })
        })
        .collect()
}

fn check_count(claims: &Claims, choices: &[ChoiceValues]) -> Result<(), AnswerMismatch> {
    if claims.output.len() == choices.len() {
        Ok(())
    } else {
        Err(AnswerMismatch::Choices {
            expected: claims.output.len(),
            got: choices.len(),
        })
    }
}
