//! Receipts, bundles, contents, listings, facts and health over real sockets, with real logs on a real directory.

mod access;
mod bundles;
mod contents;
mod description;
mod facts;
mod harness;
mod health;
mod issue;
mod listing;
