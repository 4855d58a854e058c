//! Replies as OpenAI's JSON, in one piece and as chunks.

mod chat;
mod completion;

pub(super) use chat::{chat_chunks, chat_whole};
pub(super) use completion::{completion_chunks, completion_whole};

use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

use super::reply::{Reply, ReplyUsage, Vectors};

/// What all answers and chunks of one request have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) id: &'a str,
    pub(super) created: u64,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Usage {
    prompt_tokens: usize,
    completion_tokens: usize,
    total_tokens: usize,
}

impl From<ReplyUsage> for Usage {
    fn from(usage: ReplyUsage) -> Self {
        let ReplyUsage { input, output } = usage;
        Self {
            prompt_tokens: input,
            completion_tokens: output,
            total_tokens: input + output,
        }
    }
}

/// `usage` of a chunk: absent unless asked for, and then null before the end.
#[derive(Debug, Clone, Copy)]
enum ChunkUsage {
    Absent,
    Null,
    Counts(Usage),
}

impl ChunkUsage {
    fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl Serialize for ChunkUsage {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent | Self::Null => serializer.serialize_none(),
            Self::Counts(usage) => usage.serialize(serializer),
        }
    }
}

/// One server-sent event.
fn event(data: &impl Serialize) -> Bytes {
    let mut out = Vec::with_capacity(384);
    out.extend_from_slice(b"data: ");
    // Writing plain structures into memory does not fail.
    if serde_json::to_writer(&mut out, data).is_ok() {
        out.extend_from_slice(b"\n\n");
    }
    Bytes::from(out)
}

fn whole(data: &impl Serialize) -> Bytes {
    let mut out = Vec::with_capacity(1024);
    // As above.
    let _written = serde_json::to_writer(&mut out, data);
    Bytes::from(out)
}

/// The log probability of a token: one of 16 values that depend on its first byte.
fn logprob(token: &str, rank: usize) -> f64 {
    let step = token.bytes().next().map_or(0, |byte| byte % 16);
    -f64::from(step) / 64.0 - f64::from(u32::try_from(rank).unwrap_or(u32::MAX))
}

/// The alternatives to a token: itself first.
fn alternatives(token: &str, count: usize) -> impl Iterator<Item = (String, f64)> {
    (0..count).map(move |rank| {
        let text = if rank == 0 {
            token.to_owned()
        } else {
            format!("{token}~{rank}")
        };
        (text, logprob(token, rank))
    })
}

/// The end of every stream.
pub(super) const DONE: Bytes = Bytes::from_static(b"data: [DONE]\n\n");

/// The answer to an embeddings request.
pub(super) fn vectors(model: &str, vectors: &Vectors) -> Bytes {
    let data = vectors.rows.iter().enumerate().map(|(index, row)| {
        let embedding = if vectors.base64 {
            let bytes: Vec<u8> = row.iter().flat_map(|x| x.to_le_bytes()).collect();
            json!(Base64::encode_string(&bytes))
        } else {
            json!(row)
        };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    });
    whole(&json!({
        "object": "list",
        "data": data.collect::<Vec<_>>(),
        "model": model,
        "usage": {"prompt_tokens": vectors.tokens, "total_tokens": vectors.tokens},
    }))
}

/// The pieces of all choices in the order in which they are streamed: one of each choice in turn.
fn in_turn<T>(tracks: Vec<Vec<T>>) -> impl Iterator<Item = (usize, T)> {
    let longest = tracks.iter().map(Vec::len).max().unwrap_or(0);
    let mut tracks: Vec<_> = tracks.into_iter().map(Vec::into_iter).collect();
    let mut ordered = Vec::new();
    for _ in 0..longest {
        for (index, track) in tracks.iter_mut().enumerate() {
            ordered.extend(track.next().map(|item| (index, item)));
        }
    }
    ordered.into_iter()
}

fn usage_before_end(include_usage: bool) -> ChunkUsage {
    if include_usage {
        ChunkUsage::Null
    } else {
        ChunkUsage::Absent
    }
}

fn usage_at_end(include_usage: bool, reply: &Reply) -> Option<ChunkUsage> {
    include_usage.then(|| ChunkUsage::Counts(reply.usage.into()))
}
