//! The commands, one module each.

pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod dispute;
pub(crate) mod doctor;
pub(crate) mod key;
pub(crate) mod log;
pub(crate) mod man;
pub(crate) mod model;
pub(crate) mod policy;
pub(crate) mod prove;
pub(crate) mod proxy;
pub(crate) mod receipt;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod trust;
pub(crate) mod verify;
pub(crate) mod witness;
