//! Everything but the models: receipts, facts, health (specs/03-http.md §2 and §3).
//!
//! Trust: receipts, bundles, snapshots and tiles are checked by whoever fetches them. What this server says beside them (`logged`,
//! listings, readiness) is its own word.

mod bundle;
mod facts;
mod find;
mod health;
mod listing;
mod pending;
mod prove;
mod query;
mod receipts;
mod registry;
mod respond;
mod retention;
mod state;

use std::sync::Arc;

use axum::Router;
use axum::routing::{MethodRouter, get};

use crate::error::GatewayError;

pub use bundle::BUNDLE_TARGET_BYTES;
pub use pending::{InProgress, Pending};
pub use retention::keep_retention;
pub use state::{Endpoints, EndpointsConfig};

/// Path of this interface's description.
pub const OPENAPI_PATH: &str = "/openapi.json";

/// One route: its path, its methods, and what answers.
struct Route {
    path: &'static str,
    allow: &'static str,
    answers: fn() -> MethodRouter<Arc<Endpoints>>,
}

const READ: &str = "GET, HEAD";

/// All routes but those of the models, which do not go through a router, and those of the logs' files.
const ROUTES: [Route; 11] = [
    Route {
        path: "/v1/receipts",
        allow: READ,
        answers: || get(listing::list),
    },
    Route {
        path: "/v1/receipts/{id}",
        allow: READ,
        answers: || get(receipts::receipt),
    },
    Route {
        path: "/v1/receipts/{id}/bundle",
        allow: READ,
        answers: || get(bundle::bundle),
    },
    Route {
        path: "/v1/receipts/{id}/content",
        allow: "GET, HEAD, DELETE",
        answers: || get(receipts::content).delete(receipts::erase),
    },
    Route {
        path: "/v1/receipts/{id}/prove",
        allow: "GET, HEAD, POST, DELETE",
        answers: || {
            get(prove::progress)
                .post(prove::start)
                .delete(prove::cancel)
        },
    },
    Route {
        path: "/.well-known/proofmark",
        allow: READ,
        answers: || get(facts::well_known),
    },
    Route {
        path: "/.well-known/proofmark/registry-snapshot",
        allow: READ,
        answers: || get(facts::registry_snapshot),
    },
    Route {
        path: "/healthz",
        allow: READ,
        answers: || get(health::alive),
    },
    Route {
        path: "/readyz",
        allow: READ,
        answers: || get(health::ready),
    },
    Route {
        path: "/metrics",
        allow: READ,
        answers: || get(health::metrics),
    },
    Route {
        path: OPENAPI_PATH,
        allow: READ,
        answers: || get(facts::openapi),
    },
];

/// Where the files of the logs are.
const LOG_PREFIXES: [&str; 2] = ["/log/receipts", "/log/registry"];

/// The files of a log below its prefix, as C2SP tlog-tiles names them.
const LOG_FILES: [&str; 2] = ["/checkpoint", "/tile/{path}"];

/// Path and methods of every route of [`router`]; `HEAD` goes with `GET`.
#[must_use]
pub fn routes() -> Vec<(String, Vec<&'static str>)> {
    let own = ROUTES.iter().map(|route| {
        let methods = route.allow.split(", ").filter(|method| *method != "HEAD");
        (route.path.to_owned(), methods.collect())
    });
    let files = LOG_PREFIXES
        .iter()
        .flat_map(|prefix| LOG_FILES.map(|file| (format!("{prefix}{file}"), vec!["GET"])));
    own.chain(files).collect()
}

/// The routes.
pub fn router(endpoints: Arc<Endpoints>) -> Router {
    let [receipts, registry] = LOG_PREFIXES;
    let logs = Router::new()
        .nest(receipts, proofmark_log::serve(endpoints.receipts_log()))
        .nest(registry, proofmark_log::serve(endpoints.registry_log()));
    let own = ROUTES.iter().fold(Router::new(), |router, route| {
        let allow = route.allow;
        let refuse = move || async move { GatewayError::MethodNotAllowed { allow } };
        router.route(route.path, (route.answers)().fallback(refuse))
    });
    own.fallback(|| async { GatewayError::NotFound })
        .with_state(endpoints)
        .merge(logs)
}
