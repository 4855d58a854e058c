//! Small tokenizers: one of bytes as GPT-2's family spells them, one that falls back to bytes as SentencePiece does.

use std::fmt::Write as _;

/// The character that stands for each byte in byte-level vocabularies.
fn byte_characters() -> Vec<char> {
    let printable = |b: u32| (33..=126).contains(&b) || (161..=172).contains(&b) || b >= 174;
    let mut next = 256;
    (0..256)
        .filter_map(|byte| {
            if printable(byte) {
                return char::from_u32(byte);
            }
            next += 1;
            char::from_u32(next - 1)
        })
        .collect()
}

fn added(tokens: &[(&str, u32, bool)]) -> String {
    let list: Vec<String> = tokens
        .iter()
        .map(|(text, id, special)| {
            format!(
                r#"{{"id":{id},"content":{},"single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":{special}}}"#,
                serde_json::Value::from(*text)
            )
        })
        .collect();
    list.join(",")
}

/// Ids 0–255 are bytes in the order of the alphabet, 256 is "he", then control tokens.
pub(crate) fn byte_level() -> String {
    let mut vocabulary = String::new();
    for (id, c) in byte_characters().into_iter().enumerate() {
        let _ = write!(
            vocabulary,
            "{}:{id},",
            serde_json::Value::from(c.to_string())
        );
    }
    let added = added(&[
        ("<|im_start|>", 257, true),
        ("<|im_end|>", 258, true),
        ("<think>", 259, false),
        ("</think>", 260, false),
    ]);
    format!(
        r#"{{"version":"1.0","truncation":{{"direction":"Right","max_length":4,"strategy":"LongestFirst","stride":0}},"padding":null,"added_tokens":[{added}],
        "normalizer":null,"pre_tokenizer":{{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}},
        "post_processor":null,"decoder":{{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}},
        "model":{{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":false,
        "byte_fallback":false,"ignore_merges":false,"vocab":{{{vocabulary}"he":256}},"merges":[["h","e"]]}}}}"#
    )
}

#[cfg(test)]
/// Ids 3–258 are bytes, 259 is a space, 260–285 letters, 286 "▁a"; `<s>` and `</s>` are in the model's own vocabulary, too.
pub(crate) fn byte_fallback() -> String {
    let mut vocabulary = String::from(r#""<unk>":0,"<s>":1,"</s>":2,"#);
    for byte in 0..256 {
        let _ = write!(vocabulary, r#""<0x{byte:02X}>":{},"#, byte + 3);
    }
    vocabulary.push_str(r#""▁":259,"#);
    for (index, c) in ('a'..='z').enumerate() {
        let _ = write!(vocabulary, r#""{c}":{},"#, index + 260);
    }
    let added = added(&[("<unk>", 0, true), ("<s>", 1, true), ("</s>", 2, true)]);
    format!(
        r#"{{"version":"1.0","truncation":null,"padding":null,"added_tokens":[{added}],"normalizer":null,
        "pre_tokenizer":{{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":false}},
        "post_processor":{{"type":"TemplateProcessing","single":[{{"SpecialToken":{{"id":"<s>","type_id":0}}}},{{"Sequence":{{"id":"A","type_id":0}}}}],
        "pair":[{{"Sequence":{{"id":"A","type_id":0}}}},{{"Sequence":{{"id":"B","type_id":1}}}}],"special_tokens":{{"<s>":{{"id":"<s>","ids":[1],"tokens":["<s>"]}}}}}},
        "decoder":{{"type":"Sequence","decoders":[{{"type":"Replace","pattern":{{"String":"▁"}},"content":" "}},{{"type":"ByteFallback"}},{{"type":"Fuse"}},{{"type":"Strip","content":" ","start":1,"stop":0}}]}},
        "model":{{"type":"BPE","dropout":null,"unk_token":"<unk>","continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":true,
        "byte_fallback":true,"ignore_merges":true,"vocab":{{{vocabulary}"▁a":286}},"merges":[["▁","a"]]}}}}"#
    )
}
