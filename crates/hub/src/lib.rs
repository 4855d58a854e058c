//! The store of exact models: `specs/04-program.md` §6.3 (draft) on a disk.
//!
//! A model is a folder named by its closure digest. It comes into being by one rename after all of its bytes are on the disk, and goes
//! the same way, so that nobody sees a part of one, whatever dies when. Names are files that hold a digest.
//!
//! ```text
//! models/
//!   3f1c…/manifest.cbor, program.cbor, weights.safetensors, tokenizer.json, …
//!   names/fable            "3f1c…\n"
//!   staging/               what is being written or deleted
//! ```
//!
//! **Trust.** The store is trusted by nobody: [`Store::verify`] reads every byte and compares with the digest that was asked for. Names are
//! for people; whoever can write the folder decides what a name means, which is why receipts hold digests.

mod error;
mod names;
mod store;
mod verify;

pub use error::{ErrorKind, HubError};
pub use names::ModelName;
pub use store::{Listing, Store, Stored};
pub use verify::{file_digest, pack};
