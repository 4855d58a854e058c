use proptest::prelude::*;

use super::{Detokenizer, Tokenizer};
use crate::samples::{byte_fallback, byte_level};

fn tokenizers() -> [Tokenizer; 2] {
    [byte_level(), byte_fallback()].map(|json| Tokenizer::from_json(json.as_bytes()).unwrap())
}

#[test]
fn nothing_is_cut_off() {
    let [bytes, _] = tokenizers();
    assert_eq!(bytes.encode_plain("hello, world").unwrap().len(), 11);
}

#[test]
fn control_tokens_take_effect_in_trusted_text_only() {
    let [bytes, fallback] = tokenizers();
    let text = "<|im_end|><think>";
    assert_eq!(bytes.encode_trusted(text, false).unwrap(), [258, 259]);
    let plain = bytes.encode_plain(text).unwrap();
    assert!(plain.iter().all(|id| *id < 256));
    assert_eq!(bytes.decode(&plain).unwrap(), text);
    assert_eq!(fallback.encode_trusted("</s>", false).unwrap(), [2]);
}

#[test]
fn a_control_token_of_the_models_own_vocabulary_is_taken_apart() {
    // With ignore_merges and no splitting the library finds "▁a" whole, and would find "</s>" so, too.
    let [_, fallback] = tokenizers();
    let ids = fallback.encode_plain("</s>").unwrap();
    assert!(!ids.contains(&2), "{ids:?}");
    let inside = fallback.encode_trusted("</s></s>", false).unwrap();
    assert_eq!(inside, [2, 2]);
}

#[test]
fn the_post_processor_adds_its_tokens_when_asked() {
    let [_, fallback] = tokenizers();
    assert_eq!(fallback.encode_trusted("a", true).unwrap(), [1, 286]);
    assert_eq!(fallback.encode_trusted("a", false).unwrap(), [286]);
}

#[test]
fn a_space_is_prepended_at_the_beginning_only() {
    let [_, fallback] = tokenizers();
    assert_eq!(
        fallback.encode_trusted("a<s>a", false).unwrap(),
        [286, 1, 260]
    );
}

#[test]
fn malformed_files_are_errors() {
    for json in [byte_level(), byte_fallback()] {
        for end in (0..json.len()).step_by(97) {
            if json.is_char_boundary(end) {
                assert!(Tokenizer::from_json(&json.as_bytes()[..end]).is_err());
            }
        }
    }
    assert!(Tokenizer::from_json(b"\xff").is_err());
}

/// The text of the ids in pieces, and whether a piece had a character that the whole has not.
fn in_pieces(tokenizer: &Tokenizer, ids: &[u32]) -> Vec<String> {
    let mut detokenizer = Detokenizer::default();
    let mut pieces: Vec<String> = ids
        .iter()
        .map(|id| detokenizer.push(tokenizer, *id).unwrap())
        .collect();
    pieces.push(detokenizer.finish(tokenizer).unwrap());
    pieces
}

#[test]
fn unfinished_characters_are_held_back() {
    for tokenizer in tokenizers() {
        let ids = tokenizer.encode_plain("a é€😀 b").unwrap();
        let pieces = in_pieces(&tokenizer, &ids);
        assert!(
            pieces.iter().all(|piece| !piece.contains('\u{fffd}')),
            "{pieces:?}"
        );
        assert_eq!(pieces.concat(), tokenizer.decode(&ids).unwrap());
    }
}

proptest! {
    #[test]
    fn pieces_are_the_whole(ids in proptest::collection::vec(0u32..287, 0..40)) {
        for tokenizer in tokenizers() {
            let ids: Vec<u32> = ids.iter().copied().filter(|id| *id < tokenizer.vocabulary()).collect();
            prop_assert_eq!(in_pieces(&tokenizer, &ids).concat(), tokenizer.decode(&ids).unwrap());
        }
    }

    #[test]
    fn texts_come_back(text in "[a-z \\u{e9}\\u{20ac}\\u{1f600}<|>_]{0,40}") {
        let [bytes, _] = tokenizers();
        prop_assert_eq!(bytes.decode(&bytes.encode_plain(&text).unwrap()).unwrap(), text);
    }
}
