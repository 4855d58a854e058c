//! Tests of the receipt formats through the public interface.

#![cfg(test)]

#[path = "../../examples/vectors/accepted.rs"]
mod accepted;
#[path = "../../examples/vectors/case.rs"]
mod case;
#[path = "../../examples/vectors/contradictions.rs"]
mod contradictions;
#[path = "../../examples/vectors/fixture.rs"]
mod fixture;
#[path = "../../examples/vectors/forge.rs"]
mod forge;
#[path = "../../examples/vectors/parts.rs"]
mod parts;
#[path = "../../examples/vectors/rejected.rs"]
mod rejected;

#[path = "../../src/tests.rs"]
mod seeded;

mod arbitrary;
mod audit;
mod cddl;
mod claims;
mod digest;
mod disclosure;
mod encoding;
mod golden;
mod json;
mod proof;
mod reader;
mod replay;
mod signatures;
mod statements;
mod vectors;
