//! Roots as people compare them: names, fingerprints, who watches which log.

use std::io::{self, Write};

use proofmark_verify::{LogKind, OperatorRoot, Roots};
use serde_json::{Value, json};

use crate::roots::{group, vkey_fingerprint};
use crate::ui::{FAINT, STRONG};

/// Fingerprint of an operator key: its key id (specs/01-receipt.md §2.3) in hexadecimal.
pub(super) fn operator_fingerprint(operator: &OperatorRoot) -> Option<String> {
    Some(operator.public_key()?.kid().to_string())
}

fn kind(kind: LogKind) -> &'static str {
    match kind {
        LogKind::Receipts => "receipts",
        LogKind::Registry => "registry",
    }
}

/// Name of a log, from its verifier key.
fn origin(vkey: &str) -> &str {
    vkey.split('+').next().unwrap_or(vkey)
}

pub(super) fn write_roots(out: &mut dyn Write, roots: &Roots) -> io::Result<()> {
    for operator in &roots.operators {
        writeln!(out, "{STRONG}Operator {}{STRONG:#}", operator.name)?;
        writeln!(out, "  key          {}", operator.key)?;
        let print = operator_fingerprint(operator).unwrap_or_default();
        writeln!(out, "  fingerprint  {}", group(&print))?;
        for log in roots
            .logs
            .iter()
            .filter(|log| log.operator == operator.name)
        {
            writeln!(out, "  {} log {}", kind(log.kind), origin(&log.vkey))?;
            let print = vkey_fingerprint(&log.vkey).unwrap_or_default();
            writeln!(out, "    fingerprint  {}", group(&print))?;
            match &log.witnesses {
                Some(name) => writeln!(out, "    witnesses    {name}")?,
                None => writeln!(
                    out,
                    "    witnesses    {FAINT}none: its time and its one history are its own word{FAINT:#}"
                )?,
            }
        }
    }
    for replayer in &roots.replayers {
        writeln!(out, "{STRONG}Replayer {}{STRONG:#}", replayer.name)?;
        writeln!(out, "  key          {}", replayer.key)?;
        let print = operator_fingerprint(replayer).unwrap_or_default();
        writeln!(out, "  fingerprint  {}", group(&print))?;
    }
    for witnesses in &roots.witness_groups {
        let (k, n, f) = (
            witnesses.k,
            witnesses.members.len(),
            witnesses.tolerated_faulty,
        );
        writeln!(
            out,
            "{STRONG}Witness group {}{STRONG:#}: {k} of {n}, of whom {f} may be dishonest",
            witnesses.name
        )?;
        for member in &witnesses.members {
            let print = vkey_fingerprint(&member.vkey).unwrap_or_default();
            writeln!(
                out,
                "  {}, run by {}",
                origin(&member.vkey),
                member.operator
            )?;
            writeln!(out, "    fingerprint  {}", group(&print))?;
        }
    }
    Ok(())
}

/// The same for machines.
pub(super) fn describe(roots: &Roots) -> Value {
    let operators = roots.operators.iter().map(|operator| {
        let logs = roots
            .logs
            .iter()
            .filter(|log| log.operator == operator.name)
            .map(|log| {
                json!({
                    "origin": origin(&log.vkey),
                    "kind": kind(log.kind),
                    "vkey": log.vkey,
                    "fingerprint": vkey_fingerprint(&log.vkey),
                    "witnesses": log.witnesses,
                })
            });
        json!({
            "name": operator.name,
            "key": operator.key,
            "fingerprint": operator_fingerprint(operator),
            "logs": logs.collect::<Vec<_>>(),
        })
    });
    let groups = roots.witness_groups.iter().map(|group| {
        let members = group.members.iter().map(|member| {
            json!({
                "vkey": member.vkey,
                "operator": member.operator,
                "fingerprint": vkey_fingerprint(&member.vkey),
            })
        });
        json!({
            "name": group.name,
            "k": group.k,
            "tolerated_faulty": group.tolerated_faulty,
            "members": members.collect::<Vec<_>>(),
        })
    });
    let replayers = roots.replayers.iter().map(|replayer| {
        json!({
            "name": replayer.name,
            "key": replayer.key,
            "fingerprint": operator_fingerprint(replayer),
        })
    });
    json!({ "operators": operators.collect::<Vec<_>>(), "replayers": replayers.collect::<Vec<_>>(), "witness_groups": groups.collect::<Vec<_>>() })
}
