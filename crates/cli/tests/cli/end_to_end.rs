//! A real server in front of a mock upstream; its bundles in the hands of strangers, friends and forgers.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use proofmark_keys::{KeyFile, KeyRole, OsEntropy};
use proofmark_receipt::{Bundle, SignedKeyStatement, SignedReceipt};

use crate::support::{Home, PATIENCE, Server, World, eventually, question};

/// Fetches the bundle of `id` with everything opened into `answer.receipt`.
fn fetch(home: &Home, id: &str) {
    home.expect(
        0,
        &[
            "receipt",
            "bundle",
            id,
            "--data",
            "data",
            "--disclose",
            "all",
            "--wait",
            "-o",
            "answer.receipt",
        ],
    );
}

fn started() -> (World, Home, Server) {
    let (world, home) = (World::new(), Home::new());
    let node = world.node(&home);
    (world, home, node)
}

#[test]
fn a_stranger_cannot_check_a_friend_accepts_and_every_edit_is_rejected() {
    let (world, home, node) = started();
    let answer = world.ask(&node.url(), &question("What is a proof mark?", false), &[]);
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let id = answer.receipt();
    fetch(&home, &id);

    // Somebody else, on another machine: another home, without roots.
    let stranger = Home::new();
    stranger.write("answer.receipt", home.read("answer.receipt"));
    let ended = stranger.expect(12, &["verify", "answer.receipt"]);
    assert!(
        ended.out.contains("receipt.issuer.unknown"),
        "{}",
        ended.out
    );

    // After the explicit act of believing this operator.
    stranger.write("root.toml", home.read("data/root.toml"));
    stranger.expect(0, &["trust", "add", "root.toml", "--yes"]);
    let ended = stranger.expect(
        0,
        &[
            "verify",
            "answer.receipt",
            "--require",
            "logged,answer,question",
        ],
    );
    assert!(
        ended.out.contains("ACCEPTED") && ended.out.contains("You still trust"),
        "{}",
        ended.out
    );
    assert!(
        ended
            .out
            .contains("This does not show: which model ran at the provider"),
        "{}",
        ended.out
    );
    stranger.expect(11, &["verify", "answer.receipt", "--require", "replayed"]);

    // The answer itself, as it was received, and an edited one.
    stranger.write("answer.json", &answer.body);
    stranger.expect(
        0,
        &[
            "verify",
            "answer.receipt",
            "--answer",
            "answer.json",
            "--require",
            "answer",
        ],
    );
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    stranger.write("edited.json", text.replacen("You said", "You sang", 1));
    let ended = stranger.expect(10, &["verify", "answer.receipt", "--answer", "edited.json"]);
    assert!(
        ended.out.starts_with("REJECTED") && ended.out.contains("receipt.answer.mismatch"),
        "{}",
        ended.out
    );

    // Flipped bits all over the file: never accepted, nearly all of them rejected.
    let bundle = stranger.read("answer.receipt");
    for at in (0..bundle.len()).step_by(bundle.len() / 24) {
        let mut tampered = bundle.clone();
        tampered[at] ^= 4;
        stranger.write("tampered.receipt", tampered);
        let ended = stranger.run(&[
            "verify",
            "tampered.receipt",
            "--require",
            "logged,answer,question",
        ]);
        assert!(
            [10, 11, 12].contains(&ended.code),
            "byte {at}: {}\n{}",
            ended.code,
            ended.out
        );
    }
}

#[test]
fn a_bundle_signed_again_with_fresh_keys_is_never_accepted() {
    let (world, home, node) = started();
    let id = world
        .ask(&node.url(), &question("Who are you?", false), &[])
        .receipt();
    fetch(&home, &id);
    home.expect(0, &["trust", "add", "data", "--yes"]);
    home.expect(0, &["verify", "answer.receipt"]);

    // A forger signs the same claims with a key and a key statement of his own, in the operator's name.
    let mut bundle = Bundle::decode(&home.read("answer.receipt")).unwrap();
    let genuine = SignedReceipt::decode(&bundle.receipt).unwrap();
    let mut says = SignedKeyStatement::decode(bundle.key_statement.as_ref().unwrap())
        .unwrap()
        .unverified()
        .clone();
    let fresh = |role| KeyFile::generate(role, "forger", 0, &mut OsEntropy).unwrap();
    let (operator, signer) = (fresh(KeyRole::Operator), fresh(KeyRole::Node));
    says.keys = vec![signer.public().clone()];
    let statement = SignedKeyStatement::sign(says, &operator.signing_key()).unwrap();
    let mut claims = genuine.claims().clone();
    claims.issuer.kid = signer.kid();
    claims.issuer.statement = statement.digest();
    bundle.receipt = SignedReceipt::sign(claims, &signer.signing_key())
        .unwrap()
        .as_bytes()
        .to_vec();
    bundle.key_statement = Some(statement.as_bytes().to_vec());
    home.write("forged.receipt", bundle.encode());
    assert!([10, 12].contains(&home.run(&["verify", "forged.receipt"]).code));

    // A forger with a whole node of his own under the same name: own statement, own logs, own checkpoints.
    let forger = Home::new();
    let name = home
        .expect(0, &["key", "node", "show", "--data", "data", "--json"])
        .json();
    let name = name["operator"]["name"].as_str().unwrap().to_owned();
    let mut command = forger.command(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data",
        "data",
        "--upstream",
        &world.upstream_flag(),
    ]);
    command.env("PROOFMARK_LOG_ORIGIN", &name);
    let forged_node = Server::start(&mut command);
    let id = world
        .ask(&forged_node.url(), &question("Who are you?", false), &[])
        .receipt();
    fetch(&forger, &id);
    home.write("forged-node.receipt", forger.read("answer.receipt"));
    let ended = home.expect(
        12,
        &[
            "verify",
            "forged-node.receipt",
            "--require",
            "logged,answer",
        ],
    );
    assert!(
        ended.out.contains("receipt.issuer.unknown"),
        "{}",
        ended.out
    );
}

#[test]
fn streams_secrets_and_nonces_are_bound() {
    let (world, home, node) = started();
    let (secret, nonce) = (
        Base64UrlUnpadded::encode_string(&[7; 32]),
        Base64UrlUnpadded::encode_string(&[9; 16]),
    );
    let body = question("Stream, please.", true);
    let headers = [
        ("x-proofmark-secret", secret.as_str()),
        ("x-proofmark-nonce", nonce.as_str()),
    ];
    let answer = world.ask(&node.url(), &body, &headers);
    assert!(
        answer.body.ends_with(b"data: [DONE]\n\n"),
        "{:?}",
        answer.body
    );
    home.expect(
        0,
        &[
            "receipt",
            "bundle",
            &answer.receipt(),
            "--data",
            "data",
            "--wait",
            "-o",
            "bare.receipt",
        ],
    );
    home.write("request.json", &body);
    home.write("answer.sse", &answer.body);
    home.write("secret", &secret);
    let mut verify = vec![
        "verify",
        "bare.receipt",
        "--data",
        "data",
        "--request",
        "request.json",
    ];
    verify.extend([
        "--answer",
        "answer.sse",
        "--require",
        "answer,question,logged",
    ]);
    home.expect(12, &verify);
    verify.extend(["--secret-file", "secret", "--nonce", &nonce]);
    home.expect(0, &verify);
    let other = Base64UrlUnpadded::encode_string(&[8; 16]);
    *verify.last_mut().unwrap() = &other;
    assert!(
        home.expect(10, &verify)
            .out
            .contains("receipt.nonce.mismatch")
    );
    home.write(
        "other.sse",
        String::from_utf8(answer.body.to_vec())
            .unwrap()
            .replace("Stream", "Scream"),
    );
    let ended = home.expect(
        10,
        &[
            "verify",
            "bare.receipt",
            "--data",
            "data",
            "--answer",
            "other.sse",
            "--secret-file",
            "secret",
        ],
    );
    assert!(
        ended.out.contains("receipt.answer.mismatch"),
        "{}",
        ended.out
    );
}

#[test]
fn one_message_can_be_disclosed_and_nothing_else() {
    let (world, home, node) = started();
    let id = world
        .ask(&node.url(), &question("What is public here?", false), &[])
        .receipt();
    fetch(&home, &id);
    home.expect(
        0,
        &[
            "receipt",
            "disclose",
            "answer.receipt",
            "--field",
            "received/messages/1",
            "--text",
            "0:0-8",
            "-o",
            "part.receipt",
        ],
    );
    let ended = home.expect(
        0,
        &[
            "verify",
            "part.receipt",
            "--data",
            "data",
            "--require",
            "logged",
        ],
    );
    assert!(ended.out.contains("ACCEPTED"), "{}", ended.out);
    let part = home.read("part.receipt");
    let holds = |text: &str| {
        part.windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    assert!(
        holds("What is public here?") && !holds("Be brief."),
        "one message only"
    );
    home.expect(
        11,
        &[
            "verify",
            "part.receipt",
            "--data",
            "data",
            "--require",
            "question",
        ],
    );
    home.expect(
        0,
        &[
            "receipt",
            "disclose",
            "answer.receipt",
            "-o",
            "closed.receipt",
        ],
    );
    assert!(
        Bundle::decode(&home.read("closed.receipt"))
            .unwrap()
            .disclosures
            .is_empty()
    );
    home.expect(
        2,
        &[
            "receipt",
            "disclose",
            "answer.receipt",
            "--field",
            "received/messages/9",
            "-o",
            "x",
        ],
    );
    home.expect(
        2,
        &[
            "receipt",
            "disclose",
            "closed.receipt",
            "--scope",
            "received",
            "-o",
            "x",
        ],
    );
}

#[test]
fn receipts_are_listed_and_shown_with_and_without_a_running_server() {
    let (world, home, node) = started();
    let first = world
        .ask(&node.url(), &question("One", false), &[])
        .receipt();
    let second = world
        .ask(&node.url(), &question("Two", false), &[])
        .receipt();
    home.expect(
        0,
        &["receipt", "bundle", &second, "--data", "data", "--wait"],
    );
    let listed = |home: &Home| -> Vec<String> {
        let json = home
            .expect(0, &["receipt", "list", "--data", "data", "--json"])
            .json();
        json.as_array()
            .unwrap()
            .iter()
            .map(|receipt| receipt["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        listed(&home),
        [second.clone(), first.clone()],
        "newest first"
    );
    let shown = home.expect(0, &["receipt", "show", &first, "--data", "data"]);
    assert!(
        shown.out.contains("asserted by the provider") && shown.err.contains("not verified"),
        "{}",
        shown.out
    );
    home.expect(
        2,
        &[
            "receipt",
            "show",
            "01990000-0000-7fff-bfff-ffffffffffff",
            "--data",
            "data",
        ],
    );

    assert_eq!(node.stop().code, 0);
    assert_eq!(listed(&home), [second.clone(), first]);
    home.expect(
        0,
        &[
            "receipt",
            "bundle",
            &second,
            "--data",
            "data",
            "--disclose",
            "answer",
            "-o",
            "late.receipt",
        ],
    );
    home.expect(
        0,
        &[
            "verify",
            "late.receipt",
            "--data",
            "data",
            "--require",
            "logged,answer",
        ],
    );
    let json = home
        .expect(0, &["receipt", "show", "late.receipt", "--json"])
        .json();
    assert_eq!(json["id"], second.as_str());
    home.expect(2, &["receipt", "list", "--data", "elsewhere"]);
}

#[test]
fn with_api_keys_the_command_line_still_reaches_its_own_node() {
    let (world, home) = (World::new(), Home::new());
    let key = home
        .expect(0, &["key", "create", "--data", "data", "--name", "app"])
        .out;
    let node = world.node(&home);
    assert_eq!(
        world
            .ask(&node.url(), &question("Anyone?", false), &[])
            .status,
        401
    );
    let authorization = format!("Bearer {}", key.trim());
    let answer = world.ask(
        &node.url(),
        &question("Me.", false),
        &[("authorization", &authorization)],
    );
    assert_eq!(answer.status, 200);
    fetch(&home, &answer.receipt());
    home.expect(0, &["verify", "answer.receipt", "--data", "data"]);
    let mode = std::fs::metadata(home.path("data/run/cli.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    // From another machine it takes a key, and the key is of the one who asked.
    let other = Home::new();
    other.expect(
        2,
        &["receipt", "show", &answer.receipt(), "--url", &node.url()],
    );
    other.write("key", key.trim());
    other.expect(
        0,
        &[
            "receipt",
            "show",
            &answer.receipt(),
            "--url",
            &node.url(),
            "--api-key-file",
            "key",
        ],
    );
}

#[test]
fn what_serve_says_when_it_starts() {
    let (_world, home, mut node) = started();
    let banner = node.printed();
    for words in [
        "listens",
        "operator key online",
        "endorsed until",
        "data",
        "curl",
        "proofmark trust add data/root.toml",
        "proofmark verify",
    ] {
        assert!(banner.contains(words), "{words}:\n{banner}");
    }
    let keys = home
        .expect(0, &["key", "node", "show", "--data", "data"])
        .out;
    let print = keys
        .lines()
        .find_map(|line| line.trim().strip_prefix("fingerprint"))
        .unwrap()
        .trim()
        .to_owned();
    assert!(banner.contains(&print), "{print}\n{banner}");
    let trusted = home.expect(0, &["trust", "add", &node.url(), "--fingerprint", &print]);
    assert!(trusted.out.contains("You now believe"), "{}", trusted.out);
    assert!(
        home.expect(0, &["doctor", "--data", "data"])
            .out
            .contains(&format!("runs on {}", node.address))
    );
}

#[test]
fn one_data_directory_has_one_server() {
    let (world, home, node) = started();
    let second = home.expect(
        2,
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--data",
            "data",
            "--upstream",
            &world.upstream_flag(),
        ],
    );
    assert!(second.err.contains("data.locked"), "{}", second.err);
    let taken = node.address.to_string();
    let third = home.expect(
        2,
        &[
            "serve",
            "--listen",
            &taken,
            "--data",
            "other",
            "--upstream",
            &world.upstream_flag(),
        ],
    );
    assert!(third.err.contains("cannot listen"), "{}", third.err);
    assert_eq!(node.stop().code, 0);
    assert!(!home.path("data/run/server.json").exists());
    assert_eq!(world.node(&home).stop().code, 0);
}

#[test]
fn rotation_and_revocation_reach_a_running_server() {
    let (world, home, node) = started();
    let old = world
        .ask(&node.url(), &question("Before", false), &[])
        .receipt();
    fetch(&home, &old);
    home.expect(0, &["verify", "answer.receipt", "--data", "data"]);
    let kid = |home: &Home| -> String {
        let json = home
            .expect(0, &["key", "node", "show", "--data", "data", "--json"])
            .json();
        json["statement"]["keys"][0].as_str().unwrap().to_owned()
    };
    let before = kid(&home);
    home.expect(
        0,
        &[
            "key",
            "node",
            "rotate",
            "--data",
            "data",
            "--revoke",
            "compromised",
        ],
    );
    let after = kid(&home);
    assert_ne!(before, after);
    let issuer_of = |home: &Home, id: &str| -> String {
        let json = home
            .expect(0, &["receipt", "show", id, "--data", "data", "--json"])
            .json();
        json["issuer"]["value"]["kid"].as_str().unwrap().to_owned()
    };
    eventually("the server signs with the new key", || {
        let id = world
            .ask(&node.url(), &question("After", false), &[])
            .receipt();
        issuer_of(&home, &id) == after
    });
    let id = world
        .ask(&node.url(), &question("After", false), &[])
        .receipt();
    fetch(&home, &id);
    home.expect(
        0,
        &[
            "verify",
            "answer.receipt",
            "--data",
            "data",
            "--require",
            "logged",
        ],
    );
    // The old receipt, with the registry as it is now: its key is revoked, and nobody witnessed when it was issued.
    fetch(&home, &old);
    let ended = home.expect(10, &["verify", "answer.receipt", "--data", "data"]);
    assert!(ended.out.contains("receipt.revoked"), "{}", ended.out);

    home.expect(
        2,
        &[
            "key",
            "node",
            "revoke",
            "--data",
            "data",
            "--reason",
            "compromised",
        ],
    );
    home.expect(
        0,
        &[
            "key",
            "node",
            "revoke",
            "--data",
            "data",
            "--reason",
            "compromised",
            "--yes",
        ],
    );
    eventually("the server signs nothing with a revoked key", || {
        world
            .ask(&node.url(), &question("Revoked", false), &[])
            .status
            == 503
    });
}

#[test]
fn a_node_serves_on_without_its_operator_key_and_says_so() {
    let (world, home, node) = started();
    assert_eq!(node.stop().code, 0);
    std::fs::rename(
        home.path("data/keys/operator.key"),
        home.path("operator.key"),
    )
    .unwrap();
    let mut node = world.node(&home);
    assert!(
        node.printed().contains("not on this machine"),
        "{}",
        node.banner
    );
    let id = world
        .ask(&node.url(), &question("Still there?", false), &[])
        .receipt();
    fetch(&home, &id);
    home.expect(0, &["verify", "answer.receipt", "--data", "data"]);
    let ended = home.expect(1, &["key", "node", "rotate", "--data", "data"]);
    assert!(
        ended.err.contains("keys.operator-key-away") && ended.err.contains("--operator-key"),
        "{}",
        ended.err
    );
    home.expect(
        0,
        &[
            "key",
            "node",
            "rotate",
            "--data",
            "data",
            "--operator-key",
            "operator.key",
        ],
    );
    let json = home
        .expect(0, &["key", "node", "show", "--data", "data", "--json"])
        .json();
    assert_eq!(json["statement"]["operator_key_online"], false);
}

#[test]
fn contents_and_secrets_are_in_no_log_line() {
    let (world, home) = (World::new(), Home::new());
    home.write(
        "proofmark.toml",
        "[logging]\nlevel = \"trace\"\nformat = \"json\"\n",
    );
    let key = home
        .expect(0, &["key", "create", "--data", "data", "--name", "app"])
        .out;
    let node = world.node(&home);
    let secret = Base64UrlUnpadded::encode_string(&[77; 32]);
    let authorization = format!("Bearer {}", key.trim());
    let marker = "marker-8d1f-do-not-log";
    let headers = [
        ("authorization", authorization.as_str()),
        ("x-proofmark-secret", secret.as_str()),
    ];
    let answer = world.ask(&node.url(), &question(marker, false), &headers);
    assert_eq!(answer.status, 200);
    fetch(&home, &answer.receipt());
    let ended = node.stop();
    assert_eq!(ended.code, 0);
    assert!(!ended.err.is_empty(), "something is logged");
    for hidden in [marker, secret.as_str(), key.trim()] {
        assert!(
            !ended.err.contains(hidden) && !ended.out.contains(hidden),
            "{hidden}"
        );
    }
}

/// A standard error on a full disk loses what the server says about itself; its answers go on.
#[cfg(target_os = "linux")]
#[test]
fn a_server_that_cannot_log_answers_on() {
    let (world, home) = (World::new(), Home::new());
    let node = home.command(&[]);
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", "exec \"$0\" \"$@\" 2>/dev/full"])
        .arg(node.get_program())
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(home.path("data"))
        .args(["--upstream", &world.upstream_flag()])
        .env_clear()
        .env("PATH", "/usr/bin:/bin");
    let node = Server::start(&mut shell);
    for stream in [false, true] {
        let answer = world.ask(&node.url(), &question("Hello", stream), &[]);
        assert_eq!(answer.status, 200);
        assert!(!answer.receipt().is_empty());
    }
    assert_eq!(node.stop().code, 0);
}

#[test]
fn a_server_that_is_still_starting_can_be_stopped() {
    let home = Home::new();
    // The first checkpoint of the registry takes as long as this, and serving waits for it.
    home.write("proofmark.toml", "[log]\ncheckpoint_interval_ms = 60000\n");
    let mut child = home
        .command(&["serve", "--listen", "127.0.0.1:0", "--data", "data"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while !home.path("data/log/registry/public/checkpoint").exists() {
        assert!(started.elapsed() < PATIENCE, "it does not start");
        std::thread::yield_now();
    }
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let code = child.wait().unwrap().code();
    assert!(matches!(code, Some(0 | 1)), "{code:?}");
    assert!(started.elapsed() < PATIENCE / 2, "{:?}", started.elapsed());
}
