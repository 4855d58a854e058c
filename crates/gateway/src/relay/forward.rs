//! The body that is forwarded: the received one with as few edits as can be, each on record.

use std::borrow::Cow;

use bytes::Bytes;
use proofmark_openai::{Edit, JsonText, Members, Operation, Request};
use proofmark_receipt::{Adjustment, AdjustmentKind};

use crate::exchange::Adjusted;

/// What is sent to an upstream, and how it differs from what was received.
#[derive(Debug)]
pub(super) struct Forwarded {
    pub(super) pieces: Vec<Bytes>,
    pub(super) adjusted: Vec<Adjusted>,
    /// Whether the client will get token counts on the stream that it did not ask for, unless they are taken out.
    pub(super) asks_usage: bool,
}

/// Makes the body for an upstream that calls the model `model`. `body` is what `request` was read from.
pub(super) fn forward(
    request: &Request<'_>,
    body: &Bytes,
    model: &str,
    stream_usage: bool,
) -> Forwarded {
    let mut edit = Edit::new(request.members());
    let mut adjusted = Vec::new();
    if model != request.model() {
        let value = JsonText::string(model);
        edit.set("model", value.clone());
        adjusted.push(Adjusted {
            adjustment: Adjustment {
                kind: AdjustmentKind::Replaced,
                member: "model".to_owned(),
                detail: format!("{} -> {model}", request.model()),
            },
            value,
        });
    }
    let asks_usage = stream_usage
        && request.stream()
        && !request.include_usage()
        && request.operation() != Operation::Embeddings;
    if asks_usage {
        let (kind, value) = usage_options(request.members());
        edit.set("stream_options", value.clone());
        let adjustment = Adjustment {
            kind,
            member: "stream_options".to_owned(),
            detail: "include_usage: true".to_owned(),
        };
        adjusted.push(Adjusted { adjustment, value });
    }
    let pieces = if edit.is_empty() {
        vec![body.clone()]
    } else {
        edit.finish()
            .into_slices()
            .into_iter()
            .map(|slice| piece(body, slice))
            .collect()
    };
    Forwarded {
        pieces,
        adjusted,
        asks_usage,
    }
}

/// `stream_options` with `include_usage`, and whether the member was there before.
fn usage_options(members: &Members<'_>) -> (AdjustmentKind, JsonText) {
    let wanted = || JsonText::object([("include_usage", JsonText::bool(true))]);
    let Some(present) = members.get("stream_options") else {
        return (AdjustmentKind::Added, wanted());
    };
    let value = Members::of(present).and_then(|options| {
        let mut edit = Edit::new(&options);
        edit.set("include_usage", JsonText::bool(true));
        JsonText::parse(&String::from_utf8(edit.finish().to_vec()).ok()?).ok()
    });
    (AdjustmentKind::Replaced, value.unwrap_or_else(wanted))
}

/// A slice of `whole` without a copy, or a new piece.
pub(super) fn piece(whole: &Bytes, slice: Cow<'_, [u8]>) -> Bytes {
    match slice {
        Cow::Borrowed(slice) => whole.slice_ref(slice),
        Cow::Owned(new) => Bytes::from(new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kind, member, detail and value.
    type Edits = Vec<(AdjustmentKind, String, String, String)>;

    /// The body as sent, the edits on record, and whether usage is asked for.
    fn run(body: &str, model: &str, stream_usage: bool) -> (String, Edits, bool) {
        let bytes = Bytes::copy_from_slice(body.as_bytes());
        let request = Request::open(Operation::ChatCompletions, &bytes).unwrap();
        let forwarded = forward(&request, &bytes, model, stream_usage);
        let text = String::from_utf8(forwarded.pieces.concat()).unwrap();
        let edit = |Adjusted { adjustment, value }: Adjusted| {
            let Adjustment {
                kind,
                member,
                detail,
            } = adjustment;
            (kind, member, detail, value.into_json())
        };
        (
            text,
            forwarded.adjusted.into_iter().map(edit).collect(),
            forwarded.asks_usage,
        )
    }

    #[test]
    fn nothing_to_change_is_the_same_bytes() {
        let body = r#"{ "model":"m", "messages":[{"role":"user"}], "stream":true, "stream_options":{"include_usage":true} }"#;
        assert_eq!(run(body, "m", true), (body.to_owned(), vec![], false));
        let body = r#"{"model":"m","messages":[{"role":"user"}]}"#;
        assert_eq!(run(body, "m", true), (body.to_owned(), vec![], false));
    }

    #[test]
    fn each_edit_is_on_record() {
        let (text, adjusted, asks_usage) = run(
            r#"{"model":"up/m","messages":[{"role":"user"}],"stream":true}"#,
            "m",
            true,
        );
        assert_eq!(
            text,
            r#"{"model":"m","messages":[{"role":"user"}],"stream":true,"stream_options":{"include_usage":true}}"#
        );
        assert!(asks_usage);
        assert_eq!(
            adjusted,
            [
                (
                    AdjustmentKind::Replaced,
                    "model".into(),
                    "up/m -> m".into(),
                    "\"m\"".into()
                ),
                (
                    AdjustmentKind::Added,
                    "stream_options".into(),
                    "include_usage: true".into(),
                    r#"{"include_usage":true}"#.into()
                ),
            ]
        );
    }

    #[test]
    fn other_stream_options_stay() {
        for (before, after) in [
            (
                r#"{"include_obfuscation":false}"#,
                r#"{"include_obfuscation":false,"include_usage":true}"#,
            ),
            (r#"{"include_usage":false}"#, r#"{"include_usage":true}"#),
            ("null", r#"{"include_usage":true}"#),
        ] {
            let body = format!(
                r#"{{"model":"m","messages":[{{"role":"user"}}],"stream":true,"stream_options":{before}}}"#
            );
            let (text, adjusted, _) = run(&body, "m", true);
            assert_eq!(text, body.replace(before, after));
            assert_eq!(adjusted[0].0, AdjustmentKind::Replaced);
            assert_eq!(run(&body, "m", false), (body, vec![], false));
        }
    }
}
