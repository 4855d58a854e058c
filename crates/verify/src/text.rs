//! Texts of strangers on their way to a screen.

/// Whether a character could move the cursor, break a line, or change the order in which a line reads.
fn is_unruly(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

/// Whether a text shows as what it is.
pub(crate) fn is_plain(text: &str) -> bool {
    !text.contains(is_unruly)
}

/// A stranger's text for a screen: what could move the cursor, break the line or turn its direction is U+FFFD. The
/// rows of a [`Report`](crate::Report) repeat such texts.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if is_unruly(c) { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor_breaks_a_line_or_turns_its_direction() {
        assert_eq!(
            printable("a\u{1b}[31mb\r\n"),
            "a\u{fffd}[31mb\u{fffd}\u{fffd}"
        );
        for c in "\0\u{7f}\u{9b}\u{85}\u{202e}\u{2066}\u{2028}\u{200f}\u{feff}".chars() {
            let text = format!("x{c}y");
            assert_eq!(printable(&text), "x\u{fffd}y", "{c:?}");
            assert!(!is_plain(&text));
        }
        let plain = "Zürich 東京 שלום – it’s \"fine\"";
        assert!(is_plain(plain) && printable(plain) == plain);
    }
}
