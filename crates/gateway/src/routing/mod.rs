//! From a model's name to the upstreams that are asked, in order.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::config::UpstreamConfig;

/// One upstream to ask, and under which name of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Index of the upstream in the configuration.
    pub(crate) upstream: usize,
    /// The model's name there.
    pub(crate) model: Arc<str>,
}

/// The routes that the configuration describes.
///
/// Of several that fit a name, the first of these counts: a model listed by exactly this name; `upstream/model`, if the upstream takes
/// that model; the longest listed prefix; the upstream that lists no models, if it is the only one.
#[derive(Debug)]
pub(crate) struct Routes {
    upstreams: Vec<Route>,
}

#[derive(Debug)]
struct Route {
    name: String,
    exact: Vec<String>,
    prefixes: Vec<String>,
    /// Upstream, and another model's name if one is given.
    fallback: Vec<(usize, Option<Arc<str>>)>,
}

impl Route {
    fn lists_nothing(&self) -> bool {
        self.exact.is_empty() && self.prefixes.is_empty()
    }

    fn takes(&self, model: &str) -> bool {
        self.lists_nothing()
            || self.exact.iter().any(|exact| exact == model)
            || self.prefixes.iter().any(|prefix| model.starts_with(prefix))
    }
}

impl Routes {
    /// Reads them from a configuration that was checked.
    pub(crate) fn new(upstreams: &[UpstreamConfig]) -> Self {
        let position = |name: &str| upstreams.iter().position(|upstream| upstream.name == name);
        let route = |upstream: &UpstreamConfig| {
            let (prefixes, exact): (Vec<_>, Vec<_>) = upstream
                .models
                .iter()
                .partition(|model| model.ends_with('*'));
            let fallback =
                upstream
                    .fallback
                    .iter()
                    .filter_map(|target| match target.split_once('/') {
                        Some((name, model)) => Some((position(name)?, Some(Arc::from(model)))),
                        None => Some((position(target)?, None)),
                    });
            Route {
                name: upstream.name.clone(),
                exact: exact.into_iter().cloned().collect(),
                prefixes: prefixes
                    .into_iter()
                    .map(|prefix| prefix.trim_end_matches('*').to_owned())
                    .collect(),
                fallback: fallback.collect(),
            }
        };
        Self {
            upstreams: upstreams.iter().map(route).collect(),
        }
    }

    /// The upstream that serves `model`, and the model's name there.
    pub(crate) fn find(&self, model: &str) -> Option<Target> {
        let target = |upstream, model: &str| {
            Some(Target {
                upstream,
                model: Arc::from(model),
            })
        };
        if let Some(index) = self
            .upstreams
            .iter()
            .position(|route| route.exact.iter().any(|exact| exact == model))
        {
            return target(index, model);
        }
        if let Some((name, rest)) = model.split_once('/')
            && let Some(index) = self
                .upstreams
                .iter()
                .position(|route| route.name == name && route.takes(rest))
        {
            return target(index, rest);
        }
        let longest = self
            .upstreams
            .iter()
            .enumerate()
            .flat_map(|(index, route)| route.prefixes.iter().map(move |prefix| (index, prefix)))
            .filter(|(_, prefix)| model.starts_with(prefix.as_str()))
            .max_by_key(|(_, prefix)| prefix.len());
        if let Some((index, _)) = longest {
            return target(index, model);
        }
        let mut open = self
            .upstreams
            .iter()
            .enumerate()
            .filter(|(_, route)| route.lists_nothing());
        match (open.next(), open.next()) {
            (Some((index, _)), None) => target(index, model),
            _ => None,
        }
    }

    /// The models that an upstream lists by their exact names.
    pub(crate) fn exact(&self, upstream: usize) -> impl Iterator<Item = &String> {
        self.upstreams
            .get(upstream)
            .into_iter()
            .flat_map(|route| &route.exact)
    }

    /// Whom to ask after `first` has failed, in order, each upstream once.
    pub(crate) fn fallback(&self, first: &Target) -> Vec<Target> {
        let Some(route) = self.upstreams.get(first.upstream) else {
            return Vec::new();
        };
        let target = |(upstream, model): &(usize, Option<Arc<str>>)| Target {
            upstream: *upstream,
            model: model.clone().unwrap_or_else(|| first.model.clone()),
        };
        route.fallback.iter().map(target).collect()
    }
}
