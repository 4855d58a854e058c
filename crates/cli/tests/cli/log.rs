//! `log` and `witness` on the files of a real node.

use crate::support::{Home, World, question};

/// Asks `count` questions and waits until the last receipt is in the log.
fn filled(world: &World, home: &Home, url: &str, count: usize) {
    let mut last = String::new();
    for n in 0..count {
        last = world
            .ask(url, &question(&format!("Number {n}"), false), &[])
            .receipt();
    }
    home.expect(
        0,
        &[
            "receipt",
            "bundle",
            &last,
            "--data",
            "data",
            "--wait",
            "-o",
            "last.receipt",
        ],
    );
}

#[test]
fn show_prove_tail_and_fsck() {
    let (world, home) = (World::new(), Home::new());
    let node = world.node(&home);
    filled(&world, &home, &node.url(), 5);

    let shown = home
        .expect(0, &["log", "show", "--data", "data", "--json"])
        .json();
    assert_eq!(
        (shown["size"].as_u64(), shown["verified"].as_bool()),
        (Some(5), Some(true))
    );
    home.expect(
        0,
        &["log", "prove", "3", "--data", "data", "-o", "entry.proof"],
    );
    assert!(
        home.read("entry.proof")
            .starts_with(b"c2sp.org/tlog-proof@v1\n")
    );
    home.expect(2, &["log", "prove", "5", "--data", "data"]);
    let tail = home
        .expect(0, &["log", "tail", "--data", "data", "-n", "2"])
        .out;
    assert_eq!(tail.lines().count(), 2, "{tail}");
    let registry = home
        .expect(
            0,
            &[
                "log", "tail", "--data", "data", "--log", "registry", "--json",
            ],
        )
        .out;
    assert!(
        registry.contains("\"operator\"") && registry.contains("key-statement"),
        "{registry}"
    );

    // The same by URL: a stranger sees the log, and cannot say whose it is.
    let stranger = Home::new();
    let ended = stranger.expect(12, &["log", "show", "--url", &node.url()]);
    assert!(ended.err.contains("log.unknown"), "{}", ended.err);
    stranger.write("root.toml", home.read("data/root.toml"));
    stranger.expect(0, &["trust", "add", "root.toml", "--yes"]);
    stranger.expect(0, &["log", "show", "--url", &node.url()]);
    stranger.expect(0, &["log", "prove", "0", "--url", &node.url()]);

    // While the server runs, the public files; afterwards everything.
    let report = home
        .expect(0, &["log", "fsck", "--data", "data", "--json"])
        .json();
    assert_eq!(
        (
            report[0]["clean"].as_bool(),
            report[0]["public_files_only"].as_bool()
        ),
        (Some(true), Some(true))
    );
    assert_eq!(node.stop().code, 0);
    let report = home
        .expect(0, &["log", "fsck", "--data", "data", "--json"])
        .json();
    assert_eq!(
        (
            report[0]["records"].as_u64(),
            report[0]["public_files_only"].as_bool()
        ),
        (Some(5), Some(false))
    );
    assert_eq!(report[1]["clean"].as_bool(), Some(true), "{report}");
}

#[test]
fn fsck_finds_a_changed_tile() {
    let (world, home) = (World::new(), Home::new());
    let node = world.node(&home);
    filled(&world, &home, &node.url(), 3);
    assert_eq!(node.stop().code, 0);
    let tiles = home.path("data/log/receipts/public/tile/0");
    let mut changed = 0;
    let mut dirs = vec![tiles];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let mut bytes = std::fs::read(&path).unwrap();
                bytes[5] ^= 1;
                std::fs::write(&path, bytes).unwrap();
                changed += 1;
            }
        }
    }
    assert!(changed > 0);
    let ended = home.expect(10, &["log", "fsck", "--data", "data", "--log", "receipts"]);
    assert!(
        ended.out.contains('✘') && ended.out.contains("tile/0"),
        "{}",
        ended.out
    );
    home.expect(10, &["log", "prove", "1", "--data", "data"]);
}

#[test]
fn a_witness_cosigns_and_counts_only_if_it_is_independent() {
    let (world, home) = (World::new(), Home::new());
    // The keys come first: the witness has to know the log, and the log the witness.
    assert_eq!(world.node(&home).stop().code, 0);
    let witness = home.serve(&[
        "witness",
        "--dir",
        "witness",
        "--listen",
        "127.0.0.1:0",
        "--name",
        "witness.example",
        "--roots",
        "data/root.toml",
    ]);
    let mut witness = witness;
    let banner = witness.printed();
    let vkey = banner
        .lines()
        .find_map(|line| line.trim().strip_prefix("verifier key"))
        .unwrap()
        .trim()
        .to_owned();
    home.write(
        "proofmark.toml",
        format!(
            "[[log.witness]]\nvkey = \"{vkey}\"\nurl = \"{}\"\n",
            witness.url()
        ),
    );
    let node = world.node(&home);
    filled(&world, &home, &node.url(), 2);

    let roots = String::from_utf8(home.read("data/root.toml")).unwrap();
    let operator = roots
        .lines()
        .find_map(|line| line.strip_prefix("name = "))
        .unwrap()
        .trim_matches('"')
        .to_owned();
    let with = |witness_operator: &str, k: u32| {
        let watched = roots.replace(
            "kind = \"receipts\"",
            "kind = \"receipts\"\nwitnesses = \"w\"",
        );
        format!(
            "{watched}\n[[witness_group]]\nname = \"w\"\nk = {k}\ntolerated_faulty = 0\n\n[[witness_group.member]]\nvkey = \"{vkey}\"\noperator = \"{witness_operator}\"\n"
        )
    };
    home.write("independent.toml", with("somebody else", 1));
    home.write("same.toml", with(&operator, 1));
    let ended = home.expect(
        0,
        &[
            "verify",
            "last.receipt",
            "--roots",
            "independent.toml",
            "--require",
            "witnessed",
        ],
    );
    assert!(
        ended.out.contains("1 of 1 independent witnesses"),
        "{}",
        ended.out
    );
    let ended = home.expect(
        11,
        &[
            "verify",
            "last.receipt",
            "--roots",
            "same.toml",
            "--require",
            "witnessed",
        ],
    );
    assert!(ended.out.contains("? Public log"), "{}", ended.out);
    assert_eq!(node.stop().code, 0);
    assert_eq!(witness.stop().code, 0);
    home.expect(
        2,
        &[
            "witness",
            "--dir",
            "witness",
            "--name",
            "other",
            "--roots",
            "data/root.toml",
        ],
    );
    home.expect(2, &["witness", "--dir", "new", "--roots", "data/root.toml"]);
    home.expect(2, &["witness", "--dir", "witness"]);
}
