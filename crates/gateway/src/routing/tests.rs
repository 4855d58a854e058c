use super::*;

fn upstream(name: &str, models: &[&str]) -> UpstreamConfig {
    UpstreamConfig {
        models: models.iter().map(|&model| model.to_owned()).collect(),
        ..UpstreamConfig::new(name, "http://x")
    }
}

fn found(routes: &Routes, model: &str) -> Option<(usize, String)> {
    routes
        .find(model)
        .map(|target| (target.upstream, target.model.to_string()))
}

fn at(upstream: usize, model: &str) -> Option<(usize, String)> {
    Some((upstream, model.to_owned()))
}

#[test]
fn one_upstream_without_models_gets_everything() {
    let routes = Routes::new(&[upstream("a", &[])]);
    assert_eq!(found(&routes, "gpt-5"), at(0, "gpt-5"));
    assert_eq!(found(&routes, "meta/llama"), at(0, "meta/llama"));
    assert_eq!(found(&routes, "a/gpt-5"), at(0, "gpt-5"));
}

#[test]
fn exact_then_named_then_longest_prefix_then_the_open_one() {
    let routes = Routes::new(&[
        upstream("a", &["m", "b/x", "gpt*"]),
        upstream("b", &["gpt-5*"]),
        upstream("c", &[]),
    ]);
    assert_eq!(found(&routes, "m"), at(0, "m"));
    assert_eq!(
        found(&routes, "b/x"),
        at(0, "b/x"),
        "an exact name wins over an upstream's"
    );
    assert_eq!(found(&routes, "b/gpt-5-mini"), at(1, "gpt-5-mini"));
    assert_eq!(found(&routes, "gpt-4"), at(0, "gpt-4"));
    assert_eq!(found(&routes, "gpt-5-mini"), at(1, "gpt-5-mini"));
    assert_eq!(found(&routes, "a/gpt-5-mini"), at(0, "gpt-5-mini"));
    assert_eq!(found(&routes, "other"), at(2, "other"));
    assert_eq!(
        found(&routes, "b/other"),
        at(2, "b/other"),
        "b does not take it, so it is no name of b's"
    );
}

#[test]
fn nothing_is_guessed() {
    let two_open = Routes::new(&[upstream("a", &[]), upstream("b", &[])]);
    assert_eq!(found(&two_open, "m"), None);
    assert_eq!(found(&two_open, "b/m"), at(1, "m"));
    let listed = Routes::new(&[upstream("a", &["m"])]);
    assert_eq!(found(&listed, "n"), None);
    assert_eq!(found(&listed, "a/n"), None);
    assert_eq!(found(&Routes::new(&[]), "m"), None);
}

#[test]
fn fallback_is_explicit_and_in_order() {
    let mut first = upstream("a", &["m"]);
    first.fallback = vec!["c/large/v2".into(), "b".into()];
    let routes = Routes::new(&[first, upstream("b", &["n"]), upstream("c", &["o"])]);
    let target = routes.find("m").unwrap();
    let fallback: Vec<_> = routes
        .fallback(&target)
        .into_iter()
        .map(|target| (target.upstream, target.model.to_string()))
        .collect();
    assert_eq!(fallback, [(2, "large/v2".to_owned()), (1, "m".to_owned())]);
    assert!(routes.fallback(&routes.find("n").unwrap()).is_empty());
}
