use super::*;

const FULL: &str = r#"
listen = "127.0.0.1:9000"
public_url = "https://ai.example"

[[upstream]]
name = "openai"
base_url = "https://api.openai.com/v1"
api_key_env = "OPENAI_API_KEY"
models = ["gpt-5", "o*"]
fallback = ["local", "local/llama"]

[[upstream]]
name = "local"
base_url = "http://127.0.0.1:11434/v1"

[limits]
max_requests = 7

[receipts]
durability = "async"

[[log.witness]]
vkey = "w+00000000+AAAA"
url = "https://w.example"
"#;

#[test]
fn reads_what_is_there_and_defaults_the_rest() {
    let config = Config::parse(FULL).unwrap();
    assert_eq!(config.upstream.len(), 2);
    assert_eq!(config.upstream[0].retries, 1);
    assert_eq!(
        config.limits,
        CapacityConfig {
            max_requests: 7,
            ..CapacityConfig::default()
        }
    );
    assert_eq!(config.receipts.durability, Durability::Async);
    assert_eq!(config.store, StoreConfig::default());
    assert_eq!(config.log.witness[0].url, "https://w.example");
    assert_eq!(Config::parse("").unwrap(), Config::default());
}

#[test]
fn unknown_keys_are_errors_that_name_the_key() {
    for text in [
        "lisen = 1",
        "[limits]\nmax_inflight = 1",
        "[[upstream]]\nname = \"a\"\nbase_url = \"http://a\"\nkey = \"x\"",
    ] {
        let message = Config::parse(text).unwrap_err().to_string();
        assert!(message.contains("unknown field"), "{message}");
    }
}

fn with(upstreams: &[UpstreamConfig]) -> Result<(), ConfigError> {
    Config {
        upstream: upstreams.to_vec(),
        ..Config::default()
    }
    .check()
}

#[test]
fn contradictions_are_refused() {
    let a = UpstreamConfig::new("a", "http://a/v1");
    let b = UpstreamConfig::new("b", "http://b/v1");
    let models = |of: &UpstreamConfig, list: &[&str]| UpstreamConfig {
        models: list.iter().map(|&model| model.to_owned()).collect(),
        ..of.clone()
    };
    let fallback = |to: &str| UpstreamConfig {
        fallback: vec![to.to_owned()],
        ..a.clone()
    };
    with(&[a.clone(), b.clone()]).unwrap();
    with(&[fallback("b"), b.clone()]).unwrap();
    with(&[fallback("b/m/n"), b.clone()]).unwrap();
    assert!(matches!(
        with(&[a.clone(), a.clone()]),
        Err(ConfigError::DuplicateUpstream { .. })
    ));
    assert!(matches!(
        with(&[models(&a, &["m"]), models(&b, &["m"])]),
        Err(ConfigError::DuplicateModel { .. })
    ));
    assert!(matches!(
        with(&[models(&a, &["m", "m"])]),
        Err(ConfigError::DuplicateModel { .. })
    ));
    assert!(matches!(
        with(&[models(&a, &["*m"])]),
        Err(ConfigError::ModelPattern { .. })
    ));
    assert!(matches!(
        with(&[models(&a, &[""])]),
        Err(ConfigError::ModelPattern { .. })
    ));
    assert!(matches!(
        with(&[fallback("a"), b.clone()]),
        Err(ConfigError::Fallback { .. })
    ));
    assert!(matches!(
        with(&[fallback("c"), b]),
        Err(ConfigError::Fallback { .. })
    ));
    assert!(matches!(
        with(&[UpstreamConfig::new("a/b", "http://a")]),
        Err(ConfigError::UpstreamName { .. })
    ));
    assert!(matches!(
        with(&[UpstreamConfig::new("a", "a")]),
        Err(ConfigError::BaseUrl { .. })
    ));
    let two = UpstreamConfig {
        api_key_env: Some("A".into()),
        api_key_file: Some("b".into()),
        ..a.clone()
    };
    assert!(matches!(with(&[two]), Err(ConfigError::TwoKeys { .. })));
    let header = UpstreamConfig {
        api_key_header: "a b".into(),
        ..a
    };
    assert!(matches!(
        with(&[header]),
        Err(ConfigError::KeyHeader { .. })
    ));
    let short = Config {
        store: StoreConfig {
            retention_days: 3,
            ..StoreConfig::default()
        },
        ..Config::default()
    };
    assert!(matches!(short.check(), Err(ConfigError::Retention { .. })));
    let fat = Config {
        store: StoreConfig {
            max_content_bytes: (8 << 20) + 1,
            ..StoreConfig::default()
        },
        ..Config::default()
    };
    assert!(matches!(
        fat.check(),
        Err(ConfigError::Limit {
            key: "store.max_content_bytes",
            ..
        })
    ));
    let small = Config {
        limits: CapacityConfig {
            max_body_bytes: 5000,
            ..CapacityConfig::default()
        },
        ..Config::default()
    };
    assert!(matches!(
        small.check(),
        Err(ConfigError::Limit {
            key: "limits.max_body_bytes",
            ..
        })
    ));
}

#[test]
fn keys_come_from_environment_or_file_and_are_not_shown() {
    let mut upstream = UpstreamConfig::new("a", "http://a");
    assert!(upstream.load_key(|_| None).unwrap().is_none());
    upstream.api_key_env = Some("KEY".into());
    assert!(matches!(
        upstream.load_key(|_| None),
        Err(ConfigError::KeyVariable { .. })
    ));
    assert!(matches!(
        upstream.load_key(|_| Some(" \n".into())),
        Err(ConfigError::KeyMalformed { .. })
    ));
    let refused = upstream
        .load_key(|_| Some("sk-\u{1}secret".into()))
        .unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("secret"));
    let key = upstream
        .load_key(|name| (name == "KEY").then(|| "sk-secret\n".into()))
        .unwrap()
        .unwrap();
    assert_eq!(key.value.as_bytes(), b"Bearer sk-secret");
    assert!(!format!("{key:?} {:?}", key.value).contains("secret"));
    upstream.api_key_header = "api-key".into();
    assert_eq!(
        upstream
            .load_key(|_| Some("k".into()))
            .unwrap()
            .unwrap()
            .value
            .as_bytes(),
        b"k"
    );
    upstream.api_key_env = None;
    upstream.api_key_file = Some("/does/not/exist".into());
    assert!(matches!(
        upstream.load_key(|_| None),
        Err(ConfigError::File { .. })
    ));
}
