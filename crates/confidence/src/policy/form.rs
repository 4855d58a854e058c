//! The JSON and TOML form (specs/07-policy.md §1.4).

use serde::{Deserialize, Serialize};

use super::ast::{Below, Clause, Demand, Expr, ModelBlock, Policy, ThreatRule};
use super::error::PolicyError;
use super::lex::{STRING_MAX_BYTES, TEXT_MAX_BYTES};
use super::parse::parse_expression;
use super::print::ranges;
use super::values::{duration, duration_text, model, model_text};
use crate::assumption::is_id;
use crate::{Date, Money, Party, Rate, Threat, Threats};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyForm {
    policy: String,
    version: u32,
    adversary: Option<Vec<Party>>,
    confidence: Option<Rate>,
    luck_floor: Option<Rate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    freshness: Option<String>,
    below: Option<BelowForm>,
    #[serde(default)]
    accept: AcceptForm,
    #[serde(default)]
    threats: Vec<RuleForm>,
    #[serde(default)]
    models: Vec<BlockForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum BelowForm {
    Withhold,
    Flag,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct AcceptForm {
    #[serde(default)]
    table: bool,
    #[serde(default)]
    assumptions: Vec<AcceptedForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AcceptedForm {
    id: String,
    at_most: Rate,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Date>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleForm {
    threats: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    require: Option<ExprForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ignore: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BlockForm {
    model: String,
    clauses: Vec<ClauseForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum ClauseForm {
    Require(RequireForm),
    When(WhenForm),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequireForm {
    require: ExprForm,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WhenForm {
    when_value_at_least: Money,
    clauses: Vec<ClauseForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum ExprForm {
    Text(String),
    All(AllForm),
    Any(AnyForm),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AllForm {
    all: Vec<ExprForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnyForm {
    any: Vec<ExprForm>,
}

fn wrong(why: impl Into<String>) -> PolicyError {
    PolicyError::Form(why.into())
}

fn bounded(text: &str) -> Result<(), PolicyError> {
    if text.len() > TEXT_MAX_BYTES {
        return Err(PolicyError::TooLarge {
            what: "the bytes of the policy",
            limit: TEXT_MAX_BYTES,
        });
    }
    Ok(())
}

/// Reads the JSON form; its meaning is checked elsewhere.
pub(super) fn parse_json(text: &str) -> Result<Policy, PolicyError> {
    bounded(text)?;
    let form: PolicyForm = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    form.read()
}

/// Reads the TOML form; its meaning is checked elsewhere.
pub(super) fn parse_toml(text: &str) -> Result<Policy, PolicyError> {
    bounded(text)?;
    let form: PolicyForm = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
    form.read()
}

/// A string that the text form can hold.
fn string(text: String) -> Result<String, PolicyError> {
    let plain = !text
        .chars()
        .any(|c| c == '"' || c == '\\' || c.is_control());
    if plain && text.len() <= STRING_MAX_BYTES {
        return Ok(text);
    }
    Err(wrong(
        "a text has more than 256 bytes, quotation marks, backslashes or control characters",
    ))
}

impl PolicyForm {
    fn read(self) -> Result<Policy, PolicyError> {
        let mut policy = Policy::new(string(self.policy)?, self.version);
        if let Some(adversary) = self.adversary {
            policy.adversary = adversary.into_iter().collect();
        }
        policy.confidence = self.confidence.unwrap_or(policy.confidence);
        policy.luck_floor = self.luck_floor.unwrap_or(policy.luck_floor);
        if let Some(text) = self.freshness {
            let seconds =
                duration(&text).ok_or_else(|| wrong(format!("{text:?} is no duration")))?;
            policy.freshness_s = Some(seconds);
        }
        policy.below = match self.below {
            Some(BelowForm::Flag) => Below::Flag,
            Some(BelowForm::Withhold) | None => Below::Withhold,
        };
        policy.accept_table = self.accept.table;
        for AcceptedForm { id, at_most, until } in self.accept.assumptions {
            // The text form reads an id as a word, which begins with a letter.
            if !is_id(&id) || !id.starts_with(|c: char| c.is_ascii_lowercase()) || id.contains("..")
            {
                return Err(wrong(format!("{id:?} is no id of an assumption")));
            }
            if policy
                .accepted
                .insert(id.clone(), (at_most, until))
                .is_some()
            {
                return Err(wrong(format!("the assumption {id:?} is accepted twice")));
            }
        }
        for rule in self.threats {
            policy.threats.push(rule.read()?);
        }
        for block in self.models {
            let digest = match block.model.as_str() {
                "*" => None,
                text => Some(model(text).ok_or_else(|| wrong(format!("{text:?} is no model")))?),
            };
            policy.models.push(ModelBlock {
                model: digest,
                clauses: clauses(block.clauses)?,
            });
        }
        // What was put together from parts is bounded as the text would be.
        super::parse::parse_text(&policy.to_string())
    }
}

impl RuleForm {
    fn read(self) -> Result<ThreatRule, PolicyError> {
        let mut threats = Threats::NONE;
        for range in &self.threats {
            let (first, last) = range.split_once("..").unwrap_or((range, range));
            let bound = |text: &str| {
                text.parse::<Threat>()
                    .map_err(|error| wrong(error.to_string()))
            };
            let (first, last) = (bound(first)?, bound(last)?);
            threats = threats.union(Threats::of(first.number()..=last.number()));
        }
        let demand = match (self.require, self.ignore) {
            (Some(expr), None) => Demand::Require(expr.read(true)?),
            (None, Some(reason)) => Demand::Ignore(string(reason)?),
            _ => return Err(wrong("a rule on threats has either `require` or `ignore`")),
        };
        Ok(ThreatRule { threats, demand })
    }
}

fn clauses(forms: Vec<ClauseForm>) -> Result<Vec<Clause>, PolicyError> {
    let read = |form| match form {
        ClauseForm::Require(RequireForm { require }) => Ok(Clause::Require(require.read(false)?)),
        ClauseForm::When(WhenForm {
            when_value_at_least,
            clauses: inner,
        }) => Ok(Clause::WhenValue {
            at_least: when_value_at_least,
            clauses: clauses(inner)?,
        }),
    };
    forms.into_iter().map(read).collect()
}

impl ExprForm {
    fn read(self, in_threats: bool) -> Result<Expr, PolicyError> {
        let parts = |forms: Vec<Self>| -> Result<Vec<Expr>, PolicyError> {
            if forms.is_empty() {
                return Err(wrong("`all` and `any` have at least one part"));
            }
            forms
                .into_iter()
                .map(|form| form.read(in_threats))
                .collect()
        };
        Ok(match self {
            Self::Text(text) => parse_expression(&text, in_threats)?,
            Self::All(AllForm { all }) => Expr::All(parts(all)?),
            Self::Any(AnyForm { any }) => Expr::Any(parts(any)?),
        })
    }

    fn of(expr: &Expr) -> Self {
        match expr {
            Expr::All(parts) => Self::All(AllForm {
                all: parts.iter().map(Self::of).collect(),
            }),
            Expr::Any(parts) => Self::Any(AnyForm {
                any: parts.iter().map(Self::of).collect(),
            }),
            Expr::Term(term) => Self::Text(term.to_string()),
        }
    }
}

fn clause_forms(clauses: &[Clause]) -> Vec<ClauseForm> {
    let form = |clause: &Clause| match clause {
        Clause::Require(expr) => ClauseForm::Require(RequireForm {
            require: ExprForm::of(expr),
        }),
        Clause::WhenValue { at_least, clauses } => ClauseForm::When(WhenForm {
            when_value_at_least: *at_least,
            clauses: clause_forms(clauses),
        }),
    };
    clauses.iter().map(form).collect()
}

impl Policy {
    fn form(&self) -> PolicyForm {
        let accepted = self
            .accepted
            .iter()
            .map(|(id, (at_most, until))| AcceptedForm {
                id: id.clone(),
                at_most: *at_most,
                until: *until,
            });
        let rules = self.threats.iter().map(|rule| {
            let (require, ignore) = match &rule.demand {
                Demand::Require(expr) => (Some(ExprForm::of(expr)), None),
                Demand::Ignore(reason) => (None, Some(reason.clone())),
            };
            let threats = ranges(rule.threats)
                .split(", ")
                .map(str::to_owned)
                .collect();
            RuleForm {
                threats,
                require,
                ignore,
            }
        });
        let blocks = self.models.iter().map(|block| BlockForm {
            model: block.model.as_ref().map_or_else(|| "*".into(), model_text),
            clauses: clause_forms(&block.clauses),
        });
        PolicyForm {
            policy: self.name.clone(),
            version: self.version,
            adversary: Some(self.adversary.iter().copied().collect()),
            confidence: Some(self.confidence),
            luck_floor: Some(self.luck_floor),
            freshness: self.freshness_s.map(duration_text),
            below: Some(match self.below {
                Below::Withhold => BelowForm::Withhold,
                Below::Flag => BelowForm::Flag,
            }),
            accept: AcceptForm {
                table: self.accept_table,
                assumptions: accepted.collect(),
            },
            threats: rules.collect(),
            models: blocks.collect(),
        }
    }

    /// The JSON form.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(&self.form()).unwrap_or_default()
    }

    /// The TOML form.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(&self.form()).unwrap_or_default()
    }
}
