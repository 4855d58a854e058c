use super::*;
use crate::config::UpstreamConfig;

fn routes(upstreams: &[(&str, &[&str])]) -> Routes {
    let upstream = |(name, models): &(&str, &[&str])| UpstreamConfig {
        models: models.iter().map(|&model| model.to_owned()).collect(),
        ..UpstreamConfig::new(name, "http://x")
    };
    Routes::new(&upstreams.iter().map(upstream).collect::<Vec<_>>())
}

#[test]
fn a_model_is_listed_under_a_name_that_leads_to_it() {
    let one = routes(&[("a", &[])]);
    assert_eq!(public_name(&one, 0, "a", "m").as_deref(), Some("m"));
    let two = routes(&[("a", &["m", "p*"]), ("b", &[])]);
    assert_eq!(public_name(&two, 0, "a", "m").as_deref(), Some("m"));
    assert_eq!(
        public_name(&two, 1, "b", "m").as_deref(),
        Some("b/m"),
        "the bare name is a's"
    );
    assert_eq!(public_name(&two, 1, "b", "other").as_deref(), Some("other"));
    assert_eq!(
        public_name(&two, 0, "a", "other"),
        None,
        "no name leads to it"
    );
    let open = routes(&[("a", &[]), ("b", &[])]);
    assert_eq!(public_name(&open, 1, "b", "m").as_deref(), Some("b/m"));
}

#[test]
fn an_entry_is_the_providers_with_our_marks() {
    let provider = JsonText::parse(
        r#"{"id":"m","object":"model","created":5,"owned_by":"lab","proofmark":"forged","x":1.0}"#,
    )
    .unwrap();
    assert_eq!(
        entry(&provider, "b/m", "b", "listed").as_json(),
        r#"{"id":"b/m","object":"model","created":5,"owned_by":"lab","proofmark":{"upstream":"b","state":"listed","grades":["relayed"]},"x":1.0}"#
    );
    let bare = JsonText::parse(r#"{"id":"m"}"#).unwrap();
    assert!(
        entry(&bare, "m", "b", "configured")
            .as_json()
            .contains(r#""owned_by":"b""#)
    );
}

#[test]
fn lists_that_are_none() {
    assert_eq!(
        parse(br#"{"data":[{"id":"a"},{"no":1},{"id":7},{"id":"b"}]}"#)
            .unwrap()
            .len(),
        2
    );
    assert_eq!(parse(b"<html>"), None);
    assert_eq!(parse(br#"{"data":{}}"#), None);
    assert_eq!(parse(b"[]"), None);
}

#[test]
fn names_in_paths() {
    assert_eq!(
        percent_decode("meta%2Fllama-3").as_deref(),
        Some("meta/llama-3")
    );
    assert_eq!(percent_decode("a/b").as_deref(), Some("a/b"));
    for broken in ["%", "%2", "%zz", "%ff"] {
        assert_eq!(percent_decode(broken), None, "{broken}");
    }
}
