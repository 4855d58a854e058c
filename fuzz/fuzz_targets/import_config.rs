//! A configuration that is read has sizes that fit each other; nothing else happens.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proofmark_import::config::parse_config;

fuzz_target!(|data: &[u8]| {
    if let Ok(config) = parse_config(data) {
        assert!(config.heads.is_multiple_of(config.kv_heads));
        assert_eq!(config.windows.len(), config.layers);
        if let Some(rope) = &config.rope {
            assert_eq!(rope.frequencies().len(), config.head_dim / 2);
        }
    }
});
