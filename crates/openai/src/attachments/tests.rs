use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::request::Operation;

fn request(parts: &str) -> String {
    format!(
        r#"{{"model":"m","messages":[{{"role":"system","content":"x"}},{{"role":"user","content":[{parts}]}}]}}"#
    )
}

type Read = (
    String,
    AttachmentKind,
    Option<String>,
    Result<Vec<u8>, String>,
);

/// Path, kind, media type, and bytes or reference of each attachment.
fn read(parts: &str) -> Vec<Read> {
    let body = request(parts);
    let request = Request::open(Operation::ChatCompletions, body.as_bytes()).unwrap();
    let describe = |attachment: Attachment<'_>| {
        let content = match (&attachment.source, attachment.decode(1000).unwrap()) {
            (AttachmentSource::Reference(reference), None) => Err(reference.to_string()),
            (AttachmentSource::Inline { .. }, Some(bytes)) => Ok(bytes),
            _ => panic!("inline bytes decode, references do not"),
        };
        (
            attachment.path,
            attachment.kind,
            attachment.media_type,
            content,
        )
    };
    request.attachments().map(describe).collect()
}

#[test]
fn finds_every_kind_of_part() {
    let got = read(
        r#"{"type":"text","text":"data:image/png;base64,AAAA"},
        {"type":"image_url","image_url":{"url":"data:image/png;base64,aGk=","detail":"low"}},
        {"type":"image_url","image_url":{"url":"https://example.org/a.png"}},
        {"type":"input_audio","input_audio":{"data":"aGk=","format":"wav"}},
        {"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,aGk="}},
        {"type":"file","file":{"file_id":"file-1"}},
        {"type":"file","file":{"file_data":"aGk="}},
        {"type":"video_url","video_url":{"url":"http://example.org/v"}},
        {"type":"image_url","image_url":"https://example.org/b.png"},
        {"type":"something","something":{"url":"https://example.org/c"}}"#,
    );
    let path = |j: usize| format!("messages/1/content/{j}");
    let hi = || Ok(b"hi".to_vec());
    let media = |text: &str| Some(text.to_string());
    assert_eq!(
        got,
        [
            (path(1), AttachmentKind::Image, media("image/png"), hi()),
            (
                path(2),
                AttachmentKind::Image,
                None,
                Err("https://example.org/a.png".into())
            ),
            (path(3), AttachmentKind::Audio, media("audio/wav"), hi()),
            (
                path(4),
                AttachmentKind::File,
                media("application/pdf"),
                hi()
            ),
            (path(5), AttachmentKind::File, None, Err("file-1".into())),
            (path(6), AttachmentKind::File, None, hi()),
            (
                path(7),
                AttachmentKind::Video,
                None,
                Err("http://example.org/v".into())
            ),
            (
                path(8),
                AttachmentKind::Image,
                None,
                Err("https://example.org/b.png".into())
            ),
        ]
    );
}

#[test]
fn data_urls_of_all_forms() {
    let read_one = |url: &str| {
        let part = format!(r#"{{"type":"image_url","image_url":{{"url":"{url}"}}}}"#);
        let (_, _, media_type, content) = read(&part).pop().unwrap();
        (media_type, content)
    };
    assert_eq!(read_one("data:;base64,aGk="), (None, Ok(b"hi".to_vec())));
    assert_eq!(
        read_one("DATA:image/png;BASE64,aGk="),
        (Some("image/png".into()), Ok(b"hi".to_vec()))
    );
    assert_eq!(read_one("data:,a%20b%ff"), (None, Ok(b"a b\xff".to_vec())));
    assert_eq!(
        read_one("data:text/plain;charset=utf-8,x"),
        (Some("text/plain;charset=utf-8".into()), Ok(b"x".to_vec()))
    );
    assert_eq!(
        read_one("data:image\\/png;base64,aG\\u006b="),
        (Some("image/png".into()), Ok(b"hi".to_vec()))
    );
    // Not a data URL at all: the text is what is known.
    assert_eq!(read_one("data:nothing"), (None, Err("data:nothing".into())));
}

#[test]
fn base64_is_strict() {
    for bad in [
        "aGk", "aGk=\n", "aG k=", "aGl=", "=aGk", "aGk==", "a===", "aGk-", "aGk_", "%61GkA",
        "aGk=aGk=",
    ] {
        assert_eq!(
            decode_base64(bad, 100),
            Err(AttachmentError::Encoding),
            "{bad}"
        );
    }
    assert_eq!(decode_base64("", 0), Ok(Vec::new()));
    assert_eq!(
        AttachmentError::Encoding.code(),
        "request.attachment.encoding"
    );
}

#[test]
fn percent_escapes_are_strict() {
    for bad in ["%", "%4", "%4g", "%%"] {
        assert_eq!(
            decode_percent(bad, 100),
            Err(AttachmentError::Encoding),
            "{bad}"
        );
    }
    assert_eq!(decode_percent("%41%42", 2), Ok(b"AB".to_vec()));
}

#[test]
fn decoding_is_bounded() {
    let over = |limit, got| Err(AttachmentError::TooLarge { limit, got });
    assert_eq!(decode_base64("aGk=", 2).unwrap(), b"hi");
    assert_eq!(decode_base64("aGk=", 1), over(1, 2));
    assert_eq!(decode_percent("abc", 2), over(2, 3));
    assert_eq!(decode_percent("a%20c", 3).unwrap(), b"a c");
}

proptest! {
    #[test]
    fn base64_of_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let text = Base64::encode_string(&bytes);
        prop_assert_eq!(decode_base64(&text, bytes.len()), Ok(bytes));
    }

    #[test]
    fn decoding_never_panics(text in ".{0,40}") {
        let _refused_or_not = decode_base64(&text, 20);
        let _refused_or_not = decode_percent(&text, 20);
    }

    #[test]
    fn reading_parts_never_panics(url in ".{0,20}", kind in "(image_url|file|input_audio|text)") {
        let part = serde_json::json!({"type": kind, kind.clone(): {"url": url, "data": url, "file_data": url}});
        let body = request(&part.to_string());
        let request = Request::open(Operation::ChatCompletions, body.as_bytes()).unwrap();
        for attachment in request.attachments() {
            let _refused_or_not = attachment.decode(10);
        }
    }
}
