//! `proofmark receipt disclose`: a bundle that opens less, down to one message or one passage.

use std::path::PathBuf;

use clap::Args;
use proofmark_openai::{Fields, Members};
use proofmark_receipt::{
    BUNDLE_MAX_BYTES, Bundle, Claims, DisclosedTree, DisclosedValues, Disclosure, FieldTree,
    ReceiptSecret, Salts, ScopeKey, SignedReceipt, TEXT_PIECE_BYTES, commit_text,
};
use proofmark_verify::choices_of_answer;

use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::files;
use crate::ui::{GOOD, Ui};

/// A request or answer.
const CONTENT_MAX_BYTES: usize = 1 << 30;

/// Arguments of `proofmark receipt disclose`.
#[derive(Debug, Args)]
pub(crate) struct Disclose {
    /// The bundle. What is to be opened must be open in it, or come from --secret-file with --request and --answer.
    bundle: PathBuf,
    /// Open a whole scope: received, forwarded, answer, attachments, caller, output/0 … May be repeated.
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// Open one field, such as received/messages/1 or output/0/role. May be repeated.
    #[arg(long, value_name = "SCOPE/FIELD")]
    field: Vec<String>,
    /// Open a passage of a choice's text by its bytes, such as 0:512-1024; pieces are 256 bytes. May be repeated.
    #[arg(long, value_name = "CHOICE:FROM-TO", value_parser = parse_passage)]
    text: Vec<Passage>,
    /// The receipt secret.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// The body of the request.
    #[arg(long, value_name = "FILE", requires = "secret_file")]
    request: Option<PathBuf>,
    /// The answer.
    #[arg(long, value_name = "FILE", requires = "secret_file")]
    answer: Option<PathBuf>,
    /// The file to write.
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
}

/// Bytes `from..to` of the text of a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Passage {
    choice: u32,
    from: usize,
    to: usize,
}

fn parse_passage(text: &str) -> Result<Passage, String> {
    let parse = || {
        let (choice, range) = text.split_once(':')?;
        let (from, to) = range.split_once('-')?;
        let passage = Passage {
            choice: choice.parse().ok()?,
            from: from.parse().ok()?,
            to: to.parse().ok()?,
        };
        (passage.from < passage.to).then_some(passage)
    };
    parse().ok_or_else(|| "a passage looks like 0:512-1024".into())
}

impl Disclose {
    pub(crate) fn run(self, ui: &mut Ui) -> CommandResult {
        let mut bundle = Bundle::decode(&files::read(&self.bundle, BUNDLE_MAX_BYTES)?)?;
        let receipt = SignedReceipt::decode(&bundle.receipt)?;
        let claims = receipt.claims();
        let mut open = std::mem::take(&mut bundle.disclosures);
        open.extend(self.opened_by_secret(claims)?);
        // What is opened from must itself open the receipt, or the result would be refused for the wrong reason.
        open.iter()
            .try_for_each(|disclosure| disclosure.check(claims))?;
        for scope in &self.scope {
            bundle.disclosures.push(whole(&open, scope)?.clone());
        }
        for field in &self.field {
            bundle.disclosures.push(one_field(&open, field)?);
        }
        for passage in &self.text {
            bundle.disclosures.extend(passage_of(&open, passage)?);
        }
        bundle
            .disclosures
            .iter()
            .try_for_each(|disclosure| disclosure.check(claims))?;
        let opened = bundle.disclosures.len();
        files::replace(
            &self.out,
            &bundle.encode(),
            if opened == 0 { 0o644 } else { 0o600 },
        )?;
        let what = if opened == 0 {
            "opens nothing".to_owned()
        } else {
            format!("opens {opened} parts")
        };
        writeln!(ui.out(), "{GOOD}✔{GOOD:#} {}  {what}", self.out.display())?;
        Ok(ExitStatus::OK)
    }

    /// The scopes that secret, request and answer open.
    fn opened_by_secret(&self, claims: &Claims) -> Result<Vec<Disclosure>, CommandError> {
        let Some(path) = &self.secret_file else {
            return Ok(Vec::new());
        };
        let salts = Salts::new(&ReceiptSecret::new(*files::read_secret(path)?), &claims.id);
        let scope = |scope: String, values| Disclosure::Scope {
            key: salts.scope(&scope),
            scope,
            values,
        };
        let mut open = Vec::new();
        if let Some(request) = &self.request {
            let values = DisclosedValues::Body(files::read(request, CONTENT_MAX_BYTES)?);
            open.push(scope("received".to_owned(), values));
        }
        if let Some(answer) = &self.answer {
            let answer = files::read(answer, CONTENT_MAX_BYTES)?;
            let choices = choices_of_answer(&claims.operation.name, &answer)
                .map_err(|error| CommandError::usage("the answer cannot be read").because(error))?;
            open.extend(choices.into_iter().map(|(index, text, fields)| {
                scope(
                    format!("output/{index}"),
                    DisclosedValues::Choice {
                        text,
                        fields,
                        tokens: None,
                    },
                )
            }));
        }
        Ok(open)
    }
}

fn whole<'d>(open: &'d [Disclosure], scope: &str) -> Result<&'d Disclosure, CommandError> {
    let is_it = |disclosure: &&Disclosure| matches!(disclosure, Disclosure::Scope { scope: name, .. } if name == scope);
    open.iter().find(is_it).ok_or_else(|| {
        CommandError::usage(format!("the scope {scope} is not open in the bundle"))
            .hint("fetch a bundle that opens it: proofmark receipt bundle ID --disclose all")
            .hint("or give --secret-file with --request and --answer")
    })
}

fn parts<'d>(
    open: &'d [Disclosure],
    scope: &str,
) -> Result<(&'d ScopeKey, &'d DisclosedValues), CommandError> {
    match whole(open, scope)? {
        Disclosure::Scope { key, values, .. } => Ok((key, values)),
        Disclosure::Leaf { .. } => Err(CommandError::internal("a whole scope was expected")),
    }
}

/// `received/messages/1` into `received` and `messages/1`; a choice's scope has two steps of its own.
fn split_field(field: &str) -> Option<(&str, &str)> {
    let at = if field.starts_with("output/") {
        field.match_indices('/').nth(1)?.0
    } else {
        field.find('/')?
    };
    let (scope, name) = field.split_at_checked(at)?;
    name.strip_prefix('/')
        .filter(|name| !name.is_empty())
        .map(|name| (scope, name))
}

fn one_field(open: &[Disclosure], field: &str) -> Result<Disclosure, CommandError> {
    let bad = || {
        CommandError::usage(format!(
            "{field:?} is not a field such as received/messages/1"
        ))
    };
    let (scope, name) = split_field(field).ok_or_else(bad)?;
    let (key, values) = parts(open, scope)?;
    let fields: Vec<(String, Vec<u8>)> = match values {
        DisclosedValues::Body(body) => {
            let members = Members::parse(body).map_err(|error| bad().because(error))?;
            Fields::of(&members)
                .map(|field| (field.name(), field.value.as_bytes().to_vec()))
                .collect()
        }
        DisclosedValues::Choice { fields, .. } => fields.clone(),
        DisclosedValues::Attachments(_)
        | DisclosedValues::Caller(_)
        | DisclosedValues::Executed { .. } => return Err(bad()),
    };
    let names: Vec<String> = fields
        .iter()
        .map(|(name, _)| format!("fields/{name}"))
        .collect();
    let at = fields
        .iter()
        .position(|(known, _)| known == name)
        .ok_or_else(|| {
            let known: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
            CommandError::usage(format!("{scope} has no field {name:?}"))
                .hint(format!("it has: {}", known.join(", ")))
        })?;
    let mut tree = FieldTree::new();
    for (name, (_, value)) in names.iter().zip(&fields) {
        tree.push(key.commit(name, value));
    }
    let leaf = names
        .into_iter()
        .zip(fields)
        .nth(at)
        .and_then(|(name, (_, value))| {
            leaf_of(scope, DisclosedTree::Fields, key, &tree, at, name, value)
        });
    leaf.ok_or_else(bad)
}

fn passage_of(open: &[Disclosure], passage: &Passage) -> Result<Vec<Disclosure>, CommandError> {
    let scope = format!("output/{}", passage.choice);
    let (key, values) = parts(open, &scope)?;
    let outside = |length: usize| {
        CommandError::usage(format!(
            "the text of choice {} has {length} bytes",
            passage.choice
        ))
    };
    let DisclosedValues::Choice { text, .. } = values else {
        return Err(outside(0));
    };
    if passage.to > text.len() {
        return Err(outside(text.len()));
    }
    let tree = commit_text(key, text);
    let pieces = passage.from / TEXT_PIECE_BYTES..passage.to.div_ceil(TEXT_PIECE_BYTES);
    let all = text
        .chunks(TEXT_PIECE_BYTES)
        .enumerate()
        .skip(pieces.start)
        .take(pieces.len());
    let leaves: Option<Vec<Disclosure>> = all
        .map(|(at, piece)| {
            leaf_of(
                &scope,
                DisclosedTree::Text,
                key,
                &tree,
                at,
                format!("text/{at}"),
                piece.to_vec(),
            )
        })
        .collect();
    leaves.ok_or_else(|| outside(text.len()))
}

fn leaf_of(
    scope: &str,
    which: DisclosedTree,
    key: &ScopeKey,
    tree: &FieldTree,
    at: usize,
    name: String,
    value: Vec<u8>,
) -> Option<Disclosure> {
    let index = u64::try_from(at).ok()?;
    Some(Disclosure::Leaf {
        scope: scope.to_owned(),
        tree: which,
        index,
        salt: key.salt(&name),
        name,
        value,
        path: tree.path(index)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_named_behind_their_scope() {
        assert_eq!(
            split_field("received/messages/1"),
            Some(("received", "messages/1"))
        );
        assert_eq!(
            split_field("output/0/tool_calls/0/id"),
            Some(("output/0", "tool_calls/0/id"))
        );
        for bad in ["received", "received/", "output/0", "output/0/", ""] {
            assert_eq!(split_field(bad), None, "{bad}");
        }
    }

    #[test]
    fn passages_are_ranges() {
        assert_eq!(
            parse_passage("1:0-256").unwrap(),
            Passage {
                choice: 1,
                from: 0,
                to: 256
            }
        );
        for bad in ["", "1", "1:5", "1:5-5", "1:6-5", "a:0-1", "1:-1-2"] {
            assert!(parse_passage(bad).is_err(), "{bad}");
        }
    }
}
