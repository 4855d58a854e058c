use super::*;

fn choice(index: u64, text: &str, fields: &[(&str, &str)]) -> Choice {
    let fields = fields.iter().map(|(name, value)| AnswerField {
        name: (*name).into(),
        value: value.as_bytes().to_vec(),
    });
    Choice {
        index,
        finish_reason: Some("stop".into()),
        text: text.into(),
        fields: fields.collect(),
    }
}

fn round_trip(kept: Kept<'_>) -> Contents {
    let bytes = kept.encode(b"", 1 << 20).unwrap();
    let contents = Contents::decode(&bytes).unwrap();
    for end in 0..bytes.len() {
        assert!(Contents::decode(&bytes[..end]).is_err(), "cut at {end}");
    }
    contents
}

#[test]
fn what_was_kept_comes_back() {
    let received = Bytes::from_static(br#"{"model":"m","messages":[]}"#);
    let raw = Bytes::from_static(br#"{"choices":[]}"#);
    let long = "é".repeat(5_000);
    let choices = [
        choice(0, &long, &[("role", "assistant"), ("tool_calls/0/id", "")]),
        Choice {
            finish_reason: None,
            ..choice(7, "", &[])
        },
    ];
    let whole = round_trip(Kept {
        received: &received,
        forwarded: std::slice::from_ref(&received),
        raw: Some(&raw),
        choices: &choices,
        executed: None,
    });
    assert_eq!(whole.received, received);
    assert_eq!(
        (whole.forwarded.as_deref(), whole.forwarded()),
        (None, &received[..])
    );
    assert_eq!(whole.answer, KeptAnswer::Raw(raw.to_vec()));
    let streamed = round_trip(Kept {
        received: &received,
        forwarded: &[],
        raw: None,
        choices: &choices,
        executed: None,
    });
    assert_eq!(
        streamed.choices(Operation::ChatCompletions).unwrap(),
        choices
    );
    let nothing = round_trip(Kept {
        received: &received,
        forwarded: &[],
        raw: None,
        choices: &[],
        executed: None,
    });
    assert_eq!(nothing.answer, KeptAnswer::None);
}

#[test]
fn a_forwarded_body_costs_only_what_was_changed() {
    let received = Bytes::from(vec![b'x'; 10_000]);
    let elsewhere = Bytes::from(vec![b'x'; 3]);
    let forwarded = [
        received.slice(0..4_000),
        Bytes::from_static(b"CHANGED"),
        elsewhere,
        received.slice(5_000..10_000),
    ];
    let kept = Kept {
        received: &received,
        forwarded: &forwarded,
        raw: None,
        choices: &[],
        executed: None,
    };
    let bytes = kept.encode(b"", 1 << 20).unwrap();
    assert!(bytes.len() < 10_064, "{} bytes", bytes.len());
    assert_eq!(
        Contents::decode(&bytes).unwrap().forwarded(),
        forwarded.concat()
    );
}

#[test]
fn a_reference_is_made_only_to_bytes_that_say_the_same() {
    // One buffer with both: the piece lies behind what counts as received.
    let both = Bytes::from_static(b"receivedother");
    let received = both.slice(0..8);
    let forwarded = [both.slice(4..13)];
    let kept = Kept {
        received: &received,
        forwarded: &forwarded,
        raw: None,
        choices: &[],
        executed: None,
    };
    assert_eq!(round_trip(kept).forwarded(), b"ivedother");
}

#[test]
fn what_is_too_large_is_not_kept() {
    let received = Bytes::from_static(b"12345678");
    let raw = Bytes::from_static(b"1234");
    let kept = Kept {
        received: &received,
        forwarded: &[Bytes::from_static(b"12")],
        raw: Some(&raw),
        choices: &[],
        executed: None,
    };
    assert!(kept.encode(b"", 13).is_none());
    assert!(kept.encode(b"", 14).is_some());
    let many = vec![("name", "v"); 65_537];
    let choices = [choice(0, "", &many)];
    let streamed = Kept {
        forwarded: &[],
        raw: None,
        choices: &choices,
        ..kept
    };
    assert!(
        streamed.encode(b"", usize::MAX).is_none(),
        "more than the codec reads"
    );
    let pieces = vec![Bytes::from_static(b"1"); 65_537];
    let cut_up = Kept {
        forwarded: &pieces,
        ..kept
    };
    assert!(cut_up.encode(b"", usize::MAX).is_none());
}

#[test]
fn references_out_of_the_received_bytes_and_bombs_of_them_are_refused() {
    let with_references = |references: &[(u64, u64)], received: &[u8]| {
        let mut e = Encoder::new();
        e.array(5)
            .uint(VERSION)
            .bytes(received)
            .array(references.len());
        for (offset, length) in references {
            e.array(2).uint(*offset).uint(*length);
        }
        e.null().null();
        Contents::decode(&e.into_bytes())
    };
    assert_eq!(
        with_references(&[(1, 2), (0, 1)], b"abc")
            .unwrap()
            .forwarded(),
        b"bca"
    );
    for outside in [(0, 4), (4, 0), (u64::MAX, 1), (1, u64::MAX)] {
        assert!(with_references(&[outside], b"abc").is_err(), "{outside:?}");
    }
    let received = vec![0; 1 << 20];
    let bomb = vec![(0, 1 << 20); 60_000];
    assert!(with_references(&bomb, &received).is_err());
}

#[test]
fn an_answer_that_is_an_error_object_has_no_choices_and_a_broken_one_is_an_error() {
    let contents = |body: &[u8]| Contents {
        received: Vec::new(),
        forwarded: None,
        answer: KeptAnswer::Raw(body.to_vec()),
        executed: None,
    };
    let error = contents(br#"{"error":{"message":"no"}}"#);
    assert_eq!(error.choices(Operation::ChatCompletions), Ok(Vec::new()));
    assert!(
        contents(b"<html>")
            .choices(Operation::ChatCompletions)
            .is_err()
    );
    let good =
        contents(br#"{"choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]}"#);
    assert_eq!(
        good.choices(Operation::ChatCompletions).unwrap()[0].text,
        "hi"
    );
}

#[test]
fn debug_output_has_no_content_in_it() {
    let contents = Contents {
        received: b"MARKER".to_vec(),
        forwarded: Some(b"MARKER".to_vec()),
        answer: KeptAnswer::Assembled(vec![choice(0, "MARKER", &[("x", "MARKER")])]),
        executed: None,
    };
    let received = Bytes::from_static(b"MARKER");
    let kept = Kept {
        received: &received,
        forwarded: &[],
        raw: Some(&received),
        choices: &[],
        executed: None,
    };
    let shown = format!(
        "{contents:?} {:?} {kept:?} {:?}",
        contents.answer,
        KeptAnswer::Raw(b"MARKER".to_vec())
    );
    assert!(
        !shown.contains("MARKER") && !shown.contains("77, 65"),
        "{shown}"
    );
}
