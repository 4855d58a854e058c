//! Policies: what must hold before somebody relies on an answer (specs/07-policy.md).
//!
//! ```
//! use proofmark_confidence::policy::Policy;
//!
//! let policy = Policy::parse(r#"policy "shop" version 1 {
//!   for model * { require logged and answer }
//! }"#)?;
//! assert_eq!(Policy::parse(&policy.to_string())?, policy);
//! let error = Policy::parse("policy shop").unwrap_err();
//! assert_eq!(error.to_string(), "line 1, column 8: expected the policy's name in quotation marks, found `shop`");
//! # Ok::<(), proofmark_confidence::policy::PolicyError>(())
//! ```

mod ast;
mod check;
mod error;
mod evaluate;
mod form;
mod lex;
mod parse;
mod print;
mod satisfy;
#[cfg(test)]
mod tests;
mod truth;
mod values;

pub use ast::{
    Amount, AuditTerm, Below, Clause, Demand, Expr, ModelBlock, Policy, Term, ThreatRule,
};
pub use error::{Place, PolicyError};
pub use evaluate::{ClauseResult, Decision, Outcome};
pub use satisfy::Step;
pub use truth::Truth;
