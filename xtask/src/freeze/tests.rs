use super::*;
use tempfile::TempDir;

const DRAFT: &str = r#"
informative = ["specs/README.md"]

[[format]]
name = "receipt"
status = "draft"
files = ["specs/01-receipt.md", "vectors/receipt/**"]
"#;

fn repository(manifest: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, MANIFEST, manifest);
    write(&folder, "specs/README.md", "about");
    write(&folder, "specs/01-receipt.md", "# Receipt");
    write(&folder, "vectors/receipt/happy.json", "{}");
    folder
}

fn write(folder: &TempDir, path: &str, text: &str) {
    let path = folder.path().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn frozen() -> String {
    DRAFT.replace("draft", "frozen")
}

/// A repository whose one format was frozen as it stands.
fn frozen_repository() -> TempDir {
    let folder = repository(&frozen());
    assert_eq!(
        accept(folder.path()).unwrap().problems,
        Vec::<String>::new()
    );
    assert_eq!(check(folder.path()).unwrap().problems, Vec::<String>::new());
    folder
}

fn check_problems(folder: &TempDir) -> Vec<String> {
    check(folder.path()).unwrap().problems
}

#[test]
fn the_lock_file_holds_the_sha256_of_each_file() {
    let folder = frozen_repository();
    let lock = std::fs::read_to_string(folder.path().join(LOCK)).unwrap();
    assert_eq!(
        lock,
        "format receipt frozen\n\
         d84ef5e7473926d68f769339db5269d31af0a325f966cc15b09411c9e7abdf39  specs/01-receipt.md\n\
         44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a  vectors/receipt/happy.json\n"
    );
    assert_eq!(Lock::parse(&lock).unwrap().to_string(), lock);
}

#[test]
fn a_changed_draft_is_told_and_passes() {
    let folder = repository(DRAFT);
    accept(folder.path()).unwrap();
    write(&folder, "specs/01-receipt.md", "# Receipt, again");
    let findings = check(folder.path()).unwrap();
    assert_eq!(findings.problems, Vec::<String>::new());
    assert_eq!(
        findings.notes,
        ["receipt is a draft, and specs/01-receipt.md changed"]
    );
    accept(folder.path()).unwrap();
    assert!(check(folder.path()).unwrap().notes.is_empty());
}

#[test]
fn a_changed_frozen_format_fails_and_cannot_be_accepted() {
    let folder = frozen_repository();
    write(&folder, "vectors/receipt/happy.json", "{\"a\":1}");
    assert_eq!(
        check_problems(&folder),
        ["receipt is frozen, and vectors/receipt/happy.json changed"]
    );
    let before = std::fs::read(folder.path().join(LOCK)).unwrap();
    assert_eq!(accept(folder.path()).unwrap().problems.len(), 1);
    assert_eq!(std::fs::read(folder.path().join(LOCK)).unwrap(), before);
}

#[test]
fn a_frozen_format_that_lost_a_file_fails_and_cannot_be_accepted() {
    let folder = frozen_repository();
    write(&folder, "vectors/receipt/other.json", "[]");
    accept(folder.path()).unwrap();
    std::fs::remove_file(folder.path().join("vectors/receipt/happy.json")).unwrap();
    assert_eq!(
        check_problems(&folder),
        ["receipt is frozen, and vectors/receipt/happy.json was removed"]
    );
    assert_eq!(accept(folder.path()).unwrap().problems.len(), 1);
}

#[test]
fn a_frozen_format_may_gain_vectors_once_they_are_accepted() {
    let folder = frozen_repository();
    write(&folder, "vectors/receipt/more/one.json", "[]");
    assert_eq!(
        check_problems(&folder),
        ["receipt is frozen, and vectors/receipt/more/one.json was added"]
    );
    assert!(accept(folder.path()).unwrap().problems.is_empty());
    assert!(check_problems(&folder).is_empty());
}

#[test]
fn a_frozen_format_may_not_gain_another_specification() {
    let folder = frozen_repository();
    write(&folder, "specs/02-more.md", "# More");
    let wider = frozen().replace("\"specs/01", "\"specs/02-more.md\", \"specs/01");
    write(&folder, MANIFEST, &wider);
    assert_eq!(check_problems(&folder).len(), 1);
    assert_eq!(accept(folder.path()).unwrap().problems.len(), 1);
}

#[test]
fn a_format_that_was_never_recorded_cannot_pass_as_frozen() {
    let folder = repository(&frozen());
    assert_eq!(check_problems(&folder).len(), 1);
}

#[test]
fn thawing_or_losing_a_frozen_format_fails() {
    let folder = frozen_repository();
    write(&folder, MANIFEST, DRAFT);
    assert_eq!(
        check_problems(&folder),
        ["receipt was frozen, and specs/formats.toml calls it a draft"]
    );
    assert_eq!(accept(folder.path()).unwrap().problems.len(), 1);
    write(
        &folder,
        MANIFEST,
        &DRAFT.replace("\"receipt\"", "\"other\""),
    );
    assert_eq!(
        check_problems(&folder),
        ["receipt was frozen, and specs/formats.toml has lost it"]
    );
}

#[test]
fn a_file_without_a_format_or_with_two_fails() {
    let folder = repository(DRAFT);
    write(&folder, "vectors/stray.json", "{}");
    assert_eq!(
        check_problems(&folder),
        ["vectors/stray.json belongs to no format: name it in specs/formats.toml"]
    );
    std::fs::remove_file(folder.path().join("vectors/stray.json")).unwrap();
    let twice = format!(
        "{DRAFT}\n[[format]]\nname = \"log\"\nstatus = \"draft\"\nfiles = [\"specs/01-receipt.md\"]\n"
    );
    write(&folder, MANIFEST, &twice);
    assert!(
        check_problems(&folder)
            .contains(&"specs/01-receipt.md belongs to receipt and to log".to_owned())
    );
}

#[test]
fn a_pattern_without_files_is_told_of_a_draft_and_fails_a_frozen_format() {
    let misspelt = DRAFT.replace("specs/01-receipt.md", "specs/01-reciept.md");
    let folder = repository(&misspelt);
    std::fs::remove_file(folder.path().join("specs/01-receipt.md")).unwrap();
    accept(folder.path()).unwrap();
    let empty = "receipt: nothing matches specs/01-reciept.md";
    assert_eq!(check(folder.path()).unwrap().notes, [empty]);
    write(&folder, MANIFEST, &misspelt.replace("draft", "frozen"));
    assert_eq!(check_problems(&folder), [empty]);
}

#[test]
fn a_misspelt_manifest_is_an_error() {
    for (from, to) in [
        ("\"draft\"", "\"frozzen\""),
        ("status", "staus"),
        ("informative", "informal"),
        ("vectors/receipt/**", "vectors/*.json"),
        ("\"receipt\"", "\"Receipt 1\""),
        ("files", "file"),
    ] {
        assert!(Manifest::parse(&DRAFT.replace(from, to)).is_err(), "{to}");
    }
    assert!(Manifest::parse(&format!("{DRAFT}{}", &DRAFT[DRAFT.find("[[").unwrap()..])).is_err());
}

#[test]
fn a_broken_lock_file_is_an_error() {
    let digest = "0".repeat(64);
    for text in [
        format!("{digest}  specs/a.md\n"),
        "format receipt\n".to_owned(),
        "format receipt melted\n".to_owned(),
        "format receipt draft\n12ab  specs/a.md\n".to_owned(),
        "format receipt draft\nformat receipt draft\n".to_owned(),
        format!("format receipt draft\n{digest}  a\n{digest}  a\n"),
    ] {
        assert!(Lock::parse(&text).is_err(), "{text}");
    }
}
