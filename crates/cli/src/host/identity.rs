//! What a node says about itself: its facts in the key statement, and the roots by which others can verify it.

use std::fs::File;
use std::io;

use proofmark_gateway::Config;
use proofmark_keys::{KeyStore, NodeFacts};
use proofmark_verify::{LogKind, LogRoot, OperatorRoot, Roots, format_operator_key};
use sha2::{Digest as _, Sha256};

use crate::config::SETTINGS;
use crate::error::CommandError;

/// Settings that are about this machine, not about what the node does with a request.
const LOCAL: [&str; 4] = ["listen", "data", "logging.format", "logging.level"];

/// Name, configuration and release of this node.
pub(super) fn facts(config: &Config) -> Result<NodeFacts, CommandError> {
    let release = release_digest().map_err(|error| {
        CommandError::internal("the program's own file cannot be read").because(error)
    })?;
    Ok(NodeFacts {
        node: config.name.clone(),
        config: config_digest(config),
        release,
        model_policy: None,
    })
}

/// SHA-256 over the settings and upstreams, one per line; secrets are in none of them.
fn config_digest(config: &Config) -> [u8; 32] {
    let mut digest = Sha256::new();
    for setting in SETTINGS
        .iter()
        .filter(|setting| !LOCAL.contains(&setting.key))
    {
        if let Some(value) = (setting.show)(config) {
            digest.update(format!("{} = {value}\n", setting.key));
        }
    }
    for upstream in &config.upstream {
        digest.update(format!("upstream {upstream:?}\n"));
    }
    for model in &config.model {
        digest.update(format!("model {model:?}\n"));
    }
    for price in &config.price {
        digest.update(format!("price {price:?}\n"));
    }
    for witness in &config.log.witness {
        digest.update(format!("witness {witness:?}\n"));
    }
    digest.finalize().into()
}

/// SHA-256 of the running program.
fn release_digest() -> io::Result<[u8; 32]> {
    let mut digest = Sha256::new();
    let mut file = File::open(std::env::current_exe()?)?;
    let mut buffer = vec![0_u8; 1 << 20];
    loop {
        let read = io::Read::read(&mut file, &mut buffer)?;
        match buffer.get(..read) {
            Some([]) | None => return Ok(digest.finalize().into()),
            Some(bytes) => digest.update(bytes),
        }
    }
}

/// The roots that somebody needs who wants to believe this node. Witnesses are the reader's own choice.
pub(super) fn own_roots(keys: &KeyStore) -> Roots {
    let name = keys.operator_name().to_owned();
    let log = |vkey: String, kind| LogRoot {
        vkey,
        operator: name.clone(),
        kind,
        witnesses: None,
    };
    Roots {
        operators: vec![OperatorRoot {
            name: name.clone(),
            key: format_operator_key(keys.operator_key()),
        }],
        logs: vec![
            log(
                keys.receipts_log_signer().vkey().to_string(),
                LogKind::Receipts,
            ),
            log(
                keys.registry_log_signer().vkey().to_string(),
                LogKind::Registry,
            ),
        ],
        replayers: Vec::new(),
        witness_groups: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_local_changes_no_digest_and_everything_else_does() {
        let base = config_digest(&Config::default());
        let local = "listen = \"127.0.0.1:9\"\ndata = \"elsewhere\"\n[logging]\nlevel = \"debug\"";
        assert_eq!(config_digest(&Config::parse(local).unwrap()), base);
        for other in [
            "name = \"node-2\"",
            "[store]\ncontents = \"none\"",
            "[[upstream]]\nname = \"a\"\nbase_url = \"https://a\"",
            "[[price]]\nmodel = \"m\"\ninput_per_mtok_usd = 1\noutput_per_mtok_usd = 1",
        ] {
            assert_ne!(
                config_digest(&Config::parse(other).unwrap()),
                base,
                "{other}"
            );
        }
    }

    #[test]
    fn the_release_is_this_program() {
        assert_eq!(release_digest().unwrap(), release_digest().unwrap());
        assert_ne!(
            release_digest().unwrap(),
            <[u8; 32]>::from(Sha256::digest(b""))
        );
    }
}
