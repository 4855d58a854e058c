use alloc::string::{String, ToString};
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

fn read(pieces: &[&[u8]]) -> Result<Vec<(String, String)>, AnswerError> {
    let mut parser = SseParser::new(64);
    let mut events = Vec::new();
    for piece in pieces {
        let mut input = *piece;
        while let Some(event) = parser.next_event(&mut input)? {
            events.push((event.kind.to_string(), event.data.to_string()));
        }
        assert!(input.is_empty());
    }
    if let Some(event) = parser.finish()? {
        events.push((event.kind.to_string(), event.data.to_string()));
    }
    Ok(events)
}

fn data(text: &[u8]) -> Vec<String> {
    read(&[text])
        .unwrap()
        .into_iter()
        .map(|(_, data)| data)
        .collect()
}

#[test]
fn line_ends_of_all_kinds() {
    for end in ["\n", "\r", "\r\n"] {
        let text = "data: a@data: b@@data:c@@".replace('@', end);
        assert_eq!(data(text.as_bytes()), ["a\nb", "c"], "{end:?}");
    }
    assert_eq!(data(b"data: a\r\n\n"), ["a"]);
    assert_eq!(data(b"data: a\n\r\n"), ["a"]);
    assert_eq!(data(b"data: a\r\rdata: b\r\n\r\n"), ["a", "b"]);
}

#[test]
fn fields_and_comments() {
    assert_eq!(
        data(b": keepalive\n\n:\n\ndata: a\n: inside\ndata\ndata:  b\n\n"),
        ["a\n\n b"]
    );
    assert_eq!(data(b"datax: a\n Data: a\nid: 1\nretry: 2\n\n"), [""; 0]);
    assert_eq!(data(b"data\n\n"), [""]);
    assert_eq!(
        data(b"\xef\xbb\xbfdata: a\n\ndata: \xef\xbb\xbfb\n\n"),
        ["a", "\u{feff}b"]
    );
    assert_eq!(data(b"\n\xef\xbb\xbfdata: a\n\n"), [""; 0]);
    let kinds = read(&[b"event: error\ndata: 1\n\nevent: dropped\n\ndata: 2\n\n"]).unwrap();
    assert_eq!(
        kinds,
        [("error".into(), "1".into()), (String::new(), "2".into())]
    );
}

#[test]
fn the_last_event_may_lack_its_end() {
    assert_eq!(data(b"data: a\n\ndata: [DONE]"), ["a", "[DONE]"]);
    assert_eq!(data(b"data: [DONE]\n"), ["[DONE]"]);
    assert_eq!(data(b"data: a\n\n: bye"), ["a"]);
}

#[test]
fn lines_and_events_are_bounded() {
    let line = |length: usize| ["data: ".as_bytes(), &[b'x'; 100][..length]].concat();
    assert!(read(&[&line(58)]).is_ok());
    assert_eq!(read(&[&line(59)]), Err(AnswerError::TooLarge { limit: 64 }));
    let lines = [line(30), b"\n".to_vec(), line(30), b"\n".to_vec()].concat();
    assert!(read(&[&lines]).is_ok());
    assert_eq!(
        read(&[&lines, &line(5)]),
        Err(AnswerError::TooLarge { limit: 64 })
    );
    // A comment that never ends is bounded like any line; empty data lines are bounded like any data.
    assert!(read(&[b":", &[b'x'; 100]]).is_err());
    assert!(read(&[b"data\n".repeat(100).as_slice()]).is_err());
}

#[test]
fn data_must_be_utf8() {
    assert_eq!(read(&[b"data: \xff\n\n"]), Err(AnswerError::EventNotUtf8));
    assert_eq!(
        read(&[b"event: \xff\ndata: a\n\n"]),
        Err(AnswerError::EventNotUtf8)
    );
    assert_eq!(
        read(&[b"data: \xc3", b"\xa9\n\n"]).unwrap(),
        [(String::new(), "é".to_string())]
    );
}

proptest! {
    /// Where the input is cut makes no difference.
    #[test]
    fn pieces_read_as_the_whole(
        text in "((data|event|id|:)?:? ?[a-zé]{0,3}(\n|\r|\r\n){1,2}){0,12}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let bytes = text.as_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(read(&pieces), read(&[bytes]));
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(read(&single), read(&[bytes]));
    }

    #[test]
    fn what_is_written_is_read(events in prop::collection::vec("[ -~é]{1,10}", 0..6)) {
        let text: String = events.iter().map(|data| alloc::format!("data: {data}\n\n")).collect();
        prop_assert_eq!(data(text.as_bytes()), events);
    }

    #[test]
    fn never_panics(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'\r'), Just(b':')], 0..80)) {
        let _refused_or_not = read(&[&bytes]);
    }
}
