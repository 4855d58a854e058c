//! Comparing an answer that somebody holds with what a receipt committed to.

use proofmark_openai::{Answer, Assembler, Chunk, DONE, Members, Operation, SseParser};
use proofmark_receipt::{Claims, DisclosedValues, Disclosure, Salts};
use proofmark_tensors::{output_fields, read_answer};

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
}

/// The operation whose answers are tensors.
pub(crate) const INFER: &str = "infer";

/// The choices of an answer: a JSON body, a stream of server-sent events as it was received, or for tensors a safetensors file.
pub fn choices_of_answer(
    operation: &str,
    answer: &[u8],
) -> Result<Vec<ChoiceValues>, AnswerMismatch> {
    let unreadable = |why: String| AnswerMismatch::Unreadable {
        operation: operation.into(),
        why,
    };
    if operation == INFER {
        let outputs = read_answer(answer).map_err(|error| unreadable(error.to_string()))?;
        return Ok(Vec::from([(0, Vec::new(), output_fields(&outputs))]));
    }
    let op = [
        Operation::ChatCompletions,
        Operation::Completions,
        Operation::Embeddings,
    ]
    .into_iter()
    .find(|op| op.name() == operation)
    .ok_or_else(|| unreadable("unknown operation".into()))?;
    let is_json = answer.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let answer = if is_json {
        let members =
            Members::parse_answer(answer).map_err(|error| unreadable(error.to_string()))?;
        Answer::of(op, &members).map_err(|error| unreadable(error.to_string()))?
    } else {
        assemble(op, answer).map_err(unreadable)?
    };
    Ok(answer
        .choices
        .into_iter()
        .filter_map(choice_values)
        .collect())
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
    let choices = choices_of_answer(&claims.operation.name, answer)?;
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
        let choices = choices_of_answer(&claims.operation.name, answer)?;
        check_count(claims, &choices)?;
        for (index, text, fields) in disclosed {
            let same = choices
                .iter()
                .any(|(i, t, f)| *i == index && t == text && f == fields);
            if !same {
                return Err(AnswerMismatch::Choice { index });
            }
        }
        Ok(())
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
