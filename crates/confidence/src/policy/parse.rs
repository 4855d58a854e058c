//! The text form (specs/07-policy.md §1.1): recursive descent with a bounded depth.

use proofmark_verify::Required;

use super::ast::{
    Amount, AuditTerm, Below, Clause, Demand, Expr, ModelBlock, Policy, Term, ThreatRule,
};
use super::error::PolicyError;
use super::lex::{Kind, Token, tokens};
use super::values::{duration, model, party};
use crate::assumption::is_id;
use crate::{Threat, Threats};

/// Deepest nesting of parentheses and `when`.
const DEPTH_MAX: usize = 32;
/// Most terms of a policy.
const TERMS_MAX: usize = 1_024;

/// Where an expression stands, which decides what may stand in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Threats,
    Clause,
}

pub(super) struct Parser<'t> {
    tokens: Vec<Token<'t>>,
    next: usize,
    depth: usize,
    terms: usize,
}

type Parsed<T> = Result<T, PolicyError>;

/// Reads the text form. What it means is checked elsewhere.
pub(super) fn parse_text(text: &str) -> Parsed<Policy> {
    let mut parser = Parser::new(text)?;
    let policy = parser.policy()?;
    parser.end()?;
    Ok(policy)
}

/// Reads an expression alone, as it stands in the JSON form.
pub(super) fn parse_expression(text: &str, in_threats: bool) -> Parsed<Expr> {
    let mut parser = Parser::new(text)?;
    let within = if in_threats {
        Within::Threats
    } else {
        Within::Clause
    };
    let expr = parser.expr(within)?;
    parser.end()?;
    Ok(expr)
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Parsed<Self> {
        Ok(Self {
            tokens: tokens(text)?,
            next: 0,
            depth: 0,
            terms: 0,
        })
    }

    fn peek(&self) -> Token<'t> {
        let last = self.tokens.len().saturating_sub(1);
        let end = Token {
            kind: Kind::End,
            text: "",
            at: super::error::Place { line: 1, column: 1 },
        };
        self.tokens.get(self.next.min(last)).copied().unwrap_or(end)
    }

    fn advance(&mut self) -> Token<'t> {
        let token = self.peek();
        self.next = self.next.saturating_add(1);
        token
    }

    fn expected<T>(&self, expected: impl Into<String>) -> Parsed<T> {
        let token = self.peek();
        Err(PolicyError::Syntax {
            at: token.at,
            expected: expected.into(),
            found: token.describe(),
        })
    }

    fn is(&self, kind: Kind, text: &str) -> bool {
        let token = self.peek();
        token.kind == kind && token.text == text
    }

    /// Takes the symbol or word `text` if it stands there.
    fn takes(&mut self, text: &str) -> bool {
        let there = self.is(Kind::Symbol, text) || self.is(Kind::Word, text);
        if there {
            self.advance();
        }
        there
    }

    fn want(&mut self, text: &str) -> Parsed<()> {
        if self.takes(text) {
            Ok(())
        } else {
            self.expected(format!("`{text}`"))
        }
    }

    fn end(&self) -> Parsed<()> {
        if self.peek().kind == Kind::End {
            Ok(())
        } else {
            self.expected("the end of the text")
        }
    }

    /// The token that is there, if `read` makes something of it.
    fn value<T>(
        &mut self,
        kind: Kind,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Parsed<T> {
        let token = self.peek();
        match read(token.text).filter(|_| token.kind == kind) {
            Some(value) => {
                self.advance();
                Ok(value)
            }
            None => self.expected(expected),
        }
    }

    fn string(&mut self, what: &str) -> Parsed<String> {
        self.value(Kind::String, what, |text| Some(text.to_owned()))
    }

    fn number<T: std::str::FromStr>(&mut self, expected: &str) -> Parsed<T> {
        self.value(Kind::Number, expected, |text| text.parse().ok())
    }

    fn rate(&mut self) -> Parsed<crate::Rate> {
        self.number("a rate such as 0.5%, 0.005 or 5e-3")
    }

    fn duration(&mut self) -> Parsed<u64> {
        self.value(
            Kind::Number,
            "a duration such as 30s, 10m, 12h or 30d",
            duration,
        )
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= DEPTH_MAX {
            return Err(PolicyError::TooLarge {
                what: "nested parentheses and blocks",
                limit: DEPTH_MAX,
            });
        }
        self.depth = self.depth.saturating_add(1);
        let result = inner(self);
        self.depth = self.depth.saturating_sub(1);
        result
    }

    fn policy(&mut self) -> Parsed<Policy> {
        self.want("policy")?;
        let name = self.string("the policy's name in quotation marks")?;
        self.want("version")?;
        let version = self.number("the policy's version, an integer")?;
        let mut policy = Policy::new(name, version);
        let mut seen: Vec<&str> = Vec::new();
        self.want("{")?;
        while !self.takes("}") {
            let token = self.peek();
            let repeats = matches!(token.text, "threats" | "for");
            if token.kind == Kind::Word && !repeats && seen.contains(&token.text) {
                return self.expected(format!("`{}` only once", token.text));
            }
            seen.push(token.text);
            self.item(&mut policy)?;
        }
        Ok(policy)
    }

    fn item(&mut self, policy: &mut Policy) -> Parsed<()> {
        if self.takes("adversary") {
            self.want("=")?;
            self.want("[")?;
            policy.adversary.clear();
            while !self.takes("]") {
                let expected = "`provider`, `network`, `auditor` or `log`";
                policy
                    .adversary
                    .insert(self.value(Kind::Word, expected, party)?);
                if !self.takes(",") && !self.is(Kind::Symbol, "]") {
                    return self.expected("`,` or `]`");
                }
            }
        } else if self.takes("confidence") {
            self.want("=")?;
            policy.confidence = self.rate()?;
        } else if self.takes("luck_floor") {
            self.want("=")?;
            policy.luck_floor = self.rate()?;
        } else if self.takes("freshness") {
            self.want("<=")?;
            policy.freshness_s = Some(self.duration()?);
        } else if self.takes("below") {
            self.want("=")?;
            policy.below = self.value(Kind::Word, "`withhold` or `flag`", |text| match text {
                "withhold" => Some(Below::Withhold),
                "flag" => Some(Below::Flag),
                _ => None,
            })?;
        } else if self.takes("on_unknown") {
            self.want("=")?;
            if !self.takes("deny") {
                return self.expected("`deny`: what is unknown never lets an answer through");
            }
        } else if self.takes("accept") {
            self.accept(policy)?;
        } else if self.takes("threats") {
            let rule = self.threats()?;
            policy.threats.push(rule);
        } else if self.takes("for") {
            let block = self.model()?;
            policy.models.push(block);
        } else {
            return self.expected(
                "`adversary`, `confidence`, `luck_floor`, `freshness`, `below`, `on_unknown`, `accept`, `threats`, `for` or `}`",
            );
        }
        Ok(())
    }

    fn accept(&mut self, policy: &mut Policy) -> Parsed<()> {
        self.want("{")?;
        while !self.takes("}") {
            if self.takes("table") {
                policy.accept_table = true;
                continue;
            }
            let id = self.value(
                Kind::Word,
                "`table`, the id of an assumption, or `}`",
                |text| is_id(text).then(|| text.to_owned()),
            )?;
            if policy.accepted.contains_key(&id) {
                self.next = self.next.saturating_sub(1);
                return self.expected("each assumption once");
            }
            self.want("<=")?;
            let rate = self.rate()?;
            let until = if self.takes("until") {
                Some(self.number("a date such as 2027-03-01")?)
            } else {
                None
            };
            policy.accepted.insert(id, (rate, until));
        }
        Ok(())
    }

    fn threat(&mut self) -> Parsed<Threat> {
        self.value(Kind::Word, "a threat, `T01` to `T24`", |text| {
            text.parse().ok()
        })
    }

    fn threats(&mut self) -> Parsed<ThreatRule> {
        let mut threats = Threats::NONE;
        loop {
            let first = self.threat()?;
            let last = if self.takes("..") {
                self.threat()?
            } else {
                first
            };
            if last < first {
                self.next = self.next.saturating_sub(1);
                return self.expected(format!("a threat not before {first}"));
            }
            threats = threats.union(Threats::of(first.number()..=last.number()));
            if !self.takes(",") {
                break;
            }
        }
        let demand = if self.takes("require") {
            Demand::Require(self.expr(Within::Threats)?)
        } else if self.takes("ignore") {
            Demand::Ignore(self.string("the reason in quotation marks")?)
        } else {
            return self.expected("`..`, `,`, `require` or `ignore`");
        };
        Ok(ThreatRule { threats, demand })
    }

    fn model(&mut self) -> Parsed<ModelBlock> {
        self.want("model")?;
        let model = if self.takes("*") {
            None
        } else {
            let expected = "`*`, or \"sha256:\" and the 64 hexadecimal digits of a model closure";
            Some(self.value(Kind::String, expected, model)?)
        };
        let clauses = self.clauses()?;
        Ok(ModelBlock { model, clauses })
    }

    fn clauses(&mut self) -> Parsed<Vec<Clause>> {
        self.want("{")?;
        let mut clauses = Vec::new();
        while !self.takes("}") {
            if self.takes("require") {
                clauses.push(Clause::Require(self.expr(Within::Clause)?));
            } else if self.takes("when") {
                self.want("value")?;
                self.want(">=")?;
                let at_least = self.number("an amount such as $5_000")?;
                let clauses_of = self.deeper(Self::clauses)?;
                clauses.push(Clause::WhenValue {
                    at_least,
                    clauses: clauses_of,
                });
            } else {
                return self.expected("`require`, `when` or `}`");
            }
        }
        Ok(clauses)
    }

    fn expr(&mut self, within: Within) -> Parsed<Expr> {
        self.joined("or", Expr::Any, &mut |parser| {
            parser.joined("and", Expr::All, &mut |parser| parser.term(within))
        })
    }

    /// Parts with the word `by` between them; one alone is itself.
    fn joined(
        &mut self,
        by: &str,
        join: fn(Vec<Expr>) -> Expr,
        part: &mut dyn FnMut(&mut Self) -> Parsed<Expr>,
    ) -> Parsed<Expr> {
        let first = part(self)?;
        if !self.is(Kind::Word, by) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.takes(by) {
            parts.push(part(self)?);
        }
        Ok(join(parts))
    }

    fn term(&mut self, within: Within) -> Parsed<Expr> {
        self.terms = self.terms.saturating_add(1);
        if self.terms > TERMS_MAX {
            return Err(PolicyError::TooLarge {
                what: "terms of the policy",
                limit: TERMS_MAX,
            });
        }
        if self.takes("(") {
            let expr = self.deeper(|parser| parser.expr(within))?;
            self.want(")")?;
            return Ok(expr);
        }
        let in_threats = within == Within::Threats;
        let term = if in_threats && self.takes("covered") {
            Term::Covered
        } else if !in_threats && self.takes("probability") {
            self.want("<=")?;
            Term::Probability(self.rate()?)
        } else if !in_threats && self.takes("cost_to_cheat") {
            self.cost_to_cheat()?
        } else if self.takes("audited") {
            Term::Audited(self.audited()?)
        } else if self.takes("replayed_here") {
            Term::ReplayedHere
        } else if self.takes("replayed") {
            self.replayed()?
        } else {
            let expected = if in_threats {
                "`(`, `covered`, `audited`, `replayed_here` or a grade (`logged`, `witnessed`, `replayed`, `attested`, `proven` …)"
            } else {
                "`(`, `audited`, `probability`, `cost_to_cheat`, `replayed_here` or a grade (`logged`, `witnessed`, `replayed`, `attested`, `proven` …)"
            };
            let grade = |text: &str| Required::all().find(|required| required.name() == text);
            Term::Grade(self.value(Kind::Word, expected, grade)?)
        };
        Ok(Expr::Term(term))
    }

    fn replayed(&mut self) -> Parsed<Term> {
        if !self.takes("(") {
            return Ok(Term::Grade(Required::Replayed));
        }
        self.want("k")?;
        self.want(">=")?;
        let k = self.value(Kind::Number, "how many replayers, from 1", |text| {
            text.parse().ok().filter(|k| *k >= 1)
        })?;
        self.want(")")?;
        Ok(Term::ReplayedBy(k))
    }

    fn cost_to_cheat(&mut self) -> Parsed<Term> {
        let mut receipts = 1;
        if self.takes("(") {
            self.want("n")?;
            self.want("=")?;
            receipts = self.value(Kind::Number, "how many receipts, from 1", |text| {
                text.parse().ok().filter(|n| *n >= 1)
            })?;
            self.want(")")?;
        }
        self.want(">=")?;
        let expected = "an amount such as $5_000, `value`, or `10 * value`";
        let at_least = if self.takes("value") {
            Amount::Values(1)
        } else if self.peek().text.starts_with('$') {
            Amount::Money(self.number(expected)?)
        } else {
            let times = self.number(expected)?;
            self.want("*")?;
            self.want("value")?;
            Amount::Values(times)
        };
        Ok(Term::CostToCheat { receipts, at_least })
    }

    fn audited(&mut self) -> Parsed<AuditTerm> {
        let mut term = AuditTerm::default();
        self.want("(")?;
        loop {
            let again = self.peek();
            let fresh = if self.takes("rate") {
                self.want("<=")?;
                term.rate.replace(self.rate()?).is_none()
            } else if self.takes("count") {
                self.want("<=")?;
                term.count
                    .replace(self.number("a number of receipts")?)
                    .is_none()
            } else if self.takes("confidence") {
                self.want(">=")?;
                term.confidence.replace(self.rate()?).is_none()
            } else if self.takes("power") {
                self.want(">=")?;
                term.power.replace(self.rate()?).is_none()
            } else if self.takes("window") {
                self.want("<=")?;
                term.window_s.replace(self.duration()?).is_none()
            } else if self.takes("audits") {
                self.want(">=")?;
                term.audits
                    .replace(self.number("a number of audits")?)
                    .is_none()
            } else {
                return self
                    .expected("`rate`, `count`, `confidence`, `power`, `window` or `audits`");
            };
            if !fresh {
                return Err(PolicyError::Syntax {
                    at: again.at,
                    expected: "each limit once".into(),
                    found: again.describe(),
                });
            }
            if !self.takes(",") {
                break;
            }
        }
        if term.rate.is_none() && term.count.is_none() {
            return self.expected("`, rate <= …` or `, count <= …`");
        }
        self.want(")")?;
        Ok(term)
    }
}
