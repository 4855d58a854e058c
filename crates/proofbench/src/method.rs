//! Methods of evidence: what each is, and what it rests on.

use serde::{Deserialize, Serialize};

/// A method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The provider signs the text of the answer.
    Signature,
    /// The provider publishes the hash of the text.
    TextHash,
    /// What OpenGradient's gateway signs, checked as its confidential client does.
    OgGateway,
    /// What OpenGradient's explorer checks of a settled inference.
    OgExplorer,
    /// Fingerprints of activations (specs/09-fingerprint.md §3).
    Activations,
    /// Margins of tokens under a shared seed (specs/09-fingerprint.md §4).
    Tokens,
    /// Receipts in a log with witnesses.
    Log,
    /// Receipts with a quote of a machine; the machine is simulated.
    Attestation,
    /// Receipts that the reader executes again.
    Replay,
    /// Receipts that anybody may dispute before a referee.
    Referee,
    /// Receipts of which a coin chooses those that are executed again.
    Audit,
    /// Receipts with a proof of inference.
    Proof,
    /// docs/policies/agent.policy.
    AgentPolicy,
    /// docs/policies/bank.policy.
    BankPolicy,
    /// docs/policies/market.policy.
    MarketPolicy,
}

impl Method {
    /// All, in the order of the scorecard.
    pub const ALL: [Self; 15] = [
        Self::Signature,
        Self::TextHash,
        Self::OgGateway,
        Self::OgExplorer,
        Self::Activations,
        Self::Tokens,
        Self::Log,
        Self::Attestation,
        Self::Replay,
        Self::Referee,
        Self::Audit,
        Self::Proof,
        Self::AgentPolicy,
        Self::BankPolicy,
        Self::MarketPolicy,
    ];

    /// Its id.
    pub fn id(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::TextHash => "text-hash",
            Self::OgGateway => "og-gateway",
            Self::OgExplorer => "og-explorer",
            Self::Activations => "activations",
            Self::Tokens => "tokens",
            Self::Log => "log",
            Self::Attestation => "attestation",
            Self::Replay => "replay",
            Self::Referee => "referee",
            Self::Audit => "audit",
            Self::Proof => "proof",
            Self::AgentPolicy => "agent-policy",
            Self::BankPolicy => "bank-policy",
            Self::MarketPolicy => "market-policy",
        }
    }

    /// Whether its hardware is simulated: such a column says what the protocol does, and nothing about any hardware.
    pub fn simulated(self) -> bool {
        matches!(self, Self::Attestation | Self::OgGateway | Self::OgExplorer)
    }

    /// What it is, in a sentence.
    pub fn says(self) -> &'static str {
        match self {
            Self::Signature => "the provider signs the text (Ed25519)",
            Self::TextHash => "the provider publishes SHA-256 of the text",
            Self::OgGateway => {
                "hashes of request and answer, signed by a relay in an enclave; checked as OpenGradient's confidential client does"
            }
            Self::OgExplorer => "the same, settled and shown; checked as the explorer does",
            Self::Activations => {
                "the largest last hidden states of an engine in floats, compared with an own run"
            }
            Self::Tokens => "the tokens of an engine in floats, under a shared seed",
            Self::Log => {
                "a receipt, logged, under a checkpoint with 3 of 4 witnesses, its key unrevoked"
            }
            Self::Attestation => "a receipt whose key a quote binds to measured code",
            Self::Replay => "a receipt that the reader executes again to the bit",
            Self::Referee => "a receipt that a challenger may take to a referee",
            Self::Audit => {
                "receipts in a witnessed log, of which a later coin chooses those to replay"
            }
            Self::Proof => "a proof that the program gave this output (tensor programs)",
            Self::AgentPolicy => {
                "docs/policies/agent.policy, $1,000 at stake: two rooted replays, seed of the caller"
            }
            Self::BankPolicy => {
                "docs/policies/bank.policy, $1,000 at stake: two rooted replays, seed of the caller"
            }
            Self::MarketPolicy => {
                "docs/policies/market.policy: two rooted replays, seed of the caller"
            }
        }
    }

    /// What it rests on.
    pub fn rests_on(self) -> &'static str {
        match self {
            Self::Signature | Self::TextHash => "the provider",
            Self::OgGateway => {
                "the enclave, the registry's administrator, an RPC endpoint, the model's provider"
            }
            Self::OgExplorer => "the same, and whoever stores what is shown",
            Self::Activations | Self::Tokens => "a threshold, and who chose what is benign",
            Self::Log => "2 of 4 witnesses and the node",
            Self::Attestation => "the vendor, physical access, the measured code",
            Self::Replay => "the reader's own engine",
            Self::Referee => "one honest challenger",
            Self::Audit => "the beacon, the auditor; a population, never one answer",
            Self::Proof => "the proof system and its verifier",
            Self::AgentPolicy | Self::BankPolicy | Self::MarketPolicy => {
                "one of two rooted replayers, the log's witnesses"
            }
        }
    }
}
