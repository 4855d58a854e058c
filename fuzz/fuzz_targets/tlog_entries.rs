//! Entry bundles and frontiers that decode are encoded back byte for byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proofmark_tlog::{Frontier, decode_entries, encode_entries};

fuzz_target!(|input: (u16, &[u8])| {
    let (width, data) = input;
    if let Ok(entries) = decode_entries(data, width) {
        assert_eq!(entries.len(), usize::from(width));
        assert_eq!(encode_entries(&entries).as_deref(), Ok(data));
    }
    if let Ok(frontier) = Frontier::decode(data) {
        assert_eq!(frontier.encode(), data);
        assert_eq!(
            Frontier::decode(&frontier.encode()).map(|same| same.root()),
            Ok(frontier.root())
        );
    }
});
