use super::separators::{check, collect};
use super::*;

fn source(path: &str, text: &str) -> (String, String) {
    (path.to_owned(), text.to_owned())
}

#[test]
fn every_word_of_unfinished_work_is_found_where_it_stands() {
    for word in UNFINISHED.iter().chain(&FOREIGN) {
        let text = format!("fine\nhere: {word} there\n");
        assert_eq!(unfinished("a.rs", &text), [format!("a.rs:2: {word}")]);
    }
}

#[test]
fn parts_of_other_words_are_not_found() {
    let text = format!(
        "{}S\nMA{}\n{}_LIST\n",
        UNFINISHED[0], UNFINISHED[3], UNFINISHED[1]
    );
    assert_eq!(unfinished("a.rs", &text), Vec::<String>::new());
}

#[test]
fn a_file_that_outgrew_its_job_is_found_and_tests_count_apart() {
    let at_the_limit = "x\n".repeat(MAX_SHIPPED_LINES);
    let tests = |lines: usize| {
        format!(
            "#[cfg(test)]\nmod tests {{\n{}}}\n",
            "    y\n".repeat(lines - 3)
        )
    };
    let fits = format!("{at_the_limit}{}", tests(MAX_INLINE_TEST_LINES));
    assert_eq!(outgrown("a.rs", &fits), Vec::<String>::new());
    assert_eq!(
        outgrown("a.rs", &format!("{at_the_limit}x\n")),
        ["a.rs: 1001 lines, more than 1000"]
    );
    assert_eq!(
        outgrown("a.rs", &tests(MAX_INLINE_TEST_LINES + 1)),
        ["a.rs: 151 lines of inline tests, more than 150"]
    );
}

#[test]
fn a_separator_in_two_places_or_in_no_specification_is_found() {
    let sources = [
        source(
            "a.rs",
            "const A: &[u8] = b\"proofmark/receipt/1/claims\\n\";\n// \"proofmark/receipt/1/comment\"\n",
        ),
        source(
            "b.rs",
            "const B: &str = \"proofmark/receipt/1/claims\";\n#[cfg(test)]\nmod tests {\n    const T: &str = \"proofmark/receipt/1/test\";\n}\n",
        ),
        source("c.rs", "let agent = \"proofmark/0.1\";"),
    ];
    let found = collect(&sources);
    assert_eq!(
        check(&found, "| `proofmark/receipt/1/claims\\n` |"),
        ["proofmark/receipt/1/claims is written in a.rs:1 and in b.rs:1"]
    );
    let alone = collect(&sources[..1]);
    assert_eq!(
        check(&alone, ""),
        ["a.rs:1: proofmark/receipt/1/claims is listed in no specification"]
    );
}

#[test]
fn what_counts_as_text() {
    for path in ["a/b.rs", ".ci/run", "justfile", "a/.gitignore", "x.d.json"] {
        assert!(is_text(path), "{path}");
    }
    for path in ["LICENSE-MIT", "tiles/x001.bin", "a.png"] {
        assert!(!is_text(path), "{path}");
    }
}
