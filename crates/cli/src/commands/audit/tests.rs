//! Audits of providers over HTTP, on real bytes: a log with signed leaves, bundles that open them, an engine that really ran something else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use clap::Parser as _;
use proofmark_gateway::Config;
use proofmark_keys::Serving;
use proofmark_log::{Durability, Record, RecordKey};
use proofmark_proofbench::Cheat;
use proofmark_receipt::{
    Audit as Permission, Bundle, Claims, Executed, Execution, Issuer, LogClaim, Operation, Outcome,
    Provenance, ReceiptId, ReceiptLeaf, ReceiptSecret, Salts, SeedChooser, SignedReceipt,
    Status as Ended, Timing, commit_tokens,
};
use proofmark_tlog::VerifierKey;
use serde_json::{Value, json};

use super::Audit;
use crate::ambient::now_s;
use crate::bundled;
use crate::commands::demo::cheat::Provider;
use crate::commands::replay::signer;
use crate::data::log_public_dir;
use crate::error::{CommandError, ExitStatus};
use crate::host::Host;
use crate::ui::Ui;

/// A provider's directory: keys, log, and the bundles it hands out.
struct Shop {
    dir: tempfile::TempDir,
    serving: Serving,
    closure: [u8; 32],
    bundles: Vec<(String, Vec<u8>)>,
}

/// What a run of the command came to.
struct Ran {
    code: u8,
    error: Option<&'static str>,
}

#[derive(clap::Parser)]
struct Line {
    #[command(subcommand)]
    audit: Audit,
}

fn run(arguments: &[&str]) -> Ran {
    let line = [&["audit"], arguments].concat();
    let ended: Result<ExitStatus, CommandError> =
        Line::parse_from(line).audit.run(&mut Ui::new(true));
    match ended {
        Ok(status) => Ran {
            code: status.0,
            error: None,
        },
        Err(error) => Ran {
            code: error.exit_code().0,
            error: error.stable_code(),
        },
    }
}

/// Claims of an answer, for everything that the provider does not say itself.
fn like(shop: &Shop, number: u64, permission: Option<Permission>) -> Claims {
    let statement = shop.serving.statement.unverified();
    let origin = VerifierKey::parse(&statement.receipts_log)
        .unwrap()
        .name()
        .as_str()
        .to_owned();
    let issued_at = now_s();
    let id = ReceiptId::from_parts(issued_at * 1_000 + number, [7; 10]);
    let salts = Salts::new(&ReceiptSecret::new([9; 32]), &id);
    let scope = salts.scope("executed");
    let nothing: [(String, &[u8]); 0] = [];
    Claims {
        id,
        issued_at,
        nonce: None,
        issuer: Issuer {
            kid: shop.serving.key.kid(),
            statement: shop.serving.statement.digest(),
        },
        previous: None,
        operation: Operation {
            name: "chat.completions".into(),
            stream: false,
        },
        caller: None,
        received: salts.scope("received").commit_body(
            0,
            std::iter::empty::<&[u8]>(),
            nothing.into_iter(),
        ),
        attachments: Vec::new(),
        execution: Execution::Executed(Executed {
            model: bundled::NAME.into(),
            closure: shop.closure,
            engine: [0; 32],
            prompt: scope.commit("prompt", b""),
            input_tokens: commit_tokens(&scope, "in", &[]),
            parameters: Vec::new(),
            seed: 0,
            seed_chosen_by: SeedChooser::Caller,
            template_clock: None,
        }),
        output: Vec::new(),
        finish: None,
        outcome: Outcome {
            status: Ended::Completed,
            http_status: 200,
            code: None,
        },
        usage: None,
        cost: None,
        timing: Timing {
            received_ms: issued_at * 1_000,
            first_byte_us: None,
            done_us: 1,
        },
        stream: None,
        policy: None,
        log: LogClaim {
            origin,
            kind: 2,
            value_class: 0,
        },
        audit: permission.map(|permission| (Provenance::Caller, permission)),
        token_commitment: None,
        retention: None,
        unknown: Vec::new(),
    }
}

impl Shop {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let serving = signer(dir.path()).unwrap();
        let model = bundled::open(&proofmark_engine::ModelOptions::default()).unwrap();
        Self {
            dir,
            serving,
            closure: model.closure().0,
            bundles: Vec::new(),
        }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Gives `count` answers, honest but for those in `cheats`, and puts them into the log. `permissions` says who may look.
    fn answer(
        &mut self,
        count: u64,
        cheats: &BTreeSet<u64>,
        permission: impl Fn(u64) -> Option<Permission>,
    ) {
        let provider = |cheat: &Cheat| Provider::new(cheat, self.serving.clone(), 1).unwrap();
        let (honest, swapped) = (provider(&Cheat::Honest), provider(&Cheat::Truncated));
        let first = self.bundles.len() as u64;
        let mut records = Vec::new();
        for number in first..first + count {
            let body = json!({
                "model": bundled::NAME, "max_tokens": 3, "seed": number, "temperature": 1,
                "messages": [{ "role": "user", "content": format!("Question {number}") }],
            });
            let who = if cheats.contains(&number) {
                &swapped
            } else {
                &honest
            };
            let claims = like(self, number, permission(number));
            let (_, bundle) = who
                .answer(
                    &Cheat::Honest,
                    &claims,
                    body.to_string().as_bytes(),
                    self.closure,
                )
                .unwrap();
            let receipt = SignedReceipt::decode(&bundle.receipt).unwrap();
            records.push(Record {
                key: RecordKey::from_bytes(*claims.id.as_bytes()),
                entry: ReceiptLeaf::of(receipt.claims()).encode().to_vec().into(),
                ..Record::default()
            });
            self.bundles.push((claims.id.to_string(), bundle.encode()));
        }
        self.log(records);
    }

    fn log(&self, records: Vec<Record>) {
        let config = Config {
            data: self.path().to_owned(),
            ..Config::default()
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let host = Host::open(&config).unwrap();
            let mut last = 0;
            for record in records {
                last = host
                    .receipts
                    .append(record, Durability::Durable)
                    .await
                    .unwrap()
                    .index;
            }
            host.receipts.wait_integrated(last).await.unwrap();
            host.write_roots(self.path()).unwrap();
            host.close().await.unwrap();
        });
    }

    fn serve(&self) -> Front {
        Front::start(
            log_public_dir(self.path(), "receipts"),
            self.bundles.clone(),
        )
    }

    fn roots(&self) -> String {
        self.path().join("root.toml").to_str().unwrap().to_owned()
    }
}

/// What the provider answers over HTTP.
struct Served {
    public: PathBuf,
    bundles: Vec<(String, Vec<u8>)>,
}

struct Front {
    url: String,
    _runtime: tokio::runtime::Runtime,
}

async fn tile(State(served): State<Arc<Served>>, UrlPath(path): UrlPath<String>) -> Response {
    match std::fs::read(served.public.join(path)) {
        Ok(bytes) => bytes.into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn listing(State(served): State<Arc<Served>>) -> String {
    let line = |(entry, (id, bundle)): (usize, &(String, Vec<u8>))| {
        (!bundle.is_empty()).then(|| json!({ "id": id, "entry": entry }))
    };
    let data: Vec<Value> = served.bundles.iter().enumerate().filter_map(line).collect();
    json!({ "object": "list", "data": data, "has_more": false, "last_id": null }).to_string()
}

async fn bundle(State(served): State<Arc<Served>>, UrlPath(id): UrlPath<String>) -> Response {
    match served.bundles.iter().find(|(known, _)| *known == id) {
        Some((_, bytes)) => bytes.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Front {
    fn start(public: PathBuf, bundles: Vec<(String, Vec<u8>)>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let app = Router::new()
            .route("/log/receipts/{*path}", get(tile))
            .route("/v1/receipts", get(listing))
            .route("/v1/receipts/{id}/bundle", get(bundle))
            .with_state(Arc::new(Served { public, bundles }));
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self {
            url,
            _runtime: runtime,
        }
    }
}

/// The run's verdicts, by entry.
fn verdicts(auditor: &Path, range: &str) -> BTreeMap<u64, Value> {
    let text = std::fs::read_to_string(book(auditor, &format!("{range}.jsonl"))).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .map(|line| (line["entry"].as_u64().unwrap(), line))
        .collect()
}

fn statement(auditor: &Path, range: &str) -> PathBuf {
    book(auditor, &format!("{range}.audit"))
}

/// A file of an auditor's books, of which each log has a directory beside the secrets of rounds.
fn book(auditor: &Path, name: &str) -> PathBuf {
    let mut entries = std::fs::read_dir(auditor.join("audits")).unwrap();
    entries
        .find_map(|entry| {
            let file = entry.unwrap().path().join(name);
            file.is_file().then_some(file)
        })
        .unwrap()
}

fn given(_: u64) -> Option<Permission> {
    Some(Permission::Given)
}

/// 6 of 300 answers come from a model without its last layer. The coin is 90 %, so all of them escape once in a million.
#[test]
fn a_provider_that_cheats_on_two_percent_is_found() {
    let mut shop = Shop::new();
    let cheats: BTreeSet<u64> = (0..6).map(|i| 17 + 50 * i).collect();
    shop.answer(300, &cheats, given);
    let (front, auditor, roots) = (shop.serve(), tempfile::tempdir().unwrap(), shop.roots());
    let data = auditor.path().to_str().unwrap();
    let arguments = [
        "run", "--url", &front.url, "--roots", &roots, "--data", data, "--coin", "90%",
    ];
    assert_eq!(run(&arguments).code, 10);
    let verdicts = verdicts(auditor.path(), "0-300");
    assert!((220..300).contains(&verdicts.len()), "{}", verdicts.len());
    let mut findings = 0;
    for (entry, verdict) in &verdicts {
        let expected = if cheats.contains(entry) {
            "finding"
        } else {
            "same"
        };
        // Few tokens of a damaged model can be those of the honest one: then nobody was deceived.
        assert!(
            verdict["outcome"] == expected
                || (expected == "finding" && verdict["outcome"] == "same"),
            "{verdict}"
        );
        findings += usize::from(verdict["outcome"] == "finding");
    }
    assert!(findings > 0);
    assert_eq!(
        run(&[
            "status", "--url", &front.url, "--roots", &roots, "--data", data
        ])
        .code,
        10
    );
    // Nothing is audited twice.
    assert_eq!(run(&arguments).code, 0);
    drop(front);

    // After a finding everything is executed again, whatever the coin.
    shop.answer(5, &BTreeSet::new(), given);
    let front = shop.serve();
    let arguments = [
        "run", "--url", &front.url, "--roots", &roots, "--data", data, "--coin", "0.001%",
    ];
    assert_eq!(run(&arguments).code, 0);
    assert_eq!(self::verdicts(auditor.path(), "300-305").len(), 5);
}

/// An honest provider, strata, and the statement beside a receipt: what `verify` then says.
#[test]
fn an_honest_provider_is_clean_and_its_receipts_say_audited() {
    let mut shop = Shop::new();
    let permission = |number| match number % 4 {
        0 => None,
        1 => Some(Permission::Refused),
        _ => Some(Permission::Given),
    };
    shop.answer(16, &BTreeSet::new(), permission);
    let (front, auditor, roots) = (shop.serve(), tempfile::tempdir().unwrap(), shop.roots());
    let data = auditor.path().to_str().unwrap();
    let common = ["--url", &front.url, "--roots", &roots, "--data", data];
    // A beacon has to be of a later moment than the population.
    let seal = [&["run"], &common[..], &["--seal"]].concat();
    let early = format!("block:1:{}:1", "0a".repeat(32));
    let with = |beacon: &str| {
        let arguments: Vec<&str> = [
            &["run"],
            &common[..],
            &["--coin", "100%", "--beacon", beacon],
        ]
        .concat();
        run(&arguments)
    };
    assert_eq!(with(&early).error, Some("audit.beacon-early"));
    assert_eq!(
        run(&[&["run"], &common[..], &["--seal", "--coin", "100%"]].concat()).code,
        0
    );
    assert_eq!(run(&seal).code, 0);
    assert_eq!(with(&early).error, Some("audit.beacon-early"));
    let late = format!("block:1:{}:{}", "0a".repeat(32), now_s() + 10);
    assert_eq!(with(&late).code, 0);
    assert_eq!(verdicts(auditor.path(), "0-16").len(), 8);
    assert_eq!(run(&[&["status"], &common[..]].concat()).code, 0);

    // The statement fits the receipts of its range only, and is believed of rooted auditors only.
    let evidence = proofmark_receipt::AuditEvidence::decode(
        &std::fs::read(statement(auditor.path(), "0-16")).unwrap(),
    )
    .unwrap();
    let said = evidence.signed.unverified();
    assert_eq!(
        (
            said.auditable,
            said.without_permission,
            said.selected,
            said.audited,
            said.findings
        ),
        (8, 8, 8, 8, 0)
    );
    let bundle = Bundle::decode(&shop.bundles[2].1).unwrap();
    let receipt = SignedReceipt::decode(&bundle.receipt).unwrap();
    let attached = evidence.attach(receipt.claims().id, receipt.digest());
    assert_eq!(attached.kind, "audit");
}

/// What `audit commit` or `audit reveal` prints.
fn printed(arguments: &[&str]) -> String {
    match Line::parse_from([&["audit"], arguments].concat()).audit {
        Audit::Commit(command) => command.make().map(|made| made.to_string()),
        Audit::Reveal(command) => command.open().map(|opened| opened.to_string()),
        _ => Err(CommandError::usage("commit or reveal")),
    }
    .unwrap()
}

/// Three auditors draw together for a provider that cheats; one who stays away spares nothing.
#[test]
fn a_round_of_auditors_draws_and_silence_spares_nothing() {
    let mut shop = Shop::new();
    let cheats: BTreeSet<u64> = [7, 27, 47, 57, 77, 97].into();
    shop.answer(100, &cheats, given);
    let (front, roots) = (shop.serve(), shop.roots());
    let auditors: Vec<tempfile::TempDir> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let data: Vec<&str> = auditors
        .iter()
        .map(|dir| dir.path().to_str().unwrap())
        .collect();
    let committed: Vec<String> = data
        .iter()
        .map(|data| printed(&["commit", "--data", data]))
        .collect();
    let revealed: Vec<String> = (0..3)
        .map(|i| printed(&["reveal", &committed[i], "--data", data[i]]))
        .collect();
    let common = ["--url", &front.url, "--roots", &roots, "--data", data[0]];
    let with = |more: &[&str]| run(&[&["run"], &common[..], more].concat());
    // Secrets of nobody who committed, and a population that was fixed without them.
    assert_eq!(
        with(&[
            "--seal",
            "--coin",
            "10%",
            "--commitment",
            &committed[0],
            "--commitment",
            &committed[0]
        ])
        .code,
        2
    );
    let mut seal = vec!["--seal", "--coin", "10%"];
    for commitment in &committed {
        seal.extend(["--commitment", commitment]);
    }
    assert_eq!(with(&seal).code, 0);
    // Nothing else draws now: no beacon that somebody chose, not the auditor's own numbers, not two of three secrets.
    let late = format!("block:1:{}:{}", "0a".repeat(32), now_s() + 10);
    assert_eq!(with(&["--beacon", &late]).error, Some("audit.beacon-twice"));
    assert_eq!(with(&[]).error, Some("audit.withheld"));
    let two = ["--reveal", &revealed[0], "--reveal", &revealed[1]];
    assert_eq!(with(&two).error, Some("audit.withheld"));
    let (kid, _) = revealed[2].split_once(':').unwrap();
    let other = format!("{kid}:{}", "0b".repeat(32));
    let forged = [&two[..], &["--reveal", &other]].concat();
    assert_eq!(with(&forged).error, Some("audit.round"));
    assert_eq!(
        with(&[&forged[..], &["--void"]].concat()).error,
        Some("audit.round")
    );
    // The third stays away: the round is void, and every answer is executed again.
    assert_eq!(with(&[&two[..], &["--void"]].concat()).code, 10);
    assert_eq!(verdicts(auditors[0].path(), "0-100").len(), 100);
    let said = proofmark_receipt::AuditEvidence::decode(
        &std::fs::read(statement(auditors[0].path(), "0-100")).unwrap(),
    )
    .unwrap();
    let said = said.signed.unverified();
    assert_eq!((said.beacon.0, said.beacon.1), (3, 1));
    assert_eq!((said.coin, said.selected), (1_000_000_000_000, 100));
    assert!(said.findings > 0);
    // Nothing is audited twice.
    assert_eq!(with(&["--void"]).code, 0);

    // A second auditor, for whom all three reveal: every secret draws.
    let common = ["--url", &front.url, "--roots", &roots, "--data", data[1]];
    let with = |more: &[&str]| run(&[&["run"], &common[..], more].concat());
    seal[2] = "99.9%";
    assert_eq!(with(&seal).code, 0);
    let three = [&two[..], &["--reveal", &revealed[2]]].concat();
    assert_eq!(with(&three).code, 10);
    let drawn = verdicts(auditors[1].path(), "0-100").len();
    assert!((90..=100).contains(&drawn), "{drawn}");
}

/// Who does not open what was selected is found out just as well.
#[test]
fn withheld_and_exchanged_receipts_are_findings() {
    let mut shop = Shop::new();
    shop.answer(8, &BTreeSet::new(), given);
    let mut bundles = shop.bundles.clone();
    bundles[1].1.clear();
    bundles[2].1 = bundles[3].1.clone();
    bundles[4].1.truncate(100);
    let mut undisclosed = Bundle::decode(&bundles[5].1).unwrap();
    undisclosed.disclosures.clear();
    bundles[5].1 = undisclosed.encode();
    let front = Front::start(log_public_dir(shop.path(), "receipts"), bundles);
    let (auditor, roots) = (tempfile::tempdir().unwrap(), shop.roots());
    let data = auditor.path().to_str().unwrap();
    assert_eq!(
        run(&[
            "run", "--url", &front.url, "--roots", &roots, "--data", data, "--coin", "100%"
        ])
        .code,
        10
    );
    let verdicts = verdicts(auditor.path(), "0-8");
    for entry in 0..8 {
        let expected = if [1, 2, 4, 5].contains(&entry) {
            "finding"
        } else {
            "same"
        };
        assert_eq!(
            verdicts[&entry]["outcome"], expected,
            "{}",
            verdicts[&entry]
        );
    }
}

/// A log that was changed after it was audited is no log, and an unknown one is not audited.
#[test]
fn another_history_is_refused() {
    let (mut shop, mut other) = (Shop::new(), Shop::new());
    shop.answer(3, &BTreeSet::new(), given);
    other.answer(3, &BTreeSet::new(), given);
    let (auditor, roots) = (tempfile::tempdir().unwrap(), shop.roots());
    let data = auditor.path().to_str().unwrap();
    let front = other.serve();
    assert_eq!(
        run(&[
            "run", "--url", &front.url, "--roots", &roots, "--data", data
        ])
        .error,
        Some("log.unknown")
    );
    let front = shop.serve();
    let arguments = [
        "run", "--url", &front.url, "--roots", &roots, "--data", data, "--coin", "100%",
    ];
    assert_eq!(run(&arguments).code, 0);
    // The books say that another root was seen.
    let books = std::fs::read_dir(auditor.path().join("audits"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path()
        .join("books.json");
    let text = std::fs::read_to_string(&books).unwrap();
    let root: Value = serde_json::from_str(&text).unwrap();
    let root = root["done"][0]["root"].as_str().unwrap().to_owned();
    std::fs::write(&books, text.replace(&root, &"0".repeat(64))).unwrap();
    assert_eq!(run(&arguments).error, Some("audit.log-differs"));
}
