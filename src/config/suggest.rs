//! "Did you mean": the known word that is nearest to a misspelt one.

/// The nearest candidate, if one is near enough to be meant: a third of the letters may differ.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 4);
    if word.len() > 64 {
        return None;
    }
    let distances = candidates.into_iter().map(|known| (distance(word, known), known));
    distances
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
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
    use super::nearest;

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
