//! The order of the checks, and the verdict (specs/01-receipt.md §11.2).

use proofmark_proof::PublicWeights;
use proofmark_receipt::{
    Bundle, Claims, Execution, KeyStatement, ReceiptSecret, ReplayStep, SeedChooser, SignedReceipt,
    Snapshot,
};

use crate::check::{
    Cause, IssuerChecked, Logged, Subject, accepted, check_answer, check_countersignatures,
    check_evidence, check_issuer, check_log, check_question, check_registry_proof,
    check_revocation, not_claimed,
};
use crate::established::{Established, ProvenInference, TextSource, WeightsSource};
use crate::inference::is_whole;
use crate::report::{Accepted, Grade, Report, Row, RowName, State, Verdict};
use crate::{Required, Requirement, Roots};

/// What the verifier holds beside the bundle. All of it is optional.
#[derive(Debug, Clone, Default)]
pub struct Presented<'p> {
    /// The answer as it was received: JSON, or a stream of server-sent events.
    pub answer: Option<&'p [u8]>,
    /// The body of the request as it was sent.
    pub request: Option<&'p [u8]>,
    /// The receipt secret, which opens every commitment.
    pub secret: Option<ReceiptSecret>,
    /// The nonce that was sent.
    pub nonce: Option<&'p [u8]>,
    /// A newer snapshot of the registry log than the bundle's.
    pub snapshot: Option<Snapshot>,
    /// What the verifier has of the model itself, for proofs.
    pub model: Option<KnownModel<'p>>,
}

/// What a verifier has of a model itself. It vouches for this: the weights are the closure's, and the program was checked with
/// them (specs/04-program.md §4).
#[derive(Debug, Clone, Copy)]
pub struct KnownModel<'p> {
    /// Digest of the closure.
    pub closure: [u8; 32],
    /// W, computed from the weights.
    pub commitment: Option<[u8; 32]>,
    /// The weights, for proofs that do not commit to them.
    pub weights: Option<&'p PublicWeights>,
    /// What its tokenizer and template show of this receipt's texts.
    pub text: Option<TextSteps>,
}

/// What became of the steps around a decoder's program, which are no part of a proof: from the request to the ids, and from the ids to
/// the answer. They are those of a replay (specs/01-receipt.md §7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextSteps {
    /// The request, by the template, is the prompt, and asks for the parameters that were used.
    pub rendered: ReplayStep,
    /// The prompt is the ids that went in.
    pub tokenized: ReplayStep,
    /// The ids that came out are the answer, and end where the model and the parameters end it.
    pub detokenized: ReplayStep,
}

/// Verifies a bundle. Pure: the same inputs give the same report everywhere. `now` is in Unix seconds.
pub fn verify(
    bundle: &[u8],
    presented: &Presented<'_>,
    requirement: &Requirement,
    roots: &Roots,
    now: u64,
) -> Report {
    let decoded = Bundle::decode(bundle).and_then(|bundle| {
        let receipt = SignedReceipt::decode(&bundle.receipt)?;
        Ok((bundle, receipt))
    });
    match decoded {
        Ok((bundle, receipt)) => {
            Examination::new(&bundle, &receipt, presented, roots, now).conclude(requirement)
        }
        Err(error) => unreadable(Cause::from(error)),
    }
}

fn unreadable(cause: Cause) -> Report {
    let verdict = match cause.state {
        State::CouldNotCheck { code } => Verdict::CouldNotCheck {
            code,
            why: cause.why,
        },
        state => Verdict::Rejected {
            code: state.code().unwrap_or("receipt.malformed"),
            why: cause.why,
        },
    };
    Report {
        receipt: None,
        issued_at: None,
        node: None,
        rows: Vec::new(),
        grades: Vec::new(),
        verdict,
        established: Established::default(),
        still_trust: Vec::new(),
        does_not_show: Vec::new(),
    }
}

/// Everything that was found about one receipt.
struct Examination<'e> {
    claims: &'e Claims,
    rows: Vec<Row>,
    issuer: Option<IssuerChecked>,
    grades: Vec<Grade>,
    witnessed: bool,
    established: Established,
}

impl<'e> Examination<'e> {
    fn new(
        bundle: &'e Bundle,
        receipt: &'e SignedReceipt,
        presented: &Presented<'_>,
        roots: &Roots,
        now: u64,
    ) -> Self {
        let claims = receipt.claims();
        let mut found = Self {
            claims,
            rows: Vec::new(),
            issuer: None,
            grades: Vec::new(),
            witnessed: false,
            established: Established::claimed(claims, presented),
        };
        let (answer, answer_shown) = check_answer(claims, &bundle.disclosures, presented);
        let (question, question_shown) = check_question(claims, &bundle.disclosures, presented);
        found.rows.extend([answer, question, model_row(claims)]);
        found.grade(Required::Answer, answer_shown);
        found.grade(Required::Question, question_shown);
        match check_issuer(bundle, receipt, roots, now) {
            Ok(issuer) => found.examine_issuer(bundle, presented, roots, now, issuer),
            Err(cause) => found.rows.push(cause.into_row(RowName::Issuer)),
        }
        let evidence = check_evidence(
            bundle,
            receipt,
            found.issuer.as_ref(),
            found.established.log_index,
            presented.model.as_ref(),
            roots,
            now,
        );
        found.established.replayers = evidence.replayers;
        let replayed = !found.established.replayers.is_empty();
        found.grade(Required::Replayed, replayed && found.is_rooted());
        let audited = !evidence.audits.is_empty();
        found.established.audits = evidence.audits;
        found.grade(Required::Audited, audited && found.is_rooted());
        let proven = !evidence.proofs.is_empty();
        found.established.proofs = evidence.proofs;
        found.grade(Required::Proven, proven && found.is_rooted());
        if evidence
            .rows
            .iter()
            .all(|row| row.name != RowName::Reexecuted)
        {
            found.rows.push(not_claimed(
                RowName::Reexecuted,
                "nobody says that it was re-executed",
            ));
        }
        found
            .rows
            .push(not_claimed(RowName::Hardware, "no hardware evidence"));
        if evidence.rows.iter().all(|row| row.name != RowName::Proof) {
            found
                .rows
                .push(not_claimed(RowName::Proof, "no proof of inference"));
        }
        found.rows.extend(evidence.rows);
        found.name_model();
        found
    }

    fn is_rooted(&self) -> bool {
        self.issuer
            .as_ref()
            .is_some_and(|issuer| issuer.rooted.is_ok())
    }

    /// The model's row says more once somebody else executed the same program, or a proof shows that it was executed.
    fn name_model(&mut self) {
        if let Execution::Executed(executed) = &self.claims.execution
            && let Some(how) = self.shown_executed()
            && let Some(row) = self.rows.iter_mut().find(|row| row.name == RowName::Model)
        {
            let [a, b, c, d, ..] = executed.closure;
            *row = accepted(
                RowName::Model,
                format!(
                    "{}, exact program {a:02x}{b:02x}{c:02x}{d:02x}…, {how}",
                    executed.model
                ),
            );
        }
    }

    fn shown_executed(&self) -> Option<&'static str> {
        let has = |grade| self.grades.contains(&grade);
        match (has(Required::Replayed), has(Required::Proven)) {
            (true, true) => Some("re-executed and proven"),
            (true, false) => Some("re-executed"),
            (false, true) => Some("proven"),
            (false, false) => None,
        }
    }

    fn grade(&mut self, grade: Grade, reached: bool) {
        if reached {
            self.grades.push(grade);
        }
    }

    fn examine_issuer(
        &mut self,
        bundle: &Bundle,
        presented: &Presented<'_>,
        roots: &Roots,
        now: u64,
        issuer: IssuerChecked,
    ) {
        match &issuer.rooted {
            Err(cause) => self.rows.push(cause.clone().into_row(RowName::Issuer)),
            Ok((rooted, operator_key)) => {
                let operator = rooted.operator();
                let text = format!("signed by node {} of {operator}", issuer.statement.node);
                let registered = check_registry_proof(bundle, &issuer.statement, operator, roots);
                self.rows.push(match registered {
                    Ok(Some(index)) => accepted(
                        RowName::Issuer,
                        format!("{text}, whose key is entry {index} of its registry"),
                    ),
                    Ok(None) => accepted(RowName::Issuer, text),
                    Err(cause) => cause.into_row(RowName::Issuer),
                });
                let (log_row, logged) =
                    check_log(bundle, self.claims, &issuer.statement, operator, roots, now);
                let witnessed = logged
                    .as_ref()
                    .and_then(|logged| logged.witnessed.as_ref().ok());
                let snapshots: Vec<Snapshot> = presented
                    .snapshot
                    .iter()
                    .chain(&bundle.snapshot)
                    .cloned()
                    .collect();
                let subject = Subject {
                    claims: self.claims,
                    statement: &issuer.statement,
                    operator,
                    operator_key,
                    witnessed,
                };
                let (revocation_row, unrevoked) = check_revocation(&subject, &snapshots, roots);
                self.witnessed = witnessed.is_some();
                self.established.log_index = logged.as_ref().map(|logged| logged.index);
                self.established.operator = Some(operator.to_owned());
                self.established.witnessed_at = witnessed.map(|witnessed| witnessed.unix_s);
                let time_row = Logged::time_row(logged.as_ref(), self.claims.issued_at);
                self.rows.extend([revocation_row, log_row, time_row]);
                let executed = matches!(self.claims.execution, Execution::Executed(_));
                self.grade(Required::Relayed, true);
                self.grade(Required::Signed, executed);
                self.grade(Required::Logged, logged.is_some());
                self.grade(Required::Witnessed, self.witnessed);
                self.grade(Required::Unrevoked, unrevoked);
            }
        }
        self.rows
            .extend(check_countersignatures(bundle, &issuer.statement));
        self.issuer = Some(issuer);
    }

    /// The first row in a state that `pick` gives a code for.
    fn first(&self, pick: impl Fn(&Row) -> Option<&'static str>) -> Option<(&'static str, String)> {
        self.rows
            .iter()
            .find_map(|row| Some((pick(row)?, row.text.clone())))
    }

    fn conclude(mut self, requirement: &Requirement) -> Report {
        let verdict = self.verdict(requirement);
        if matches!(verdict, Verdict::Rejected { .. })
            || self.issuer.as_ref().is_none_or(|i| i.rooted.is_err())
        {
            self.grades.clear();
        }
        self.established.unchecked = self.unchecked();
        let statement = self.issuer.as_ref().map(|issuer| &issuer.statement);
        Report {
            receipt: Some(self.claims.id),
            issued_at: Some(self.claims.issued_at),
            node: statement.map(|statement| statement.node.clone()),
            still_trust: still_trust(
                self.claims,
                statement,
                &self.grades,
                &self.established.proofs,
            ),
            does_not_show: does_not_show(self.claims, &self.grades, &self.established.proofs),
            rows: self.rows,
            grades: self.grades,
            verdict,
            established: self.established,
        }
    }

    /// Grades that are missing because something could not be checked, with the code of the cause.
    fn unchecked(&self) -> Vec<(Required, &'static str)> {
        let missing = Required::all().filter(|required| !self.grades.contains(required));
        missing
            .filter_map(|required| Some((required, self.blocked(required)?.code()?)))
            .collect()
    }

    fn verdict(&self, requirement: &Requirement) -> Verdict {
        let rejected = self.first(|row| match row.state {
            State::Rejected { code } => Some(code),
            _ => None,
        });
        if let Some((code, why)) = rejected {
            return Verdict::Rejected { code, why };
        }
        if let Some(position) = self.claims.unknown_critical() {
            let why = format!(
                "the claim at position {position} is of a later version and must not be ignored"
            );
            return Verdict::CouldNotCheck {
                code: "receipt.claim.unknown-critical",
                why,
            };
        }
        let accepted = match &self.issuer {
            Some(IssuerChecked {
                signature,
                rooted: Ok((rooted, _)),
                ..
            }) => Accepted {
                signature: signature.clone(),
                issuer: rooted.clone(),
            },
            _ => return self.could_not_check(RowName::Issuer),
        };
        if let Some(cause) = self.unchecked_mandatory_suite() {
            return cause;
        }
        // A comparison that was asked for and could not be made is never passed over.
        for name in [RowName::Answer, RowName::Question] {
            if let Some(State::CouldNotCheck { .. }) = self
                .rows
                .iter()
                .find(|row| row.name == name)
                .map(|r| &r.state)
            {
                return self.could_not_check(name);
            }
        }
        let missing: Vec<Required> = requirement
            .iter()
            .filter(|r| !self.grades.contains(r))
            .collect();
        match missing.iter().find_map(|required| self.blocked(*required)) {
            Some(verdict) => verdict,
            None if missing.is_empty() => Verdict::Accepted(accepted),
            None => Verdict::BelowRequirement { missing },
        }
    }

    fn could_not_check(&self, name: RowName) -> Verdict {
        let cause = self.first(|row| match row.state {
            State::CouldNotCheck { code } if row.name == name => Some(code),
            _ => None,
        });
        let (code, why) = cause.unwrap_or((
            "receipt.issuer.no-statement",
            "the issuer is not known".into(),
        ));
        Verdict::CouldNotCheck { code, why }
    }

    fn unchecked_mandatory_suite(&self) -> Option<Verdict> {
        let statement = &self.issuer.as_ref()?.statement;
        let row = self
            .rows
            .iter()
            .find(|row| row.name == RowName::Countersignature)?;
        (!statement.mandatory_suites.is_empty()).then(|| Verdict::CouldNotCheck {
            code: "receipt.countersignature.unsupported-suite",
            why: row.text.clone(),
        })
    }

    /// Whether `required` is missing because something could not be checked, rather than because it is not there.
    fn blocked(&self, required: Required) -> Option<Verdict> {
        let (name, absent): (RowName, &[&str]) = match required {
            Required::Logged => (RowName::Log, &["log.absent"]),
            Required::Witnessed => (RowName::Log, &["log.absent", "log.unwitnessed"]),
            Required::Unrevoked => (RowName::Revocation, &[]),
            Required::Replayed => (RowName::Reexecuted, &["receipt.replay.same-operator"]),
            Required::Audited => (RowName::Audited, &["receipt.audit.same-operator"]),
            Required::Proven => (RowName::Proof, &[]),
            Required::Attested => (RowName::Evidence, &[]),
            Required::Relayed | Required::Signed | Required::Answer | Required::Question => {
                return None;
            }
        };
        let (code, why) = self.first(|row| match row.state {
            State::CouldNotCheck { code } if row.name == name && !absent.contains(&code) => {
                Some(code)
            }
            _ => None,
        })?;
        Some(Verdict::CouldNotCheck { code, why })
    }
}

fn model_row(claims: &Claims) -> Row {
    match &claims.execution {
        Execution::Relayed {
            relayed,
            asked,
            provider,
        } => {
            let served = provider
                .served_model
                .as_deref()
                .unwrap_or("nothing about it");
            not_claimed(
                RowName::Model,
                format!(
                    "relayed to {} ({}): asked for {asked:?}, the provider says {served:?}; what ran there is not known",
                    relayed.upstream, relayed.host
                ),
            )
        }
        Execution::Executed(executed) => not_claimed(
            RowName::Model,
            format!(
                "the node says that it ran {:?}; no evidence beyond its signature",
                executed.model
            ),
        ),
    }
}

/// What a proof leaves to be trusted: only the weights' commitment, if others computed it, and its cryptography.
fn trust_of_proof(proofs: &[ProvenInference]) -> Vec<String> {
    let mut trust = Vec::new();
    // The best of several is relied on.
    let vouched = |proof: &ProvenInference| match &proof.weights {
        WeightsSource::Vouched(parties) => Some(parties.clone()),
        WeightsSource::Recomputed | WeightsSource::Read => None,
    };
    if let Some(Some(parties)) = proofs.iter().map(vouched).min_by_key(Option::is_some) {
        let parties: Vec<String> = parties.iter().map(|party| format!("{party:?}")).collect();
        trust.push(format!(
            "{}, that the committed weights are the model's",
            parties.join(" or ")
        ));
    }
    let replayed = |proof: &ProvenInference| {
        proof
            .text
            .is_some_and(|text| text.source == TextSource::Replayed)
    };
    if !proofs.is_empty() && proofs.iter().all(replayed) {
        trust.push("the replayer, that the ids are the texts of request and answer".into());
    }
    trust.push("BLAKE3 as a random oracle, for the proof".into());
    trust
}

fn still_trust(
    claims: &Claims,
    statement: Option<&KeyStatement>,
    grades: &[Grade],
    proofs: &[ProvenInference],
) -> Vec<String> {
    let mut trust = Vec::new();
    match &claims.execution {
        Execution::Relayed { relayed, .. } => {
            trust.push(
                "the gateway, that it handed over your request and got back this answer".into(),
            );
            trust.push(format!(
                "the provider behind {}, for which model answered",
                relayed.host
            ));
        }
        Execution::Executed(_) if grades.contains(&Required::Proven) => {
            trust.extend(trust_of_proof(proofs));
        }
        Execution::Executed(_) if grades.contains(&Required::Replayed) => trust.push(
            "the replayer, that it re-executed the program, and that its key was not revoked"
                .into(),
        ),
        Execution::Executed(_) => trust.push("the node, that it ran the model it names".into()),
    }
    if statement.is_some_and(|statement| statement.operator_key_online) {
        trust.push("the node with the operator key, which lies on the same machine".into());
    }
    if !grades.contains(&Required::Logged) {
        trust.push("the issuer, that it keeps a record of this answer".into());
    }
    trust.push(if grades.contains(&Required::Witnessed) {
        "the log's witnesses, for the time and for one history of the log".into()
    } else {
        "the issuer's clock, and that its log shows everybody the same".into()
    });
    if !grades.contains(&Required::Unrevoked) {
        trust.push("that the key was not revoked".into());
    }
    trust
}

fn does_not_show(claims: &Claims, grades: &[Grade], proofs: &[ProvenInference]) -> Vec<String> {
    let mut not_shown = vec![
        "that the answer is true".into(),
        "what the model was trained on".into(),
    ];
    if grades.contains(&Required::Audited) && !grades.contains(&Required::Replayed) {
        not_shown
            .push("anything about this one answer by the audit: it bounds the population".into());
    }
    if grades.contains(&Required::Proven) {
        not_shown.push(
            "that the proof hides anything: it is not zero-knowledge, and its bytes are a function of weights and activations"
                .into(),
        );
        let is_text = proofs.iter().any(|proof| proof.text.is_some());
        if !proofs.iter().any(|proof| proof.from_question) {
            not_shown.push(if is_text {
                "that your request is the ids that went in".into()
            } else {
                "that the numbers of your request are the integers that went in".into()
            });
        }
        if is_text && !is_whole(claims) {
            not_shown.push("what would have followed: the answer was cut short".into());
        }
    }
    match &claims.execution {
        Execution::Relayed { .. } => {
            not_shown.insert(0, "which model ran at the provider".into());
            if claims.usage.is_some() {
                not_shown
                    .push("how many tokens there were: the counts are the provider's word".into());
            }
        }
        Execution::Executed(executed) if executed.seed_chosen_by == SeedChooser::Node => {
            not_shown.push("that the node tried no other seeds: it chose this one".into());
        }
        Execution::Executed(_) => {}
    }
    not_shown
}

#[cfg(test)]
mod tests;
