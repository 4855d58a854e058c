//! Receipts whose claims contradict each other: signed by the node key all the same.

use proofmark_receipt::{
    Claims, Execution, Finish, Parameter, ParameterValue, Provenance, Root, SeedChooser,
    StreamChain,
};

use crate::case::{Case, Expected, Format};
use crate::fixture::{self, Result};
use crate::forge::{self, Entries, label};

type Edit = fn(&mut Claims);

fn case(name: &'static str, description: &'static str, payload: &[u8]) -> Case {
    Case {
        name,
        description,
        format: Format::Bundle,
        bytes: forge::receipt(payload),
        expected: Expected::Rejected("receipt.claim.inconsistent"),
    }
}

/// Edits of the chat.
const RELAYED: [(&str, &str, Edit); 12] = [
    (
        "inconsistent-log-kind",
        "relayed, and logged as executed",
        |c| c.log.kind = 2,
    ),
    (
        "inconsistent-stream",
        "a stream chain without a stream",
        |c| {
            let key = fixture::chat().salts().scope("stream");
            c.stream = Some(StreamChain::new(&c.id, key).claim());
        },
    ),
    (
        "inconsistent-stream-head",
        "no events, and a chain with a step",
        |c| {
            c.operation.stream = true;
            let mut chain = StreamChain::new(&c.id, fixture::chat().salts().scope("stream"));
            chain.push(b"{}");
            c.stream = Some(proofmark_receipt::StreamClaim {
                events: 0,
                ..chain.claim()
            });
        },
    ),
    (
        "inconsistent-finish-speaker",
        "a relay that observed the finish reasons",
        |c| {
            c.finish = c
                .finish
                .take()
                .map(|(_, finish)| (Provenance::Observed, finish));
        },
    ),
    (
        "inconsistent-usage-speaker",
        "a relay that counted the tokens",
        |c| {
            c.usage = c.usage.map(|(_, usage)| (Provenance::Observed, usage));
        },
    ),
    (
        "inconsistent-choice-twice",
        "two choices with one index",
        |c| {
            c.finish = None;
            c.output.iter_mut().for_each(|choice| choice.index = 0);
        },
    ),
    (
        "inconsistent-choice-order",
        "choices in descending order",
        |c| {
            c.finish = None;
            c.output.reverse();
        },
    ),
    (
        "inconsistent-finish-twice",
        "two finish reasons for one choice",
        |c| {
            if let Some((_, finish)) = &mut c.finish {
                finish.iter_mut().for_each(|f| f.index = 0);
            }
        },
    ),
    (
        "inconsistent-finish-choice",
        "the finish reason of a choice that is not in the output",
        |c| {
            if let Some((_, finish)) = &mut c.finish {
                finish.push(Finish {
                    index: 7,
                    reason: None,
                });
            }
        },
    ),
    (
        "inconsistent-fields-root",
        "a body without fields whose root has some",
        |c| c.received.fields = 0,
    ),
    (
        "inconsistent-text-root",
        "a text with bytes whose root has none",
        |c| {
            c.output
                .iter_mut()
                .for_each(|choice| choice.text_root = Root::EMPTY);
        },
    ),
    ("inconsistent-timing", "a first byte after the end", |c| {
        c.timing.first_byte_us = Some(c.timing.done_us + 1);
    }),
];

/// Edits of the executed chat.
const EXECUTED: [(&str, &str, Edit); 9] = [
    (
        "inconsistent-parameter-twice",
        "two values of one parameter",
        |c| {
            if let Execution::Executed(executed) = &mut c.execution {
                executed.parameters.push(Parameter {
                    name: "temperature".into(),
                    value: ParameterValue::Clear("0".into()),
                });
            }
        },
    ),
    (
        "inconsistent-parameter-shown",
        "the words of a caller in clear, as the value of a parameter",
        |c| {
            if let Execution::Executed(executed) = &mut c.execution {
                executed.parameters.push(Parameter {
                    name: "user".into(),
                    value: ParameterValue::Clear(r#""alice""#.into()),
                });
            }
        },
    ),
    (
        "inconsistent-tokens-root",
        "no input tokens, and a root over some",
        |c| {
            if let Execution::Executed(executed) = &mut c.execution {
                executed.input_tokens.count = 0;
            }
        },
    ),
    (
        "inconsistent-seed-nobody",
        "a chat whose seed nobody chose",
        |c| {
            if let Execution::Executed(executed) = &mut c.execution {
                executed.seed = 0;
                executed.seed_chosen_by = SeedChooser::Nobody;
            }
        },
    ),
    (
        "inconsistent-infer-seed",
        "tensors, and a seed that the caller chose",
        |c| c.operation.name = "infer".into(),
    ),
    (
        "inconsistent-provider-usage",
        "executed here, and counted by a provider",
        |c| {
            c.usage = c.usage.map(|(_, usage)| (Provenance::Provider, usage));
        },
    ),
    (
        "inconsistent-usage-output",
        "more output tokens billed than ids committed to",
        |c| {
            if let Some((_, usage)) = &mut c.usage {
                usage.output_tokens += 1_000;
            }
        },
    ),
    (
        "inconsistent-usage-input",
        "fewer input tokens counted than ids committed to",
        |c| {
            if let Some((_, usage)) = &mut c.usage {
                usage.input_tokens -= 1;
            }
        },
    ),
    (
        "inconsistent-usage-without-ids",
        "output tokens billed, and no ids of the choice",
        |c| c.output.iter_mut().for_each(|choice| choice.tokens = None),
    ),
];

pub(crate) fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (claims, edits) in [
        (fixture::chat().claims()?, RELAYED.as_slice()),
        (fixture::executed()?.1, EXECUTED.as_slice()),
    ] {
        for (name, description, edit) in edits {
            let mut claims = claims.clone();
            edit(&mut claims);
            cases.push(case(name, description, &claims.encode()));
        }
    }
    let mut attached = fixture::attachments().claims()?;
    for attachment in &mut attached.attachments {
        attachment.path = "messages/0/content/1".into();
    }
    cases.push(case(
        "inconsistent-attachment-twice",
        "two attachments with one path",
        &attached.encode(),
    ));

    let relayed = Entries::of(&fixture::chat().claims()?.encode())?;
    let executed = Entries::of(&fixture::executed()?.1.encode())?;
    for (name, description, position) in [
        (
            "inconsistent-executions",
            "executed and relayed at once",
            10,
        ),
        (
            "inconsistent-asked",
            "executed, and asked of a provider",
            11,
        ),
        (
            "inconsistent-provider",
            "executed, and described by a provider",
            12,
        ),
    ] {
        let both = executed.clone().with(label(position), |e| {
            e.raw(relayed.value(label(position)));
        });
        cases.push(case(name, description, &both.encode()));
    }
    Ok(cases)
}
