//! Images, audio and files inside chat messages.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use base64ct::{Base64, Encoding as _};

use crate::error::AttachmentError;
use crate::json::{JsonKind, RawJson};
use crate::request::Request;

/// What kind of thing is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttachmentKind {
    /// A part of type `image_url`
    Image,
    /// A part of type `input_audio` or `audio_url`
    Audio,
    /// A part of type `file`
    File,
    /// A part of type `video_url`
    Video,
}

/// How inline bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentEncoding {
    /// Base64, RFC 4648 §4
    Base64,
    /// A `data:` URL without `;base64` (RFC 2397): percent escapes
    Percent,
}

/// Where the bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachmentSource<'a> {
    /// In the body.
    Inline {
        /// How they are written.
        encoding: ContentEncoding,
        /// As they are written.
        text: Cow<'a, str>,
    },
    /// Somewhere else: a URL or a file id.
    Reference(Cow<'a, str>),
}

/// One attachment of a chat message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment<'a> {
    /// Such as `messages/0/content/1`.
    pub path: String,
    /// What it is.
    pub kind: AttachmentKind,
    /// The media type, if the request states it.
    pub media_type: Option<String>,
    /// Where the bytes are.
    pub source: AttachmentSource<'a>,
}

impl Attachment<'_> {
    /// The bytes of an inline attachment, at most `limit` of them; `None` for a reference.
    ///
    /// # Errors
    /// [`AttachmentError`] if the encoding is wrong or the bytes are too many; nothing is allocated in that case.
    pub fn decode(&self, limit: usize) -> Result<Option<Vec<u8>>, AttachmentError> {
        match &self.source {
            AttachmentSource::Inline {
                encoding: ContentEncoding::Base64,
                text,
            } => decode_base64(text, limit).map(Some),
            AttachmentSource::Inline {
                encoding: ContentEncoding::Percent,
                text,
            } => decode_percent(text, limit).map(Some),
            AttachmentSource::Reference(_) => Ok(None),
        }
    }
}

/// Decodes Base64 of RFC 4648 §4: padded, no white space, unused bits zero.
///
/// # Errors
/// [`AttachmentError`]. The length is compared with `limit` before anything is allocated.
pub fn decode_base64(text: &str, limit: usize) -> Result<Vec<u8>, AttachmentError> {
    let padding = text
        .bytes()
        .rev()
        .take(2)
        .filter(|byte| *byte == b'=')
        .count();
    let got = (text.len() / 4).saturating_mul(3).saturating_sub(padding);
    if got > limit {
        return Err(AttachmentError::TooLarge { limit, got });
    }
    let mut out = vec![0; got];
    let written = Base64::decode(text, &mut out)
        .map_err(|_| AttachmentError::Encoding)?
        .len();
    if written == got {
        Ok(out)
    } else {
        Err(AttachmentError::Encoding)
    }
}

fn decode_percent(text: &str, limit: usize) -> Result<Vec<u8>, AttachmentError> {
    let escapes = text.bytes().filter(|byte| *byte == b'%').count();
    let got = text.len().saturating_sub(escapes.saturating_mul(2));
    if got > limit {
        return Err(AttachmentError::TooLarge { limit, got });
    }
    let mut out = Vec::with_capacity(got);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut nibble = || bytes.next().and_then(|digit| (digit as char).to_digit(16));
        match (nibble(), nibble()) {
            (Some(high), Some(low)) => {
                let value = high.wrapping_shl(4) | low;
                out.push(u8::try_from(value).map_err(|_| AttachmentError::Encoding)?);
            }
            _ => return Err(AttachmentError::Encoding),
        }
    }
    Ok(out)
}

impl<'a> Request<'a> {
    /// All attachments of a chat's messages, in order. Parts of types that are not known here are no attachments;
    /// they are committed to as part of their message.
    pub fn attachments(&self) -> impl Iterator<Item = Attachment<'a>> {
        self.messages().enumerate().flat_map(|(i, message)| {
            let content = message.member("content").and_then(RawJson::elements);
            content
                .into_iter()
                .flatten()
                .enumerate()
                .filter_map(move |(j, part)| {
                    let (kind, media_type, source) = read_part(part)?;
                    Some(Attachment {
                        path: format!("messages/{i}/content/{j}"),
                        kind,
                        media_type,
                        source,
                    })
                })
        })
    }
}

type Part<'a> = (AttachmentKind, Option<String>, AttachmentSource<'a>);

fn read_part(part: RawJson<'_>) -> Option<Part<'_>> {
    let type_name = part.member("type")?.as_str()?;
    let body = part.member(&type_name)?;
    match type_name.as_ref() {
        "image_url" => read_url_part(AttachmentKind::Image, body),
        "audio_url" => read_url_part(AttachmentKind::Audio, body),
        "video_url" => read_url_part(AttachmentKind::Video, body),
        "input_audio" => {
            let text = body.member("data")?.as_str()?;
            if text.starts_with("data:") {
                return Some(read_url(AttachmentKind::Audio, text));
            }
            let media_type = body
                .member("format")
                .and_then(RawJson::as_str)
                .map(|format| format!("audio/{format}"));
            Some((
                AttachmentKind::Audio,
                media_type,
                AttachmentSource::Inline {
                    encoding: ContentEncoding::Base64,
                    text,
                },
            ))
        }
        "file" => match body.member("file_data").and_then(RawJson::as_str) {
            Some(data) if data.starts_with("data:") => Some(read_url(AttachmentKind::File, data)),
            Some(text) => {
                let source = AttachmentSource::Inline {
                    encoding: ContentEncoding::Base64,
                    text,
                };
                Some((AttachmentKind::File, None, source))
            }
            None => {
                let id = body.member("file_id")?.as_str()?;
                Some((AttachmentKind::File, None, AttachmentSource::Reference(id)))
            }
        },
        _ => None,
    }
}

/// A part whose body is `{"url": …}`, or, as some servers accept it, the URL itself.
fn read_url_part(kind: AttachmentKind, body: RawJson<'_>) -> Option<Part<'_>> {
    let url = match body.kind() {
        JsonKind::String => body.as_str()?,
        _ => body.member("url")?.as_str()?,
    };
    Some(read_url(kind, url))
}

// RFC 2397 §3; the scheme is compared without regard to case (RFC 3986 §3.1).
fn read_url(kind: AttachmentKind, url: Cow<'_, str>) -> Part<'_> {
    let split = url
        .get(..5)
        .filter(|scheme| scheme.eq_ignore_ascii_case("data:"))
        .and_then(|_| {
            let comma = url.find(',')?;
            Some((url.get(5..comma)?, comma.checked_add(1)?))
        });
    let Some((head, data_at)) = split else {
        return (kind, None, AttachmentSource::Reference(url));
    };
    let (media_type, encoding) = match strip_base64(head) {
        Some(media_type) => (media_type, ContentEncoding::Base64),
        None => (head, ContentEncoding::Percent),
    };
    let media_type = (!media_type.is_empty()).then(|| String::from(media_type));
    let text = match url {
        Cow::Borrowed(url) => Cow::Borrowed(url.get(data_at..).unwrap_or_default()),
        Cow::Owned(mut url) => Cow::Owned(url.split_off(data_at)),
    };
    (
        kind,
        media_type,
        AttachmentSource::Inline { encoding, text },
    )
}

fn strip_base64(head: &str) -> Option<&str> {
    let cut = head.len().checked_sub(";base64".len())?;
    head.get(cut..)
        .filter(|suffix| suffix.eq_ignore_ascii_case(";base64"))?;
    head.get(..cut)
}

#[cfg(test)]
mod tests;
