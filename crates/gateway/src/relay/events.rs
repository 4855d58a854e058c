//! One event of a stream: read, assembled, and written anew with our id and the pointer to the receipt.

use proofmark_openai::{
    AnswerError, ApiError, Assembler, Chunk, DONE, Edit, JsonText, Members, Operation, RawJson,
};

use super::MAX_PARTS;

/// What is put into the chunks of one stream.
#[derive(Debug)]
pub(super) struct Marks {
    /// The value of `id`; embeddings have none.
    pub(super) id: Option<JsonText>,
    /// The value of `proofmark`.
    pub(super) pointer: JsonText,
}

/// What to do with an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Send this data on.
    Data(Vec<u8>),
    /// Nothing to send: the token counts that only we asked for.
    Skip,
    /// The upstream says that the stream ends here.
    Done,
    /// The upstream sent an error: send it on, and nothing after it.
    Error(Vec<u8>, ApiError),
}

/// Rewrites the events of one stream, in order.
#[derive(Debug)]
pub(super) struct Rewriter {
    marks: Marks,
    /// Token counts are taken out of the stream, because the client did not ask for them.
    hides_usage: bool,
    pointed: bool,
}

impl Rewriter {
    pub(super) fn new(marks: Marks, hides_usage: bool) -> Self {
        Self {
            marks,
            hides_usage,
            pointed: false,
        }
    }

    /// Takes the data of the next event.
    ///
    /// # Errors
    /// If it is no chunk, or if the answer grows too long.
    pub(super) fn event(
        &mut self,
        data: &str,
        assembler: &mut Assembler,
    ) -> Result<Event, AnswerError> {
        if data.trim() == DONE {
            return Ok(Event::Done);
        }
        let chunk = Chunk::parse(data.as_bytes())?;
        check_indices(chunk.members())?;
        match assembler.push(&chunk) {
            Ok(()) => {}
            Err(AnswerError::Upstream(error)) => {
                return Ok(Event::Error(data.as_bytes().to_vec(), error));
            }
            Err(error) => return Err(error),
        }
        if self.hides_usage && chunk.is_usage_only() {
            return Ok(Event::Skip);
        }
        let mut edit = Edit::new(chunk.members());
        if let Some(id) = &self.marks.id {
            edit.set("id", id.clone());
        }
        if self.hides_usage && chunk.members().get("usage").is_some_and(RawJson::is_null) {
            edit.remove("usage");
        }
        if !self.pointed && chunk.has_finish_reason() {
            self.pointed = true;
            edit.set("proofmark", self.marks.pointer.clone());
        } else {
            // Nobody but us speaks under this name.
            edit.remove("proofmark");
        }
        Ok(Event::Data(edit.finish().to_vec()))
    }
}

/// Refuses choices that nobody can have asked for and no receipt has room for.
fn check_indices(members: &Members<'_>) -> Result<(), AnswerError> {
    let choices = members.get("choices").and_then(RawJson::elements);
    let fits = |choice: RawJson<'_>| {
        let index = choice.member("index").and_then(RawJson::as_u64);
        index.is_none_or(|index| usize::try_from(index).is_ok_and(|index| index < MAX_PARTS))
    };
    if choices.into_iter().flatten().all(fits) {
        Ok(())
    } else {
        Err(AnswerError::Shape { member: "index" })
    }
}

impl Marks {
    /// For the receipt with this id; `url` is where the receipt will be.
    pub(super) fn new(operation: Operation, id: &str, url: &str) -> Self {
        let prefix = match operation {
            Operation::ChatCompletions => Some("chatcmpl-"),
            Operation::Completions => Some("cmpl-"),
            Operation::Embeddings | Operation::Infer => None,
        };
        Self {
            id: prefix.map(|prefix| JsonText::string(&format!("{prefix}{id}"))),
            pointer: JsonText::object([
                ("id", JsonText::string(id)),
                ("url", JsonText::string(url)),
            ]),
        }
    }
}

/// Appends an event. Data with line breaks is split into lines, as the format wants it.
pub(crate) fn write_event(kind: &str, data: &[u8], out: &mut Vec<u8>) {
    if !kind.is_empty() {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.push(b'\n');
    }
    for line in data.split(|byte| *byte == b'\n') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewriter(hides_usage: bool) -> (Rewriter, Assembler) {
        let marks = Marks::new(Operation::ChatCompletions, "R", "/v1/receipts/R");
        (
            Rewriter::new(marks, hides_usage),
            Assembler::new(Operation::ChatCompletions, 1 << 20),
        )
    }

    fn data(text: &str) -> Event {
        Event::Data(text.as_bytes().to_vec())
    }

    #[test]
    fn id_on_every_chunk_and_the_pointer_on_the_first_finish() {
        let (mut rewriter, mut assembler) = rewriter(false);
        let mut event = |text: &str| rewriter.event(text, &mut assembler).unwrap();
        assert_eq!(
            event(
                r#"{"id":"x", "choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"proofmark":"forged"}"#
            ),
            data(
                r#"{"id":"chatcmpl-R", "choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#
            )
        );
        assert_eq!(
            event(r#"{"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#),
            data(
                r#"{"id":"chatcmpl-R","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"proofmark":{"id":"R","url":"/v1/receipts/R"}}"#
            )
        );
        assert_eq!(
            event(r#"{"id":"x","choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}"#),
            data(
                r#"{"id":"chatcmpl-R","choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}"#
            )
        );
        assert_eq!(event("[DONE]"), Event::Done);
    }

    #[test]
    fn usage_that_only_we_asked_for_is_taken_out() {
        let usage = r#"{"id":"x","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
        let null = r#"{"id":"x","choices":[{"index":0,"delta":{}}],"usage":null}"#;
        let (mut hiding, mut assembler) = rewriter(true);
        assert_eq!(hiding.event(usage, &mut assembler).unwrap(), Event::Skip);
        assert_eq!(
            hiding.event(null, &mut assembler).unwrap(),
            data(r#"{"id":"chatcmpl-R","choices":[{"index":0,"delta":{}}]}"#)
        );
        assert_eq!(
            assembler.finish().usage.unwrap().output_tokens,
            2,
            "and yet it is known"
        );
        let (mut open, mut assembler) = rewriter(false);
        assert_eq!(
            open.event(usage, &mut assembler).unwrap(),
            data(&usage.replace("\"x\"", "\"chatcmpl-R\""))
        );
        assert_eq!(
            open.event(null, &mut assembler).unwrap(),
            data(&null.replace("\"x\"", "\"chatcmpl-R\""))
        );
    }

    #[test]
    fn errors_are_told_from_chunks_and_from_noise() {
        let (mut rewriter, mut assembler) = rewriter(false);
        let error = r#"{"error":{"message":"m","type":"t","param":null,"code":"c"}}"#;
        let Event::Error(bytes, api_error) = rewriter.event(error, &mut assembler).unwrap() else {
            panic!("no error")
        };
        assert_eq!(
            (bytes.as_slice(), api_error.code.as_deref()),
            (error.as_bytes(), Some("c"))
        );
        rewriter.event("not json", &mut assembler).unwrap_err();
        rewriter
            .event(r#"{"a":1,"a":2}"#, &mut assembler)
            .unwrap_err();
        let far = r#"{"choices":[{"index":512,"delta":{}}]}"#;
        rewriter.event(far, &mut assembler).unwrap_err();
        let near = far.replace("512", "511");
        rewriter.event(&near, &mut assembler).unwrap();
    }

    #[test]
    fn data_with_line_breaks_is_one_event() {
        let mut out = Vec::new();
        write_event("", b"{\n}", &mut out);
        write_event("error", b"{}", &mut out);
        assert_eq!(out, b"data: {\ndata: }\n\nevent: error\ndata: {}\n\n");
    }
}
