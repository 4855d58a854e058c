use super::*;

#[test]
fn changes_only_what_it_is_told_to() {
    let body = br#"{"id":"up-1", "model":"m","x":1e400,"choices":[ ]} "#;
    let members = Members::parse(body).unwrap();
    let rewrite = Rewrite {
        id: Some(JsonText::string("chatcmpl-1")),
        model: None,
        proofmark: Some(JsonText::object([("id", JsonText::string("1"))])),
    };
    assert_eq!(
        rewrite.apply(&members).to_vec(),
        br#"{"id":"chatcmpl-1", "model":"m","x":1e400,"choices":[ ],"proofmark":{"id":"1"}} "#
    );
    assert_eq!(Rewrite::default().apply(&members).to_vec(), body);
    let renamed = Rewrite {
        model: Some(JsonText::string("n")),
        ..Rewrite::default()
    };
    assert_eq!(
        renamed.apply(&members).to_vec(),
        br#"{"id":"up-1", "model":"n","x":1e400,"choices":[ ]} "#
    );
}

#[test]
fn an_upstream_cannot_speak_as_proofmark() {
    let members = Members::parse(br#"{"proofmark":{"forged":true},"id":"1"}"#).unwrap();
    assert_eq!(
        Rewrite::default().apply(&members).to_vec(),
        br#"{"id":"1"}"#
    );
    let own = Rewrite {
        proofmark: Some(JsonText::null()),
        ..Rewrite::default()
    };
    assert_eq!(
        own.apply(&members).to_vec(),
        br#"{"proofmark":null,"id":"1"}"#
    );
}
