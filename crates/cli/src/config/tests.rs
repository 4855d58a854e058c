//! Order of the sources, errors with a remedy, and that no setting of the gateway is missing here.

use super::*;

fn load(args: &ConfigArgs, environment: &[(&str, &str)]) -> Result<Loaded, CommandError> {
    args.load_with(
        environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    )
}

/// A file that lives as long as the handle.
fn file(text: &str) -> (tempfile::TempDir, ConfigArgs) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("proofmark.toml");
    std::fs::write(&path, text).unwrap();
    (
        dir,
        ConfigArgs {
            config: Some(path),
            ..ConfigArgs::default()
        },
    )
}

#[test]
fn flag_over_environment_over_file_over_default() {
    let (_dir, mut args) =
        file("listen = \"127.0.0.1:1\"\ndata = \"from-file\"\n[limits]\nmax_requests = 7");
    let loaded = load(&args, &[]).unwrap();
    assert_eq!(loaded.config.listen.port(), 1);
    assert_eq!(
        loaded.origin("listen"),
        Origin::File(args.config.clone().unwrap())
    );
    assert_eq!(
        (loaded.config.limits.max_requests, loaded.origin("name")),
        (7, Origin::Default)
    );

    let environment = [
        ("PROOFMARK_LISTEN", "127.0.0.1:2"),
        ("PROOFMARK_LIMITS_MAX_REQUESTS", "8"),
    ];
    let loaded = load(&args, &environment).unwrap();
    assert_eq!(
        (
            loaded.config.listen.port(),
            loaded.config.limits.max_requests
        ),
        (2, 8)
    );
    assert_eq!(
        loaded.origin("listen"),
        Origin::Environment("PROOFMARK_LISTEN".into())
    );

    args.listen = Some("127.0.0.1:3".parse().unwrap());
    args.data = Some("from-flag".into());
    let loaded = load(&args, &environment).unwrap();
    assert_eq!(
        (loaded.config.listen.port(), loaded.config.data.to_str()),
        (3, Some("from-flag"))
    );
    assert_eq!(loaded.origin("listen"), Origin::Flag("--listen"));
}

#[test]
fn the_file_may_be_named_by_the_environment() {
    let (_dir, args) = file("name = \"from-file\"");
    let path = args.config.unwrap();
    let loaded = load(
        &ConfigArgs::default(),
        &[("PROOFMARK_CONFIG", path.to_str().unwrap())],
    )
    .unwrap();
    assert_eq!(loaded.config.name, "from-file");
}

#[test]
fn an_upstream_flag_adds_or_replaces() {
    let (_dir, mut args) =
        file("[[upstream]]\nname = \"a\"\nbase_url = \"https://a/v1\"\nretries = 3");
    args.upstream = vec![
        ("a".into(), "http://localhost:1/v1".into()),
        ("b".into(), "https://b/v1".into()),
    ];
    let loaded = load(&args, &[]).unwrap();
    let shown: Vec<_> = loaded
        .config
        .upstream
        .iter()
        .map(|u| (u.name.as_str(), u.base_url.as_str(), u.retries))
        .collect();
    assert_eq!(shown[0], ("a", "http://localhost:1/v1", 3));
    assert_eq!((shown[1].0, shown[1].1), ("b", "https://b/v1"));
    assert_eq!(loaded.origin("upstream.b"), Origin::Flag("--upstream"));
    for bad in ["", "a", "=x", "a="] {
        assert!(parse_upstream(bad).is_err());
    }
}

#[test]
fn a_misspelt_key_is_an_error_that_names_the_right_one() {
    for (text, right) in [
        ("lisen = \"127.0.0.1:1\"", "listen"),
        ("[limits]\nmax_request = 1", "max_requests"),
        (
            "[[upstream]]\nname = \"a\"\nbase_ulr = \"https://a\"",
            "base_url",
        ),
        ("[store]\ncontents = \"encryptd\"", "encrypted"),
    ] {
        let (_dir, args) = file(text);
        let error = load(&args, &[]).unwrap_err();
        assert_eq!(error.exit_code(), crate::error::ExitStatus(2));
        assert_eq!(
            error.hints(),
            [format!("did you mean `{right}`?")],
            "{text}"
        );
        assert!(error.reasons()[0].contains("line"), "{:?}", error.reasons());
    }
}

#[test]
fn values_of_the_environment_are_checked() {
    assert!(
        load(
            &ConfigArgs::default(),
            &[("PROOFMARK_LIMITS_MAX_REQUESTS", "many")]
        )
        .is_err()
    );
    assert!(load(&ConfigArgs::default(), &[("PROOFMARK_LISTEN", "nowhere")]).is_err());
    let loaded = load(
        &ConfigArgs::default(),
        &[("PROOFMARK_LISEN", "x"), ("PROOFMARK_MY_PROVIDER_KEY", "x")],
    )
    .unwrap();
    assert_eq!(
        loaded.warnings,
        ["the environment variable PROOFMARK_LISEN sets nothing; did you mean PROOFMARK_LISTEN?"]
    );
}

#[test]
fn contradictions_are_found_in_the_whole() {
    let (_dir, mut args) = file(
        "[[upstream]]\nname = \"a\"\nbase_url = \"https://a\"\nmodels = [\"m\"]\nfallback = [\"b\"]",
    );
    assert!(load(&args, &[]).is_err());
    args.upstream = vec![("b".into(), "https://b".into())];
    load(&args, &[]).unwrap();
}

/// The names that serde accepts at a place, from what it says about one that it does not.
fn accepted(section: &str) -> Vec<String> {
    let text = if section.is_empty() {
        "zzz = 1".to_owned()
    } else {
        format!("[{section}]\nzzz = 1")
    };
    let message = toml::from_str::<Config>(&text).unwrap_err().to_string();
    let after = message.split_once("unknown field").unwrap().1;
    after
        .split('`')
        .skip(1)
        .step_by(2)
        .skip(1)
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_setting_of_the_gateway_is_known_here() {
    let lists = ["upstream", "model", "price", "witness"];
    let sections = [
        "engine", "proofs", "limits", "server", "receipts", "store", "log", "logging",
    ];
    let mut keys: Vec<String> = Vec::new();
    for name in accepted("")
        .into_iter()
        .filter(|name| !lists.contains(&name.as_str()))
    {
        if sections.contains(&name.as_str()) {
            let members = accepted(&name)
                .into_iter()
                .filter(|member| !lists.contains(&member.as_str()));
            keys.extend(members.map(|member| format!("{name}.{member}")));
        } else {
            keys.push(name);
        }
    }
    let mut known: Vec<String> = SETTINGS
        .iter()
        .map(|setting| setting.key.to_owned())
        .collect();
    keys.sort();
    known.sort();
    assert_eq!(keys, known);
}

/// What is shown can be written into a file and means the same.
#[test]
fn shown_values_are_those_of_the_file() {
    let default = Config::default();
    let mut table = Table::new();
    for setting in SETTINGS {
        if let Some(value) = (setting.show)(&default) {
            insert(&mut table, setting.key, value);
        }
    }
    assert_eq!(Config::deserialize(Value::Table(table)).unwrap(), default);
}

#[test]
fn an_upstream_of_a_flag_has_its_key_in_the_environment() {
    let args = ConfigArgs {
        upstream: vec![
            ("mine".into(), "https://a.example/v1".into()),
            ("my-lab.2".into(), "https://b.example/v1".into()),
            ("bare".into(), "https://c.example/v1".into()),
        ],
        ..ConfigArgs::default()
    };
    let environment = [
        ("MINE_API_KEY", "sk-1"),
        ("MY_LAB_2_API_KEY", "sk-2"),
        ("OTHER_API_KEY", "sk-3"),
    ];
    let loaded = load(&args, &environment).unwrap();
    let keys: Vec<_> = loaded
        .config
        .upstream
        .iter()
        .map(|upstream| upstream.api_key_env.as_deref())
        .collect();
    assert_eq!(keys, [Some("MINE_API_KEY"), Some("MY_LAB_2_API_KEY"), None]);
    // The file's word stands.
    let (_dir, mut args) =
        file("[[upstream]]\nname = \"mine\"\nbase_url = \"https://a.example/v1\"");
    args.upstream = vec![("mine".into(), "https://b.example/v1".into())];
    let loaded = load(&args, &environment).unwrap();
    assert_eq!(loaded.config.upstream[0].api_key_env, None);
}
