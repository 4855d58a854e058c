//! Every setting that is one value: its key, its environment variable, how it is shown.

use proofmark_gateway::{BundledModel, Config, ContentStore, Durability, LoggingFormat};
use toml::Value;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
}

/// One setting.
pub(crate) struct Setting {
    /// Its place in the file, such as `limits.max_requests`.
    pub(crate) key: &'static str,
    kind: Kind,
    /// Its value in a configuration; `None` if it is not set and has no default.
    pub(crate) show: fn(&Config) -> Option<Value>,
}

impl Setting {
    /// `PROOFMARK_LIMITS_MAX_REQUESTS`.
    pub(crate) fn variable(&self) -> String {
        format!("PROOFMARK_{}", self.key.replace('.', "_").to_uppercase())
    }

    /// Reads the text of an environment variable.
    pub(super) fn parse(&self, text: &str) -> Result<Value, String> {
        match self.kind {
            Kind::Text => Ok(Value::String(text.to_owned())),
            Kind::Number => text
                .parse()
                .map(Value::Integer)
                .map_err(|_| format!("{text:?} is not a number")),
        }
    }
}

const fn text(key: &'static str, show: fn(&Config) -> Option<Value>) -> Setting {
    Setting {
        key,
        kind: Kind::Text,
        show,
    }
}

const fn number(key: &'static str, show: fn(&Config) -> Option<Value>) -> Setting {
    Setting {
        key,
        kind: Kind::Number,
        show,
    }
}

fn string(value: &(impl ToString + ?Sized)) -> Option<Value> {
    Some(Value::String(value.to_string()))
}

fn integer(value: impl TryInto<i64>) -> Option<Value> {
    value.try_into().ok().map(Value::Integer)
}

/// All of them, in the order of the file. Lists (`upstream`, `model`, `price`, `log.witness`) are shown by `config show` itself.
pub(crate) const SETTINGS: &[Setting] = &[
    text("listen", |c| string(&c.listen)),
    text("data", |c| string(&c.data.display())),
    text("name", |c| string(&c.name)),
    text("public_url", |c| c.public_url.as_ref().and_then(string)),
    text("engine.bundled", |c| {
        string(match c.engine.bundled {
            BundledModel::Alone => "alone",
            BundledModel::Serve => "serve",
            BundledModel::Off => "off",
        })
    }),
    number("engine.threads", |c| integer(c.engine.threads)),
    number("engine.memory_mib", |c| integer(c.engine.memory_mib)),
    number("engine.max_waiting", |c| integer(c.engine.max_waiting)),
    number("engine.max_sequences", |c| integer(c.engine.max_sequences)),
    number("proofs.max_waiting", |c| integer(c.proofs.max_waiting)),
    number("proofs.deadline_s", |c| integer(c.proofs.deadline_s)),
    number("proofs.memory_mib", |c| integer(c.proofs.memory_mib)),
    number("proofs.threads", |c| integer(c.proofs.threads)),
    number("limits.max_requests", |c| integer(c.limits.max_requests)),
    number("limits.max_streams", |c| integer(c.limits.max_streams)),
    number("limits.max_body_bytes", |c| {
        integer(c.limits.max_body_bytes)
    }),
    number("limits.max_waiting", |c| integer(c.limits.max_waiting)),
    number("limits.max_wait_ms", |c| integer(c.limits.max_wait_ms)),
    number("limits.retry_after_s", |c| integer(c.limits.retry_after_s)),
    number("server.max_request_bytes", |c| {
        integer(c.server.max_request_bytes)
    }),
    number("server.max_answer_bytes", |c| {
        integer(c.server.max_answer_bytes)
    }),
    number("server.max_connections", |c| {
        integer(c.server.max_connections)
    }),
    number("server.body_idle_timeout_ms", |c| {
        integer(c.server.body_idle_timeout_ms)
    }),
    number("server.head_timeout_ms", |c| {
        integer(c.server.head_timeout_ms)
    }),
    number("server.stall_timeout_ms", |c| {
        integer(c.server.stall_timeout_ms)
    }),
    number("server.shutdown_grace_ms", |c| {
        integer(c.server.shutdown_grace_ms)
    }),
    text("receipts.durability", |c| {
        string(match c.receipts.durability {
            Durability::Durable => "durable",
            Durability::Async => "async",
        })
    }),
    text("store.contents", |c| {
        string(match c.store.contents {
            ContentStore::Encrypted => "encrypted",
            ContentStore::None => "none",
        })
    }),
    number("store.retention_days", |c| integer(c.store.retention_days)),
    number("store.max_content_bytes", |c| {
        integer(c.store.max_content_bytes)
    }),
    number("store.audit_days", |c| integer(c.store.audit_days)),
    text("log.origin", |c| c.log.origin.as_ref().and_then(string)),
    number("log.checkpoint_interval_ms", |c| {
        integer(c.log.checkpoint_interval_ms)
    }),
    number("log.promise_max_delay_ms", |c| {
        integer(c.log.promise_max_delay_ms)
    }),
    number("log.witness_timeout_ms", |c| {
        integer(c.log.witness_timeout_ms)
    }),
    text("logging.format", |c| {
        string(match c.logging.format {
            LoggingFormat::Text => "text",
            LoggingFormat::Json => "json",
        })
    }),
    text("logging.level", |c| string(&c.logging.level)),
];
