//! "Did you mean": the known word that is nearest to a misspelt one, and the characters that only look like a space.

/// The nearest candidate, if one is near enough to be meant: a third of the letters may differ.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 4);
    // Every other letter would be near to a single one.
    if word.len() < 2 || word.len() > 64 {
        return None;
    }
    let distances = candidates.into_iter().map(|known| (distance(word, known), known));
    distances
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// What to do about a character that looks like a space, or like nothing, and came along when the text was copied from a
/// page. keepalived takes each as a letter, so that the word is none that it knows; so do we, and say which.
pub(super) fn lookalike(text: &str) -> Option<String> {
    let found = text.chars().find(|c| !c.is_ascii() && (c.is_whitespace() || is_unseen(*c)))?;
    let name = match found {
        '\u{a0}' => "a no-break space",
        '\u{3000}' => "an ideographic space",
        '\u{feff}' => "a byte order mark",
        found if found.is_whitespace() => "a space of another kind",
        _ => "a character without width",
    };
    let code = u32::from(found);
    Some(format!("it holds {name} (U+{code:04X}), as texts from web pages do: put a plain space"))
}

/// Zero-width space and its kin: they have no width, and Unicode does not call them white space.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// Letters to change, add, drop or swap with their neighbour (optimal string alignment); case and `-` for `_` cost
/// nothing.
fn distance(a: &str, b: &str) -> usize {
    let fold = |text: &str| -> Vec<char> {
        text.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
    };
    let (a, b) = (fold(a), fold(b));
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::{lookalike, nearest};

    #[test]
    fn what_only_looks_like_a_space_is_named() {
        let told = lookalike("\u{a0}\u{a0}notification_email").unwrap();
        assert!(told.contains("a no-break space (U+00A0)"), "{told}");
        let told = lookalike("state\u{3000}MASTER").unwrap();
        assert!(told.contains("an ideographic space (U+3000)"), "{told}");
        assert!(lookalike("vip\u{200b}").unwrap().contains("(U+200B)"));
        assert_eq!(lookalike("\u{5168}\u{5c40} state\tMASTER"), None);
    }

    #[test]
    fn a_near_word_is_found_and_a_far_one_is_not() {
        let known = ["virtual_router_id", "interface", "priority", "state"];
        assert_eq!(nearest("virtual_routerid", known), Some("virtual_router_id"));
        assert_eq!(nearest("prioirty", known), Some("priority"));
        assert_eq!(nearest("State", known), Some("state"));
        assert_eq!(nearest("virtual-router-id", known), Some("virtual_router_id"));
        assert_eq!(nearest("nopreempt", known), None);
        assert_eq!(nearest("", known), None);
    }
}
