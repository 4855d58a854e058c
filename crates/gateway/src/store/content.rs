//! The contents of one request, and their bytes before they are sealed.
//!
//! ```text
//! contents  = [2, received: bstr, forwarded, answer, executed]
//! forwarded = null                                   ; the received bytes
//!           / [* bstr / [offset: uint, length: uint]]  ; pieces, literal or taken from the received bytes
//! answer    = null                                   ; none, or none that could be read
//!           / bstr                                   ; a body in one piece, as it arrived
//!           / [* [index: uint, finish: bstr / null, text: bstr, [* [name: bstr, value: bstr]]]]   ; a stream, assembled
//! executed  = null
//!           / [prompt: bstr, input ids: bstr, [* [name: bstr, JSON text: bstr]], [* [index: uint, output ids: bstr]]]   ; 4 bytes per id, big-endian
//! ```

use std::fmt;

use bytes::Bytes;
use proofmark_openai::{Answer, AnswerError, AnswerField, Choice, Operation};
use proofmark_receipt::cbor::{Decoder, Encoder, MAX_ELEMENTS};

use super::StoreError;
use super::error::{Malformation as _, open_version};
use crate::exchange::ExecutedHere;

const VERSION: u64 = 2;
const WHAT: &str = "contents";

/// What is to be kept of an exchange.
#[derive(Clone, Copy)]
pub struct Kept<'a> {
    /// The request as it arrived.
    pub received: &'a Bytes,
    /// The request as it was sent on, in pieces. Those that are taken from the received bytes unchanged are kept as references.
    pub forwarded: &'a [Bytes],
    /// The answer's body, if it came in one piece.
    pub raw: Option<&'a Bytes>,
    /// The assembled answer, if it came as a stream.
    pub choices: &'a [Choice],
    /// What a model of this node's own executed.
    pub executed: Option<&'a ExecutedHere>,
}

/// What was kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Contents {
    /// The request as it arrived.
    pub received: Vec<u8>,
    /// The request as it was sent on, if it was not the same.
    pub forwarded: Option<Vec<u8>>,
    /// The answer.
    pub answer: KeptAnswer,
    /// What was executed, if a model of this node's own answered.
    pub executed: Option<KeptExecution>,
}

/// What opens the claim of an execution.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptExecution {
    /// The rendered prompt, or the encoded input tensors.
    pub prompt: Vec<u8>,
    /// Input token ids.
    pub input: Vec<u32>,
    /// Name and JSON text of every parameter.
    pub parameters: Vec<(String, String)>,
    /// Index of a choice, and its output token ids.
    pub output: Vec<(u64, Vec<u32>)>,
}

impl fmt::Debug for KeptExecution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeptExecution({} input tokens)", self.input.len())
    }
}

/// An answer that was kept.
#[derive(Clone, PartialEq, Eq)]
pub enum KeptAnswer {
    /// There was none, or none that could be read.
    None,
    /// A body in one piece, as it arrived.
    Raw(Vec<u8>),
    /// The choices of a stream, as far as they came.
    Assembled(Vec<Choice>),
}

impl fmt::Debug for Kept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept({} bytes received)", self.received.len())
    }
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Contents({} bytes received)", self.received.len())
    }
}

impl fmt::Debug for KeptAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("KeptAnswer(none)"),
            Self::Raw(body) => write!(f, "KeptAnswer({} bytes)", body.len()),
            Self::Assembled(choices) => write!(f, "KeptAnswer({} choices)", choices.len()),
        }
    }
}

/// A piece of the forwarded body.
enum Piece<'a> {
    Literal(&'a [u8]),
    Received { offset: usize, length: usize },
}

impl<'a> Piece<'a> {
    /// A piece that is a slice of the received buffer, and still says the same, is kept as where it is.
    fn of(piece: &'a Bytes, received: &Bytes) -> Self {
        let length = piece.len();
        let offset = (piece.as_ptr() as usize).checked_sub(received.as_ptr() as usize);
        let is_there = |offset: &usize| {
            let end = offset.checked_add(length)?;
            received.get(*offset..end).filter(|there| *there == piece)
        };
        match offset.filter(|offset| is_there(offset).is_some()) {
            Some(offset) => Self::Received { offset, length },
            None => Self::Literal(piece),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Literal(bytes) => bytes.len(),
            Self::Received { .. } => 0,
        }
    }
}

impl<'a> Kept<'a> {
    fn pieces(&self) -> Vec<Piece<'a>> {
        let pieces: Vec<_> = self
            .forwarded
            .iter()
            .map(|piece| Piece::of(piece, self.received))
            .collect();
        match pieces.as_slice() {
            [Piece::Received { offset: 0, length }] if *length == self.received.len() => Vec::new(),
            _ => pieces,
        }
    }

    /// The bytes behind `prefix`; `None` if they are more than `max_bytes`, or have more elements than the codec reads.
    pub(super) fn encode(&self, prefix: &[u8], max_bytes: usize) -> Option<Vec<u8>> {
        let pieces = self.pieces();
        let choices = if self.raw.is_some() {
            &[]
        } else {
            self.choices
        };
        let mut counts = choices.iter().map(|choice| choice.fields.len());
        if counts.any(too_many) || too_many(pieces.len()) || too_many(choices.len()) {
            return None;
        }
        let raw = self.raw.map_or(0, Bytes::len);
        let literal = pieces
            .iter()
            .map(Piece::bytes)
            .chain(choices.iter().map(bytes_of));
        let bytes = literal.fold(
            self.received
                .len()
                .saturating_add(raw)
                .saturating_add(self.executed.map_or(0, ExecutedHere::bytes)),
            usize::saturating_add,
        );
        if bytes > max_bytes {
            return None;
        }
        // Room for the tag too, with which the caller ends it.
        let mut e = Encoder::with_capacity(bytes.saturating_add(prefix.len()).saturating_add(128));
        e.raw(prefix);
        e.array(5).uint(VERSION).bytes(self.received);
        encode_forwarded(&mut e, &pieces);
        match self.raw {
            Some(raw) => {
                e.bytes(raw);
            }
            None if choices.is_empty() => {
                e.null();
            }
            None => encode_choices(&mut e, choices),
        }
        match self.executed {
            Some(executed) => encode_executed(&mut e, executed, self.choices),
            None => {
                e.null();
            }
        }
        Some(e.into_bytes())
    }
}

/// Whether an array would have more elements than the codec reads.
fn too_many(elements: usize) -> bool {
    elements as u64 > MAX_ELEMENTS
}

fn bytes_of(choice: &Choice) -> usize {
    let fields = choice
        .fields
        .iter()
        .map(|field| field.name.len().saturating_add(field.value.len()));
    fields.fold(choice.text.len(), usize::saturating_add)
}

fn encode_forwarded(e: &mut Encoder, pieces: &[Piece<'_>]) {
    if pieces.is_empty() {
        e.null();
        return;
    }
    e.array(pieces.len());
    for piece in pieces {
        match piece {
            Piece::Literal(bytes) => e.bytes(bytes),
            Piece::Received { offset, length } => {
                e.array(2).uint(*offset as u64).uint(*length as u64)
            }
        };
    }
}

fn encode_choices(e: &mut Encoder, choices: &[Choice]) {
    e.array(choices.len());
    for choice in choices {
        e.array(4).uint(choice.index);
        match &choice.finish_reason {
            Some(reason) => e.bytes(reason.as_bytes()),
            None => e.null(),
        };
        e.bytes(choice.text.as_bytes()).array(choice.fields.len());
        for field in &choice.fields {
            e.array(2).bytes(field.name.as_bytes()).bytes(&field.value);
        }
    }
}

fn encode_ids(e: &mut Encoder, ids: &[u32]) {
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_be_bytes()).collect();
    e.bytes(&bytes);
}

fn encode_executed(e: &mut Encoder, executed: &ExecutedHere, choices: &[Choice]) {
    e.array(4).bytes(&executed.prompt);
    encode_ids(e, &executed.input);
    e.array(executed.parameters.len());
    for (name, json) in &executed.parameters {
        e.array(2).bytes(name.as_bytes()).bytes(json.as_bytes());
    }
    let output: Vec<(u64, Vec<u32>)> = choices
        .iter()
        .filter_map(|choice| {
            let ids = executed.output.of(u32::try_from(choice.index).ok()?)?;
            Some((choice.index, ids))
        })
        .collect();
    e.array(output.len());
    for (index, ids) in &output {
        e.array(2).uint(*index);
        encode_ids(e, ids);
    }
}

impl Contents {
    /// Reads contents that were opened.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut d = Decoder::new(bytes);
        open_version(&mut d, WHAT, 5, VERSION)?;
        let received = d.bytes().or_malformed(WHAT)?.to_vec();
        let forwarded = decode_forwarded(&mut d, &received)?;
        let answer = decode_answer(&mut d)?;
        let executed = decode_executed(&mut d)?;
        d.finish().or_malformed(WHAT)?;
        Ok(Self {
            received,
            forwarded,
            answer,
            executed,
        })
    }

    /// The request as it was sent on.
    #[must_use]
    pub fn forwarded(&self) -> &[u8] {
        self.forwarded.as_deref().unwrap_or(&self.received)
    }

    /// The answer's choices, none if it cannot be read as an answer.
    ///
    /// # Errors
    /// [`StoreError::Answer`] if the body is no answer of `operation`; an upstream's error object is none.
    pub fn choices(&self, operation: Operation) -> Result<Vec<Choice>, StoreError> {
        match &self.answer {
            KeptAnswer::None => Ok(Vec::new()),
            KeptAnswer::Assembled(choices) => Ok(choices.clone()),
            KeptAnswer::Raw(body) => match Answer::parse(operation, body) {
                Ok(answer) => Ok(answer.choices),
                Err(AnswerError::Upstream(_)) => Ok(Vec::new()),
                Err(error) => Err(error.into()),
            },
        }
    }
}

fn decode_forwarded(d: &mut Decoder<'_>, received: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    if d.peek_null() {
        d.null().or_malformed(WHAT)?;
        return Ok(None);
    }
    let mut forwarded = Vec::new();
    for _ in 0..d.array().or_malformed(WHAT)? {
        let mut reference = d.clone();
        if reference.array_exact(2).is_err() {
            forwarded.extend_from_slice(d.bytes().or_malformed(WHAT)?);
            continue;
        }
        *d = reference;
        let outside = d.malformed("a range of the received bytes");
        let (offset, length) = (d.uint().or_malformed(WHAT)?, d.uint().or_malformed(WHAT)?);
        let range = usize::try_from(offset)
            .ok()
            .zip(usize::try_from(length).ok());
        let piece =
            range.and_then(|(offset, length)| received.get(offset..offset.checked_add(length)?));
        // A reference costs a few bytes and may stand for many: the sum is bounded as the received body is, by what was accepted.
        let piece = piece.filter(|piece| {
            forwarded.len().saturating_add(piece.len()) <= super::MAX_CONTENT_BYTES
        });
        forwarded.extend_from_slice(piece.ok_or(outside).or_malformed(WHAT)?);
    }
    Ok(Some(forwarded))
}

fn decode_answer(d: &mut Decoder<'_>) -> Result<KeptAnswer, StoreError> {
    if d.peek_null() {
        d.null().or_malformed(WHAT)?;
        return Ok(KeptAnswer::None);
    }
    let mut raw = d.clone();
    if let Ok(body) = raw.bytes() {
        *d = raw;
        return Ok(KeptAnswer::Raw(body.to_vec()));
    }
    let choices = d.array().or_malformed(WHAT)?;
    (0..choices)
        .map(|_| decode_choice(d))
        .collect::<Result<_, _>>()
        .map(KeptAnswer::Assembled)
}

fn decode_choice(d: &mut Decoder<'_>) -> Result<Choice, StoreError> {
    d.array_exact(4).or_malformed(WHAT)?;
    let index = d.uint().or_malformed(WHAT)?;
    let finish_reason = if d.peek_null() {
        d.null().or_malformed(WHAT)?;
        None
    } else {
        Some(string(d)?)
    };
    let text = string(d)?;
    let fields = d.array().or_malformed(WHAT)?;
    let fields = (0..fields).map(|_| {
        d.array_exact(2).or_malformed(WHAT)?;
        Ok(AnswerField {
            name: string(d)?,
            value: d.bytes().or_malformed(WHAT)?.to_vec(),
        })
    });
    Ok(Choice {
        fields: fields.collect::<Result<_, StoreError>>()?,
        index,
        finish_reason,
        text,
    })
}

fn decode_ids(d: &mut Decoder<'_>) -> Result<Vec<u32>, StoreError> {
    let error = d.malformed("ids of 4 bytes");
    let (ids, rest) = d.bytes().or_malformed(WHAT)?.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(error).or_malformed(WHAT);
    }
    Ok(ids.iter().map(|id| u32::from_be_bytes(*id)).collect())
}

fn decode_executed(d: &mut Decoder<'_>) -> Result<Option<KeptExecution>, StoreError> {
    if d.peek_null() {
        d.null().or_malformed(WHAT)?;
        return Ok(None);
    }
    d.array_exact(4).or_malformed(WHAT)?;
    let prompt = d.bytes().or_malformed(WHAT)?.to_vec();
    let input = decode_ids(d)?;
    let parameters = (0..d.array().or_malformed(WHAT)?)
        .map(|_| {
            d.array_exact(2).or_malformed(WHAT)?;
            Ok((string(d)?, string(d)?))
        })
        .collect::<Result<_, StoreError>>()?;
    let output = (0..d.array().or_malformed(WHAT)?)
        .map(|_| {
            d.array_exact(2).or_malformed(WHAT)?;
            Ok((d.uint().or_malformed(WHAT)?, decode_ids(d)?))
        })
        .collect::<Result<_, StoreError>>()?;
    Ok(Some(KeptExecution {
        prompt,
        input,
        parameters,
        output,
    }))
}

/// Text that may be longer than the codec's texts, so that it is kept as bytes.
fn string(d: &mut Decoder<'_>) -> Result<String, StoreError> {
    let error = d.malformed("UTF-8");
    let bytes = d.bytes().or_malformed(WHAT)?.to_vec();
    String::from_utf8(bytes)
        .map_err(|_| error)
        .or_malformed(WHAT)
}

#[cfg(test)]
mod tests;
