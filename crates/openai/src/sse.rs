//! Server-sent events (WHATWG HTML §9.2.5, §9.2.6), read incrementally and within bounds.

use alloc::string::String;
use alloc::vec::Vec;

use crate::error::AnswerError;

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'p> {
    /// The `event` field; empty if there was none, which means `message`.
    pub kind: &'p str,
    /// The `data` lines, joined with line feeds.
    pub data: &'p str,
}

/// Reads events from pieces of a body, cut anywhere.
///
/// Differs from the standard in two ways, both because a relay signs what it reads: data that is not UTF-8 is an error
/// instead of being replaced, and [`SseParser::finish`] gives the last event even if its blank line is missing. The
/// fields `id` and `retry` and comments are skipped; events without data are not reported.
///
/// ```
/// use proofmark_openai::SseParser;
///
/// let mut parser = SseParser::new(1024);
/// let mut input: &[u8] = b": hello\n\ndata: {}\r\n\r\ndata: [DO";
/// assert_eq!(parser.next_event(&mut input)?.map(|event| event.data), Some("{}"));
/// assert_eq!(parser.next_event(&mut input)?, None);
/// let mut input: &[u8] = b"NE]\n\n";
/// assert_eq!(parser.next_event(&mut input)?.map(|event| event.data), Some("[DONE]"));
/// # Ok::<(), proofmark_openai::AnswerError>(())
/// ```
#[derive(Debug)]
pub struct SseParser {
    limit: usize,
    /// The line that is not complete yet.
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    kind: String,
    /// The event above was handed out and is to be forgotten.
    reported: bool,
    /// The last byte was a CR: an LF after it belongs to the same line end.
    after_cr: bool,
    at_start: bool,
}

impl SseParser {
    /// `limit` bounds a line and the data of an event, in bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            data: Vec::new(),
            has_data: false,
            kind: String::new(),
            reported: false,
            after_cr: false,
            at_start: true,
        }
    }

    /// Reads up to the end of the next event and moves `input` behind it; `None` if all of `input` was read and no
    /// event ended in it.
    ///
    /// # Errors
    /// [`AnswerError::TooLarge`] or [`AnswerError::EventNotUtf8`]; the stream cannot be read on.
    pub fn next_event(&mut self, input: &mut &[u8]) -> Result<Option<Event<'_>>, AnswerError> {
        self.forget_reported();
        while !input.is_empty() {
            if core::mem::take(&mut self.after_cr)
                && let Some(rest) = input.strip_prefix(b"\n")
            {
                *input = rest;
                continue;
            }
            let end = input.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (head, tail) = input
                .split_at_checked(end.unwrap_or(input.len()))
                .unwrap_or((*input, &[]));
            if self.line.len().saturating_add(head.len()) > self.limit {
                return Err(AnswerError::TooLarge { limit: self.limit });
            }
            self.line.extend_from_slice(head);
            let Some((line_end, rest)) = tail.split_first() else {
                *input = tail;
                break;
            };
            self.after_cr = *line_end == b'\r';
            *input = rest;
            if self.end_line()? {
                return self.report().map(Some);
            }
        }
        Ok(None)
    }

    /// The end of the body: the event that was not ended by a blank line, if there is one.
    ///
    /// # Errors
    /// As [`SseParser::next_event`].
    pub fn finish(&mut self) -> Result<Option<Event<'_>>, AnswerError> {
        self.forget_reported();
        if !self.line.is_empty() {
            self.end_line()?;
        }
        if self.has_data {
            self.report().map(Some)
        } else {
            Ok(None)
        }
    }

    fn forget_reported(&mut self) {
        if core::mem::take(&mut self.reported) {
            self.data.clear();
            self.kind.clear();
            self.has_data = false;
        }
    }

    /// Takes the line in; tells whether it ends an event that has data.
    fn end_line(&mut self) -> Result<bool, AnswerError> {
        let mut line = self.line.as_slice();
        if core::mem::take(&mut self.at_start) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            self.line.clear();
            if !self.has_data {
                self.kind.clear();
            }
            return Ok(self.has_data);
        }
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(line.len());
        let (name, value) = line.split_at_checked(colon).unwrap_or((line, &[]));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => {
                if self.data.len().saturating_add(value.len()) >= self.limit {
                    return Err(AnswerError::TooLarge { limit: self.limit });
                }
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
                self.has_data = true;
            }
            b"event" => {
                self.kind.clear();
                self.kind
                    .push_str(core::str::from_utf8(value).map_err(|_| AnswerError::EventNotUtf8)?);
            }
            _ => {}
        }
        self.line.clear();
        Ok(false)
    }

    fn report(&mut self) -> Result<Event<'_>, AnswerError> {
        self.reported = true;
        let data = core::str::from_utf8(&self.data).map_err(|_| AnswerError::EventNotUtf8)?;
        Ok(Event {
            kind: &self.kind,
            data,
        })
    }
}

#[cfg(test)]
mod tests;
