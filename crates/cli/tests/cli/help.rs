//! What the command says about itself.

use crate::support::Home;

#[test]
fn help_lists_every_command() {
    let home = Home::new();
    insta::assert_snapshot!(home.expect(0, &["--help"]).out);
}

#[test]
fn help_of_the_main_commands() {
    let home = Home::new();
    for command in ["serve", "verify", "proxy", "witness"] {
        insta::assert_snapshot!(
            format!("help-{command}"),
            home.expect(0, &[command, "--help"]).out
        );
    }
}

#[test]
fn usage_errors_end_with_2() {
    let home = Home::new();
    for arguments in [
        &["frobnicate"][..],
        &["verify"],
        &["verify", "x", "--require", "truth"],
        &["verify", "x", "--nonce", "short"],
        &["serve", "--upstream", "no-url"],
        &["trust", "add"],
        &["log", "prove"],
        &[],
    ] {
        let ended = home.run(arguments);
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (2, ""),
            "{arguments:?}: {}",
            ended.err
        );
        assert!(!ended.err.is_empty());
    }
}

#[test]
fn completions_and_pages_are_made() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            home.expect(0, &["completions", shell])
                .out
                .contains("proofmark"),
            "{shell}"
        );
    }
    assert!(home.expect(0, &["man"]).out.contains(".TH proofmark 1"));
    home.expect(0, &["man", "--out", "pages"]);
    for page in [
        "proofmark.1",
        "proofmark-serve.1",
        "proofmark-key-node-rotate.1",
    ] {
        assert!(home.path("pages").join(page).exists(), "{page}");
    }
}

#[test]
fn colors_come_only_when_they_are_asked_for() {
    let home = Home::new();
    home.write("junk", "junk");
    assert!(!home.run(&["verify", "junk"]).out.contains('\u{1b}'));
    assert!(
        home.run(&["verify", "junk", "--color", "always"])
            .out
            .contains('\u{1b}')
    );
    let mut command = home.command(&["verify", "junk"]);
    let ended =
        crate::support::finish(command.env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1"), &[]);
    assert!(!ended.out.contains('\u{1b}'), "NO_COLOR wins");
}

#[test]
fn a_key_on_the_command_line_is_warned_about_and_not_repeated() {
    let home = Home::new();
    let key = format!("pm_{}", "k".repeat(43));
    let ended = home.run(&["receipt", "list", "--model", &key]);
    assert!(
        ended.err.contains("an API key stands on the command line"),
        "{}",
        ended.err
    );
    assert!(!ended.err.contains(&key) && !ended.out.contains(&key));
}
